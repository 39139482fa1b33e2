"""Scores of attributions: whether the value depends on the elements with large attributions.

    removal           does the value fall faster when the top elements are removed than for other rankings?
    infidelity        do attributions predict the effect of removing a random half of the elements?
    max_sensitivity   how much do attributions change when the observation changes little?
    pointing          does the element with the largest attribution lie inside the true mask?

Scores come with baselines: ``removal`` with a random ranking and a ranking by the variance of the elements, which does
not depend on the model; ``pointing`` with the area of the mask. :mod:`imprint.probes.scoring.sanity` tests whether
attributions depend on the model at all.

Ties in rankings are broken at random, so that equal attributions (the elements of a patch) favour no position.

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
from scipy import stats
from torch import Tensor

from imprint.models.errors import ImprintError, NotMeasurableError
from imprint.probes.attributions.base import Attribution, Attributor
from imprint.probes.samples.controls import compact_groups
from imprint.probes.samples.intervals import exact_interval
from imprint.probes.subjects.subject import Subject

RANKINGS = ("attribution", "random", "variance")
"""Rankings of elements: by attribution, at random, and by variance over observations (which needs no model)."""


@dataclass(frozen=True)
class Removal:
    """Deletion and insertion curves."""

    curves: pd.DataFrame
    """ranking, share (of the elements), deletion, insertion. 1 is the value of the observation, 0 of the baseline."""
    areas: pd.DataFrame
    """Areas under the curves; index ranking. A faithful ranking has a low deletion and a high insertion area."""


@dataclass(frozen=True)
class Infidelity:
    """Error of attributions as predictions of the effect of removals."""

    infidelity: float
    """Mean squared error, in squared units of the value."""
    relative: float
    """Infidelity divided by that of zero attributions: 0 for exact predictions, 1 for useless ones."""


@dataclass(frozen=True)
class Pointing:
    """How often the element with the largest absolute attribution lies inside the mask."""

    accuracy: float
    """Part of the observations; of tied top elements, the part inside the mask counts."""
    low: float
    """Lower end of the interval."""
    high: float
    """Upper end of the interval."""
    chance: float
    """Mean area of the masks."""
    n: int
    """Number of observations with a mask and an attribution that is not zero."""


def removal(
    subject: Subject, observation: Tensor, attribution: Attribution, *, steps: int = 16, rng: torch.Generator
) -> Removal:
    """Replace the top elements by the baseline (deletion), or insert them into the baseline (insertion).

    Because the value may rise or fall from v(b) to v(x), elements are ranked by attribution times sign(v(x) - v(b)),
    and changes of the value are multiplied by this sign. Curves are sums over observations, divided by the sum of
    ``|v(x) - v(b)|``, at ``steps`` + 1 shares of removed elements. Raises :class:`NotMeasurableError` when no value
    differs from the baseline's.
    """
    attributions = attribution.on_observation()
    require_like(observation, attributions)
    x, start = observation.detach().cpu().to(attributions), attribution.baseline
    floor = subject.values(start).double()
    change = subject.values(x).double() - floor
    if not float(change.abs().sum()) > 0:
        raise NotMeasurableError("no observation's value differs from the baseline's: nothing can be removed from it")

    def height(present: Tensor) -> float:
        moved = subject.values(torch.where(present, x, start)).double() - floor
        return float((moved * change.sign()).sum() / change.abs().sum())

    direction = change.sign().to(attributions).reshape(-1, *(1,) * (attributions.dim() - 1))
    shares = [step / steps for step in range(steps + 1)]
    rows = []
    for name, places in rankings(attributions * direction, x, rng).items():
        for share in shares:
            top = places < round(share * places[0].numel())
            rows.append((name, share, height(~top), height(top)))
    curves = pd.DataFrame(rows, columns=["ranking", "share", "deletion", "insertion"])
    heights = curves[["deletion", "insertion"]].to_numpy().reshape(len(RANKINGS), steps + 1, 2)
    areas = pd.DataFrame(np.trapezoid(heights, shares, axis=1), pd.Index(RANKINGS, name="ranking"), curves.columns[2:])
    return Removal(curves, areas)


def infidelity(
    subject: Subject, observation: Tensor, attribution: Attribution, *, samples: int = 32, rng: torch.Generator
) -> Infidelity:
    """Squared error of the sum of attributions over a random half H, as a prediction of v(x) - v(x with x_H = b_H).

    Equation 1 of Yeh et al., with replacement by the baseline as perturbation; zero for exact attributions of a value
    that is additive over elements.
    """
    attributions = attribution.on_observation()
    require_like(observation, attributions)
    x = observation.detach().cpu().to(attributions)
    seed = int(torch.randint(2**31, (1,), generator=rng))

    def error(predicted: Tensor) -> float:
        draw = torch.Generator().manual_seed(seed)

        def remove(rows: Tensor) -> tuple[Tensor, Tensor]:
            half = torch.rand(rows.shape, generator=draw) < 0.5
            return half.to(rows), torch.where(half, attribution.baseline, rows)

        rows = min(8, samples) * len(x)
        each = metrics.infidelity(
            subject.values, remove, x, predicted, n_perturb_samples=samples, max_examples_per_batch=rows
        )
        return float(each.mean())

    infidelity, of_zero = error(attributions), error(torch.zeros_like(attributions))
    return Infidelity(infidelity, infidelity / of_zero if of_zero > 0 else float("nan"))


def max_sensitivity(
    subject: Subject,
    observation: Tensor,
    attributor: Attributor,
    *,
    radius: float = 0.02,
    samples: int = 10,
    rng: torch.Generator,
) -> Tensor:
    """Largest change ``[n]`` of each observation's attributions over ``samples`` perturbations, relative to their norm.

    Perturbations are uniform in every element, up to ``radius`` standard deviations over all elements of all
    observations.
    """
    x = observation.detach().cpu()
    reach = radius * float(x.std())

    def explain(rows: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return (attributor(subject, rows[0] if isinstance(rows, tuple) else rows).on_observation(),)

    def move(rows: Tensor) -> Tensor:
        return rows + reach * (2 * torch.rand(rows.shape, generator=rng) - 1).to(rows)

    together = min(samples, max(1, attributor.rows // len(x)))
    sensitivity: Tensor = metrics.sensitivity_max(
        explain, x, perturb_func=move, n_perturb_samples=samples, max_examples_per_batch=together * len(x)
    )
    return sensitivity


def pointing(attribution: Attribution, mask: Tensor, *, groups: object = None, level: float = 0.95) -> Pointing:
    """Part of the observations whose largest absolute attribution lies inside ``mask`` (bool ``[n, ...]``).

    The interval is Clopper-Pearson's. With ``groups`` it is computed for the effective number of observations, from the
    variance between groups, made smaller for the degrees of freedom of that variance (Korn & Graubard 1998, Survey
    Methodology 24), or for the number of groups when they agree.
    """
    size = attribution.on_observation().abs().flatten(1)
    require_like(mask, attribution.attributions)
    inside = mask.cpu().bool().flatten(1)
    usable = (inside.any(1) & (size.amax(1) > 0)).numpy()
    group_of = compact_groups(groups, len(size))[usable]
    if not usable.any():
        raise NotMeasurableError("no observation has both a mask and an attribution that is not zero")
    top = size == size.amax(1, keepdim=True)
    hits = ((top & inside).sum(1) / top.sum(1)).double().numpy()[usable]
    accuracy, n = float(hits.mean()), len(hits)
    effective = float(n) if groups is None else _effective(hits, group_of)
    low, high = exact_interval(accuracy * effective, effective, level)
    return Pointing(accuracy, low, high, float(inside[torch.from_numpy(usable)].double().mean()), n)


def require_like(given: Tensor, attributions: Tensor) -> None:
    """Raise :class:`ImprintError` unless both have the same shape."""
    if given.shape != attributions.shape:
        raise ImprintError(f"got {list(given.shape)}; expected the shape of attributions {list(attributions.shape)}.")


def rankings(attributions: Tensor, x: Tensor, rng: torch.Generator) -> dict[str, Tensor]:
    """Rank 0 (top), 1, ... of every element ``[n, ...]``, per ranking; ties in random order."""
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
    """Effective number of observations: the binomial variance divided by the variance between groups.

    It is multiplied by the squared ratio of Student's t for n observations and for the groups, since their variance is
    itself estimated.
    """
    _, codes = np.unique(groups, return_inverse=True)
    number, n, p = int(codes.max()) + 1, len(hits), hits.mean()
    if number < 2:
        raise NotMeasurableError("fewer than two groups, so their spread is unknown")
    variance = number / (number - 1) * float((np.bincount(codes, hits - p) ** 2).sum()) / n**2
    if variance == 0:
        return float(number)
    wider = float(stats.t.ppf(0.975, n - 1) / stats.t.ppf(0.975, number - 1)) ** 2
    return float(min(n, p * (1 - p) / variance * wider))
