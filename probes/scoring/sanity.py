"""Checks of attributions: do they explain this model, and is a removal score evidence at all?

    randomised_weights   do attributions change when the model's weights are replaced by noise?
    retrain              can a fresh classifier still tell the classes without the top elements, or from the mask alone?

**Randomised weights** (Adebayo et al. 2018, arXiv 1810.03292): an attribution that stays the same when the model is
replaced by noise explains the data and not the model. Signed rank correlations decide. Those of absolute values stand
beside them because they are often quoted: they read 0.9 on any network for a method that multiplies by the input.

**Remove and retrain** (Hooker et al. 2019, arXiv 1806.10758): if the top elements carried the class, a classifier
trained without them should fail. But which elements are removed can itself tell the class (the removed elements of a
handwritten digit outline it), so a second classifier sees the removal mask alone.

Deviations from the sources: (1) noise has the size of the weights it replaces and is drawn several times; (2) the fresh
classifier is closed-form: ridge regression on the elements and random cosine features (Rahimi & Recht 2007), so that
the nulls of shuffled labels come in the same solve; (3) the leak detector.

Letters: n observations, q label columns.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy.stats import rankdata
from torch import Tensor, nn

from imprint.models.errors import NotMeasurableError
from imprint.probes.attributions.base import Attribution, Attributor, watched
from imprint.probes.samples.controls import compact_groups, folds_of, shuffled
from imprint.probes.scoring.attributions import rankings, require_like
from imprint.probes.subjects.subject import ROOT, Subject

FEATURES = 256
"""Random cosine features of a fresh classifier."""
RIDGE = 1e-3
"""Its ridge, as a part of the mean square of its inputs."""


@dataclass(frozen=True)
class RandomisedWeights:
    """Attributions while the weights are replaced by noise, from the top module down."""

    table: pd.DataFrame
    """One row a stage: module (randomised last), signed, absolute (mean rank correlations with the first attributions),
    n (observations times draws that could be correlated)."""
    signed: float
    """With all weights randomised, -1 to 1: near 0 for a method that explains the model."""
    absolute: float
    """The same of sizes alone; high for any method that multiplies by the input."""
    verdict: str
    """``depends on the weights``, ``does not depend on the weights`` or ``undetermined``; from the signed one."""


@dataclass(frozen=True)
class Retrained:
    """Fresh classifiers on what is left after the top elements are removed."""

    table: pd.DataFrame
    """ranking, share removed, accuracy, mask_accuracy (from the mask alone), mask_chance (mean over shuffled labels),
    mask_p_value, evidence (whether the accuracy may be read), why."""
    accuracy: float
    """With nothing removed."""
    chance: float
    """With nothing removed and shuffled labels."""
    n: int
    """Observations."""


def randomised_weights(
    subject: Subject,
    observation: Tensor,
    attributor: Attributor,
    *,
    draws: int = 5,
    limit: float = 0.5,
    rng: torch.Generator,
) -> RandomisedWeights:
    """Randomise module after module from the output down, and correlate attributions with the first ones.

    Weights become Gaussian noise of mean 0 and the root mean square that each tensor had; afterwards the model is as it
    was, also after an error. Spearman correlations are per observation, over elements that differ from the baseline.
    The verdict compares the signed correlation after the last stage with ``limit``. A readout that belongs to
    the value and not to the model keeps its weights.
    """
    first = attributor(subject, observation)
    x = observation.detach().cpu().to(first.attributions)
    reference, differs = first.on_observation().flatten(1).numpy(), (x != first.baseline).flatten(1).numpy()
    stages = _stages(subject, observation[:2])
    rows: list[tuple[str, float, float]] = []
    for _ in range(draws):
        with _restored([parameter for _, held in stages for parameter in held]):
            for name, held in stages:
                for parameter in held:
                    noise = torch.randn(parameter.shape, generator=rng).to(parameter)
                    parameter.data = noise * parameter.data.square().mean().sqrt()
                found = attributor(subject, observation).attributions.flatten(1).numpy()
                signed = _rank_correlations(reference, found, differs)
                sizes = _rank_correlations(np.abs(reference), np.abs(found), differs)
                rows += [(name or ROOT, float(a), float(b)) for a, b in zip(signed, sizes, strict=True)]
    stage = pd.DataFrame(rows, columns=["module", "signed", "absolute"]).groupby("module", sort=False)
    table = stage[["signed", "absolute"]].mean().assign(n=stage["signed"].count()).reset_index()
    last, size = (float(table[column].iloc[-1]) for column in ("signed", "absolute"))
    verdict = "does not depend on the weights" if last > limit else "depends on the weights"
    return RandomisedWeights(table, last, size, "undetermined" if np.isnan(last) else verdict)


def retrain(
    observation: Tensor,
    attribution: Attribution,
    labels: NDArray[np.generic],
    *,
    groups: object | None = None,
    shares: tuple[float, ...] = (0.1, 0.3, 0.5, 0.7, 0.9),
    shuffles: int = 99,
    alpha: float = 0.05,
    rng: np.random.Generator,
) -> Retrained:
    """Held-out accuracy (of whole groups) of a fresh classifier after the top ``shares`` of elements are removed.

    Elements are ranked by size of attribution, at random and by variance, and replaced by their mean over observations.
    A mask leaks the class where the accuracy from it alone beats shuffled labels at level ``alpha``; the row is then no
    evidence for or against its ranking. Raises :class:`NotMeasurableError` with one class, or with too few groups.
    """
    found = attribution.on_observation()
    require_like(observation, found)
    x = observation.detach().cpu().to(found)
    classes, codes = np.unique(np.asarray(labels), return_inverse=True)
    if len(codes) != len(x) or len(classes) < 2:
        raise NotMeasurableError(
            f"{len(codes)} labels of {len(classes)} classes for {len(x)} rows; expected two or more"
        )
    sets = compact_groups(groups, len(x))
    folds = folds_of(sets, 5, rng)
    targets = np.concatenate([codes[:, None], shuffled(codes, sets, shuffles, rng)], 1).astype(np.int64)
    draw = torch.Generator().manual_seed(int(rng.integers(2**31)))
    whole = _accuracies(x, targets, folds, draw)
    rows = []
    for name, order in rankings(found.abs(), x, draw).items():
        for share in shares:
            top = order < round(share * order[0].numel())
            left = _accuracies(torch.where(top, x.mean(0), x), targets[:, :1], folds, draw)
            mask = _accuracies(top.to(x), targets, folds, draw)
            p_value = float((1 + (mask[1:] >= mask[0]).sum()) / len(mask))
            why = "the mask leaks the class" if p_value <= alpha else ""
            rows.append((name, share, left[0], mask[0], mask[1:].mean(), p_value, not why, why))
    columns = ["ranking", "share", "accuracy", "mask_accuracy", "mask_chance", "mask_p_value", "evidence", "why"]
    return Retrained(pd.DataFrame(rows, columns=columns), float(whole[0]), float(whole[1:].mean()), len(x))


def _stages(subject: Subject, observation: Tensor) -> list[tuple[str, list[nn.Parameter]]]:
    """Modules that ran, last first, each with its own parameters and those of modules inside it that did not run."""
    ran: list[str] = []
    with torch.no_grad(), watched(subject.model, lambda name, _: ran.append(name)):
        subject.value_with_grad(observation)
    last = {name: i for i, name in enumerate(ran)}
    held: dict[str, list[nn.Parameter]] = {}
    for name, parameter in subject.model.named_parameters():
        parts = name.split(".")
        owner = next((o for i in range(1, len(parts) + 1) if (o := ".".join(parts[:-i])) in last), None)
        if owner is not None and parameter.is_floating_point():
            held.setdefault(owner, []).append(parameter)
    if not held:
        raise NotMeasurableError("no module that the value runs has weights, so none can be randomised")
    return sorted(held.items(), key=lambda item: -last[item[0]])


@contextmanager
def _restored(parameters: list[nn.Parameter]) -> Iterator[None]:
    kept = [parameter.data for parameter in parameters]
    try:
        yield
    finally:
        for parameter, data in zip(parameters, kept, strict=True):
            parameter.data = data


def _rank_correlations(a: NDArray[np.float32], b: NDArray[np.float32], use: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Spearman correlation of each row over the columns in ``use``; NaN where either is constant there."""
    middle = (use.sum(1, keepdims=True) + 1) / 2
    u, v = (
        np.where(use, rankdata(np.where(use, side, np.nan), axis=1, nan_policy="omit") - middle, 0) for side in (a, b)
    )
    spread = np.sqrt((u**2).sum(1) * (v**2).sum(1))
    return np.asarray(np.divide((u * v).sum(1), spread, out=np.full(len(u), np.nan), where=spread > 0))


