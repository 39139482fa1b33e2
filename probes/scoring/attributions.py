"""Scores of attributions: is what they point at what the value stands on? Each function asks one question.

    removal           does the value fall when the top elements are removed, faster than for other rankings?
    infidelity        do attributions predict what removing a random half of the elements does?
    max_sensitivity   how far do attributions move when the observation hardly does?
    pointing          does the top element lie where the truth is?

No score stands alone: removal is reported beside a random ranking and beside the variance of the elements, a ranking
that never saw the model; pointing beside the mask's area. Whether attributions explain *this* model is checked in
:mod:`imprint.probes.scoring.sanity`.

Elements are ranked with ties broken at random, so that equal attributions (the elements of a patch) favour no corner.

Sources: Petsiuk et al. 2018 (arXiv 1806.07421, deletion and insertion), Yeh et al. 2019 (arXiv 1901.09392, infidelity
and sensitivity), Zhang et al. 2018 (IJCV 126, pointing game).

Letters: n observations, s steps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from captum import metrics
from numpy.typing import NDArray
from torch import Tensor

from imprint.models.errors import ImprintError, NotMeasurableError
from imprint.probes.attributions.base import Attribution, Attributor
from imprint.probes.samples.controls import compact_groups
from imprint.probes.samples.resamples import exact_interval
from imprint.probes.subjects.subject import Subject

RANKINGS = ("attribution", "random", "variance")
"""What elements are ranked by: the method; chance; the variance over observations, which knows no model."""


@dataclass(frozen=True)
class Removal:
    """Deletion and insertion curves."""

    curves: pd.DataFrame
    """ranking, share (of the elements), deletion, insertion. 1: the value of the observation; 0: of the baseline."""
    areas: pd.DataFrame
    """Index ranking; areas under the curves. A faithful ranking has a low deletion and a high insertion."""
    n: int
    """Observations."""


@dataclass(frozen=True)
class Infidelity:
    """How badly attributions predict the effect of removals."""

    infidelity: float
    """Mean squared error, in squared units of the value."""
    relative: float
    """The same, over that of attributions of zero: 0 faithful, 1 useless."""
    n: int
    """Observations."""


@dataclass(frozen=True)
class MaxSensitivity:
    """How far attributions move."""

    each: Tensor
    """``[n]`` largest distance moved, as a part of the attribution's length."""
    mean: float
    """Over observations."""
    n: int
    """Observations."""


@dataclass(frozen=True)
class Pointing:
    """How often the top element lies in the mask."""

    accuracy: float
    """Share of observations; tied top elements count by their share in the mask."""
    low: float
    """Lower end of the interval."""
    high: float
    """Upper end of the interval."""
    chance: float
    """Mean area of the masks."""
    n: int
    """Observations with a mask and an attribution that is not zero."""


def removal(
    subject: Subject, observation: Tensor, attribution: Attribution, *, steps: int = 16, rng: torch.Generator
) -> Removal:
    """Replace elements by the baseline from the top (deletion), or put them into the baseline from the top (insertion).

    Each observation's value is followed between v(x) and v(b) in the direction of its own difference, so elements are
    ranked by attribution times sign(v(x) - v(b)); curves are sums over observations, over the summed differences.
    Raises :class:`NotMeasurableError` when no observation's value differs from the baseline's.
    """
    found = attribution.on_observation()
    require_like(observation, found)
    x, start = observation.detach().cpu().to(found), attribution.baseline
    floor = subject.values(start).double()
    change = subject.values(x).double() - floor
    if not float(change.abs().sum()) > 0:
        raise NotMeasurableError("no observation's value differs from the baseline's: nothing can be removed from it")

    def height(kept: Tensor) -> float:
        moved = subject.values(torch.where(kept, x, start)).double() - floor
        return float((moved * change.sign()).sum() / change.abs().sum())

    direction = change.sign().to(found).reshape(-1, *(1,) * (found.dim() - 1))
    shares = [step / steps for step in range(steps + 1)]
    rows = []
    for name, places in rankings(found * direction, x, rng).items():
        for share in shares:
            top = places < round(share * places[0].numel())
            rows.append((name, share, height(~top), height(top)))
    curves = pd.DataFrame(rows, columns=["ranking", "share", "deletion", "insertion"])
    heights = curves[["deletion", "insertion"]].to_numpy().reshape(len(RANKINGS), steps + 1, 2)
    areas = np.trapezoid(heights, shares, axis=1)
    index = pd.Index(RANKINGS, name="ranking")
    return Removal(curves, pd.DataFrame(areas, index=index, columns=["deletion", "insertion"]), len(x))


