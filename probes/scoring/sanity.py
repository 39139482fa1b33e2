"""Sanity checks of attributions: whether they depend on the model, and whether removal scores are evidence.

    randomised_weights   do attributions change when the model's weights are replaced by noise?
    retrain              can a new classifier read the class without the top elements, or from the removal mask alone?

**Randomised weights** (Adebayo et al. 2018, arXiv 1810.03292): attributions that stay the same when the weights are
replaced by noise describe the data and not the model. Two rank correlations with the original attributions are judged,
and one that is too high suffices: of the attributions themselves, and of their sizes. Plain correlations of sizes are
about 0.9 on any network for a method that multiplies by the input; so the size of the input is held fixed,

    r(a, a' | x) = (r(a, a') - r(a, x) r(a', x)) / sqrt((1 - r(a, x)^2) (1 - r(a', x)^2))      (partial correlation)

with a, a' the sizes before and after, and x the distance of the element from its baseline. Sizes that x alone gives
(r above :data:`GIVEN`) cannot depend on the model and count as 1: sign(gradient) times |input| has signed
correlations near 0 and still shows the model in no size.

**Remove and retrain** (Hooker et al. 2019, arXiv 1806.10758): if the top elements carry the class, a classifier trained
without them should fail. But the positions of the removed elements can reveal the class as well (those of a handwritten
digit outline it), so a second classifier gets the removal mask alone.

Deviations from the sources: (1) noise has the root mean square of the weights that it replaces and is drawn several
times; (2) the new classifier has a closed form, ridge regression on the elements and random cosine features (Rahimi &
Recht 2007), so that shuffled labels are solved together with the real ones; (3) the classifier of the mask.

Letters: n observations, q label columns.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

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

CORRELATIONS = ("signed", "absolute", "size")
FEATURES = 256
"""Number of random cosine features of a new classifier."""
GIVEN = 0.99
"""Rank correlation above which sizes of attributions are given by the sizes of the input."""
RIDGE = 1e-3
"""Ridge penalty of a new classifier, relative to the mean square of its inputs."""


@dataclass(frozen=True)
class RandomisedWeights:
    """Attributions as the weights are replaced by noise, module by module from the output on."""

    table: pd.DataFrame
    """One row per stage: module (the last one randomised), signed, absolute, size (mean rank correlations with the
    original attributions), n (observations times draws with a defined correlation)."""
    signed: float
    """Mean rank correlation with all weights randomised, -1 to 1; near 0 for a method that depends on the model."""
    absolute: float
    """The same for absolute values; high for any method that multiplies by the input, and not judged."""
    size: float
    """The same for absolute values with the size of the input held fixed; 1 where that gives them."""
    verdict: str
    """``depends on the weights``, ``does not depend on the weights`` or ``undetermined``; from ``signed`` and
    ``size``."""


@dataclass(frozen=True)
class Retrained:
    """New classifiers on the observations without their top elements."""

    table: pd.DataFrame
    """ranking, share removed, accuracy, mask_accuracy (from the mask alone), mask_chance (mean over shuffled labels),
    mask_p_value, evidence (False where the mask reveals the class), why."""
    accuracy: float
    """Accuracy with nothing removed."""
    chance: float
    """Accuracy with nothing removed and shuffled labels."""
    n: int
    """Number of observations."""


def randomised_weights(
    subject: Subject,
    observation: Tensor,
    attributor: Attributor,
    *,
    draws: int = 5,
    limit: float = 0.5,
    rng: torch.Generator,
) -> RandomisedWeights:
    """Randomise the weights module by module from the output on, and correlate attributions with the original ones.

    Weights become Gaussian noise of mean 0 and the root mean square of each tensor; afterwards, and also after an
    error, the model is restored. Spearman correlations are per observation, over elements that differ from the
    baseline. The verdict is that attributions do not depend on the weights when their correlation or that of their
    sizes, after the last stage, is above ``limit``. Weights that are part of the value and not of the model stay as
    they are.
    """
    original = attributor(subject, observation)
    x = observation.detach().cpu().to(original.attributions)
    reference, differs = original.on_observation().flatten(1).numpy(), (x != original.baseline).flatten(1).numpy()
    distance = (x - original.baseline).abs().flatten(1).numpy()
    stages = randomised_stages(subject, observation[:2])
    rows: list[tuple[Any, ...]] = []
    for _ in range(draws):
        with _restored([parameter for _, parameters in stages for parameter in parameters]):
            for name, parameters in stages:
                for parameter in parameters:
                    noise = torch.randn(parameter.shape, generator=rng).to(parameter)
                    parameter.data = noise * parameter.data.square().mean().sqrt()
                attributions = attributor(subject, observation).attributions.flatten(1).numpy()
                signed = rank_correlations(reference, attributions, differs)
                sizes = np.abs(reference), np.abs(attributions)
                columns = signed, rank_correlations(*sizes, differs), _partial(*sizes, distance, differs)
                rows += [(name or ROOT, float(s), float(a), float(b)) for s, a, b in zip(*columns, strict=True)]
    stage = pd.DataFrame(rows, columns=["module", *CORRELATIONS]).groupby("module", sort=False)
    table = stage[[*CORRELATIONS]].mean().assign(n=stage["signed"].count()).reset_index()
    last = {column: float(table[column].iloc[-1]) for column in CORRELATIONS}
    judged = [number for number in (last["signed"], last["size"]) if not np.isnan(number)]
    verdict = "does not depend on the weights" if max(judged, default=0.0) > limit else "depends on the weights"
    return RandomisedWeights(table, **last, verdict="undetermined" if np.isnan(last["signed"]) else verdict)


def retrain(
    observation: Tensor,
    attribution: Attribution,
    labels: NDArray[np.generic],
    *,
    groups: object = None,
    shares: tuple[float, ...] = (0.1, 0.3, 0.5, 0.7, 0.9),
    shuffles: int = 99,
    alpha: float = 0.05,
    rng: np.random.Generator,
) -> Retrained:
    """Held-out accuracy of a new classifier after the top ``shares`` of the elements are removed.

    Elements are ranked by absolute attribution, at random and by variance, and replaced by their mean over
    observations. Where the accuracy from the mask alone beats shuffled labels at level ``alpha``, the mask reveals the
    class, and the row is no evidence for or against its ranking. Folds and shuffles keep ``groups`` together. Raises
    :class:`NotMeasurableError` with fewer than two classes or groups.
    """
    attributions = attribution.on_observation()
    require_like(observation, attributions)
    x = observation.detach().cpu().to(attributions)
    classes, codes = np.unique(np.asarray(labels), return_inverse=True)
    if len(codes) != len(x) or len(classes) < 2:
        raise NotMeasurableError(f"{len(codes)} labels of {len(classes)} classes for {len(x)} rows; expected 2 or more")
    group_of = compact_groups(groups, len(x))
    folds = folds_of(group_of, 5, rng)
    targets = np.concatenate([codes[:, None], shuffled(codes, group_of, shuffles, rng)], 1).astype(np.int64)
    draw = torch.Generator().manual_seed(int(rng.integers(2**31)))
    accuracy = _accuracies(x, targets, folds, draw)
    rows = []
    for name, order in rankings(attributions.abs(), x, draw).items():
        for share in shares:
            top = order < round(share * order[0].numel())
            without = _accuracies(torch.where(top, x.mean(0), x), targets[:, :1], folds, draw)
            mask = _accuracies(top.to(x), targets, folds, draw)
            p_value = float((1 + (mask[1:] >= mask[0]).sum()) / len(mask))
            why = "the mask leaks the class" if p_value <= alpha else ""
            rows.append((name, share, without[0], mask[0], mask[1:].mean(), p_value, not why, why))
    columns = ["ranking", "share", "accuracy", "mask_accuracy", "mask_chance", "mask_p_value", "evidence", "why"]
    return Retrained(pd.DataFrame(rows, columns=columns), float(accuracy[0]), float(accuracy[1:].mean()), len(x))


def randomised_stages(subject: Subject, observation: Tensor) -> list[tuple[str, list[nn.Parameter]]]:
    """Modules that the value runs, last first, with their own parameters and those of inner modules that do not run."""
    ran: list[str] = []
    with torch.no_grad(), watched(subject.model, lambda name, _: ran.append(name)):
        subject.value_with_grad(observation)
    last = {name: i for i, name in enumerate(ran)}
    owned: dict[str, list[nn.Parameter]] = {}
    for name, parameter in subject.model.named_parameters():
        parts = name.split(".")
        owner = next((o for i in range(1, len(parts) + 1) if (o := ".".join(parts[:-i])) in last), None)
        if owner is not None and parameter.is_floating_point():
            owned.setdefault(owner, []).append(parameter)
    if not owned:
        raise NotMeasurableError("no module that the value runs has weights, so none can be randomised")
    return sorted(owned.items(), key=lambda item: -last[item[0]])


@contextmanager
def _restored(parameters: list[nn.Parameter]) -> Iterator[None]:
    """Restore the values of the parameters at the end of this context."""
    original = [parameter.data for parameter in parameters]
    try:
        yield
    finally:
        for parameter, data in zip(parameters, original, strict=True):
            parameter.data = data


def rank_correlations(a: NDArray[np.float32], b: NDArray[np.float32], use: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Spearman correlation of each row over its elements in ``use``; NaN where either side is constant there."""
    middle = (use.sum(1, keepdims=True) + 1) / 2
    ranks = (rankdata(np.where(use, side, np.nan), axis=1, nan_policy="omit") for side in (a, b))
    u, v = (np.where(use, rank - middle, 0) for rank in ranks)
    spread = np.sqrt((u**2).sum(1) * (v**2).sum(1))
    return np.asarray(np.divide((u * v).sum(1), spread, out=np.full(len(u), np.nan), where=spread > 0))