def _accuracies(
    x: Tensor, targets: NDArray[np.int64], folds: NDArray[np.int64], rng: torch.Generator
) -> NDArray[np.float64]:
    """Held-out accuracy ``[q]`` of fresh classifiers from ``x`` ``[n, ...]``, one per column of ``targets``."""
    design = _design(x.flatten(1).double(), rng)
    labels = torch.from_numpy(targets)
    classes = int(labels.max()) + 1
    codes = nn.functional.one_hot(labels, classes).double().flatten(1)
    right = torch.zeros(labels.shape, dtype=torch.bool)
    for fold in np.unique(folds):
        out = torch.from_numpy(folds == fold)
        train = design[~out]
        ridge = RIDGE * train.square().sum() / train.shape[1] * torch.eye(train.shape[1], dtype=train.dtype)
        guess = design[out] @ torch.linalg.solve(train.T @ train + ridge, train.T @ codes[~out])
        right[out] = guess.reshape(len(guess), -1, classes).argmax(2) == labels[out]
    return np.asarray(right.double().mean(0).numpy())


def _design(x: Tensor, rng: torch.Generator) -> Tensor:
    """Elements ``[n, e]`` in units of their spread, cosines of random mixtures of them, and a constant."""
    size = x.shape[1]
    x = (x - x.mean(0)) / x.std(0, correction=0).clamp(min=1e-6)
    mix = torch.randn(size, FEATURES, generator=rng, dtype=x.dtype) / size**0.5
    phase = 2 * torch.pi * torch.rand(FEATURES, generator=rng, dtype=x.dtype)
    both = torch.cat([x / size**0.5, (x @ mix + phase).cos() * (2 / FEATURES) ** 0.5], 1)
    return torch.cat([both - both.mean(0), torch.ones(len(x), 1, dtype=x.dtype)], 1)