def infidelity(
    subject: Subject, observation: Tensor, attribution: Attribution, *, samples: int = 32, rng: torch.Generator
) -> Infidelity:
    """Squared error of the summed attributions of a random half H as a forecast of v(x) - v(x with x_H = b_H).

    Yeh et al. equation 1 with removals to the baseline as perturbations; zero for an additive value attributed exactly.
    """
    found = attribution.on_observation()
    require_like(observation, found)
    x = observation.detach().cpu().to(found)
    seed = int(torch.randint(2**31, (1,), generator=rng))

    def error(attributions: Tensor) -> float:
        draw = torch.Generator().manual_seed(seed)

        def remove(rows: Tensor) -> tuple[Tensor, Tensor]:
            half = torch.rand(rows.shape, generator=draw) < 0.5
            return half.to(rows), torch.where(half, attribution.baseline, rows)

        each = metrics.infidelity(
            subject.values,
            remove,
            x,
            attributions,
            n_perturb_samples=samples,
            max_examples_per_batch=min(8, samples) * len(x),
        )
        return float(each.mean())

    error_found, error_zero = error(found), error(torch.zeros_like(found))
    return Infidelity(error_found, error_found / error_zero if error_zero > 0 else float("nan"), len(x))


def max_sensitivity(
    subject: Subject,
    observation: Tensor,
    attributor: Attributor,
    *,
    radius: float = 0.02,
    samples: int = 10,
    rng: torch.Generator,
) -> MaxSensitivity:
    """Largest change of the attribution over ``samples`` observations within ``radius`` standard deviations of it.

    Perturbations are uniform in every element; the standard deviation is over all elements of all observations.
    """
    x = observation.detach().cpu()
    reach = radius * float(x.std())

    def explain(rows: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return (attributor(subject, rows[0] if isinstance(rows, tuple) else rows).on_observation(),)

    def move(rows: Tensor) -> Tensor:
        return rows + reach * (2 * torch.rand(rows.shape, generator=rng) - 1).to(rows)

    together = min(samples, max(1, attributor.rows // len(x)))
    each: Tensor = metrics.sensitivity_max(
        explain, x, perturb_func=move, n_perturb_samples=samples, max_examples_per_batch=together * len(x)
    )
    return MaxSensitivity(each, float(each.mean()), len(x))


def pointing(attribution: Attribution, mask: Tensor, *, groups: object | None = None, level: float = 0.95) -> Pointing:
    """Share of observations whose element of the largest absolute attribution lies in ``mask`` (bool ``[n, ...]``).

    The interval is Clopper-Pearson's; with ``groups`` at the effective number of observations that the spread between
    groups leaves (Korn & Graubard 1998, Survey Methodology 24), at most the number of groups when all agree.
    """
    size = attribution.on_observation().abs().flatten(1)
    require_like(mask, attribution.attributions)
    inside = mask.cpu().bool().flatten(1)
    kept = (inside.any(1) & (size.amax(1) > 0)).numpy()
    sets = compact_groups(groups, len(size))[kept]
    if not kept.any():
        raise NotMeasurableError("no observation has both a mask and an attribution that is not zero")
    top = size == size.amax(1, keepdim=True)
    hits = ((top & inside).sum(1) / top.sum(1)).double().numpy()[kept]
    accuracy, n = float(hits.mean()), len(hits)
    effective = float(n) if groups is None else _effective(hits, sets)
    low, high = exact_interval(accuracy * effective, effective, level)
    return Pointing(accuracy, low, high, float(inside[torch.from_numpy(kept)].double().mean()), n)


def require_like(given: Tensor, found: Tensor) -> None:
    """Raise :class:`ImprintError` unless both have the same shape."""
    if given.shape != found.shape:
        raise ImprintError(f"got {list(given.shape)} for attributions {list(found.shape)}; expected the same shape.")


def rankings(attributions: Tensor, x: Tensor, rng: torch.Generator) -> dict[str, Tensor]:
    """Place 0 (top), 1, ... of every element ``[n, ...]`` by each ranking; ties in random order."""
    size = {
        "attribution": attributions,
        "random": torch.zeros_like(attributions),
        "variance": x.double().var(0, correction=0).expand(x.shape),
    }
    return {name: _places(size[name].flatten(1), rng).reshape(x.shape) for name in RANKINGS}


def _places(size: Tensor, rng: torch.Generator) -> Tensor:
    shuffle = torch.rand(size.shape, generator=rng).argsort(1)
    order = shuffle.gather(1, torch.argsort(size.gather(1, shuffle), dim=1, descending=True, stable=True))
    return torch.empty_like(order).scatter_(1, order, torch.arange(order.shape[1]).expand_as(order))


def _effective(hits: NDArray[np.float64], groups: NDArray[np.int64]) -> float:
    """Effective number of observations: the binomial variance over the variance between groups."""
    _, codes = np.unique(groups, return_inverse=True)
    number, n, p = int(codes.max()) + 1, len(hits), hits.mean()
    if number < 2:
        raise NotMeasurableError("fewer than two groups, so their spread is unknown")
    variance = number / (number - 1) * float((np.bincount(codes, hits - p) ** 2).sum()) / n**2
    return float(number) if variance == 0 else min(float(n), p * (1 - p) / variance)