def _partial(
    before: NDArray[np.float32], after: NDArray[np.float32], given: NDArray[np.float32], use: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Partial rank correlation of each row of ``before`` and ``after``; 1 where either is given, NaN where undefined.

    A constant ``given`` holds nothing fixed.
    """
    plain = rank_correlations(before, after, use)
    first, second = (np.nan_to_num(rank_correlations(side, given, use)) for side in (before, after))
    rest = np.sqrt(np.maximum((1 - first**2) * (1 - second**2), 1e-12))
    return np.asarray(np.where(np.maximum(first, second) > GIVEN, 1.0, (plain - first * second) / rest))


def _accuracies(
    x: Tensor, targets: NDArray[np.int64], folds: NDArray[np.int64], rng: torch.Generator
) -> NDArray[np.float64]:
    """Held-out accuracy ``[q]`` of new classifiers on ``x`` ``[n, ...]``, one per column of ``targets`` ``[n, q]``."""
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
    """Standardised elements ``[n, e]``, random cosine features of them, and a constant, as columns."""
    size = x.shape[1]
    x = (x - x.mean(0)) / x.std(0, correction=0).clamp(min=1e-6)
    mix = torch.randn(size, FEATURES, generator=rng, dtype=x.dtype) / size**0.5
    phase = 2 * torch.pi * torch.rand(FEATURES, generator=rng, dtype=x.dtype)
    features = torch.cat([x / size**0.5, (x @ mix + phase).cos() * (2 / FEATURES) ** 0.5], 1)
    return torch.cat([features - features.mean(0), torch.ones(len(x), 1, dtype=x.dtype)], 1)
