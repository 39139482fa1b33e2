"""Statistics: resampling groups and seeds, correcting for many looks, and saying 'absent' only with evidence.

Scores are functions of per-group sums, so that a resample is a matrix product and never touches a row again:

    classes      sums (correct_c, total_c) per class c         balanced accuracy = mean_c correct_c / total_c
    numbers      sums (squared error, n, y, y^2)               R2 = 1 - error / (y^2 - y.y / n)

Letters: R resamples, G groups, M sums (2 C for C classes, 4 for numbers), S seeds, J shuffles.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from imprint.models.errors import ImprintError
from imprint.probes.samples.resamples import LARGEST as LARGEST

Floats = NDArray[np.float64]


def student(values: ArrayLike) -> tuple[float, float]:
    """Mean of independent numbers ``[n]`` and half of its 95 % interval (Student's t); NaN where n is too small."""
    x = np.asarray(values, dtype=np.float64)
    n = len(x)
    mean = float(x.mean()) if n else float("nan")
    return mean, float(stats.t.ppf(0.975, n - 1) * x.std(ddof=1) / np.sqrt(n)) if n > 1 else float("nan")


def score(sums: Floats, *, regression: bool) -> Floats:
    """Score from sums ``[..., M]``; NaN where it is not defined."""
    with np.errstate(divide="ignore", invalid="ignore"):
        if regression:
            error, n, y, yy = np.moveaxis(sums, -1, 0)
            spread = yy - y * y / n
            return np.asarray(np.where(spread > 1e-12 * np.maximum(yy, 1e-300), 1 - error / spread, np.nan))
        correct, total = np.split(sums, 2, axis=-1)
        return np.asarray((correct / np.where(total > 0, total, np.nan)).mean(-1))


def merged(sums: Floats, rng: np.random.Generator) -> Floats:
    """Per-group sums ``[G, ...]`` with groups merged at random down to :data:`LARGEST`."""
    if len(sums) <= LARGEST:
        return sums
    target = rng.permutation(len(sums)) % LARGEST
    out = np.zeros((LARGEST, *sums.shape[1:]))
    np.add.at(out, target, sums)
    return out


def group_weights(groups: int, resamples: int, rng: np.random.Generator) -> Floats:
    """How often each group is drawn, ``[R, G]``; rows sum to G."""
    return rng.multinomial(groups, np.full(groups, 1.0 / groups), size=resamples).astype(np.float64)


def seed_draws(seeds: int, resamples: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Which seeds are drawn, ``[R, S]``."""
    return rng.integers(0, seeds, size=(resamples, seeds))


def interval(draws: Floats, level: float = 0.95) -> tuple[float, float]:
    """Percentile interval of resampled estimates; NaN when any resample is undefined too often to tell."""
    finite = draws[np.isfinite(draws)]
    if len(finite) < 0.9 * len(draws) or not len(finite):
        return (float("nan"), float("nan"))
    low, high = np.quantile(finite, [(1 - level) / 2, (1 + level) / 2])
    return (float(low), float(high))


def p_above(
    difference: Floats, estimate: float, freedom: int, extra_variance: float = 0.0, times: float = 1.0
) -> float:
    """One-sided p that a difference is not above zero: t test on its bootstrap standard error.

    ``extra_variance`` adds uncertainty the resamples do not hold (of a floor estimated from a few twins or shuffles).
    The bootstrap variance is enlarged by (f + 1) / f, since resampling f + 1 units understates it by that much, and
    multiplied by ``times``.
    """
    finite = difference[np.isfinite(difference)]
    if not np.isfinite(estimate) or len(finite) < 2:
        return float("nan")
    variance = finite.var(ddof=1) * times * (freedom + 1) / max(freedom, 1) + extra_variance
    if variance <= 0:
        return 0.0 if estimate > 0 else 1.0
    return float(stats.t.sf(estimate / np.sqrt(variance), df=max(freedom, 1)))


def benjamini_hochberg(p: Floats) -> Floats:
    """q-values (Benjamini & Hochberg 1995); NaN p stays NaN and is not counted."""
    p = np.asarray(p, dtype=np.float64)
    q = np.full(p.shape, np.nan)
    known = np.flatnonzero(np.isfinite(p))
    if len(known):
        order = known[np.argsort(p[known], kind="stable")]
        ranked = p[order] * len(order) / np.arange(1, len(order) + 1)
        q[order] = np.minimum(np.minimum.accumulate(ranked[::-1])[::-1], 1.0)
    return q


def holm(p: Floats) -> Floats:
    """Adjusted p-values that keep the rate of *any* false claim (Holm 1979); NaN p stays NaN and is not counted."""
    p = np.asarray(p, dtype=np.float64)
    adjusted = np.full(p.shape, np.nan)
    known = np.flatnonzero(np.isfinite(p))
    order = known[np.argsort(p[known], kind="stable")]
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(order), 0, -1)), 1.0)
    return adjusted


def permutation_p(observed: Floats | float, nulls: Floats) -> Floats:
    """One-sided p ``[...]`` of ``observed`` ``[...]`` among its shuffles ``[..., J]``: (1 + those as large) / (1 + J).

    The 1 is the observed order itself, which is one of the shuffles, so p is never 0 (Phipson & Smyth 2010). A shuffle
    whose score is undefined counts as large. NaN where the observed score is.
    """
    value = np.asarray(observed, dtype=np.float64)
    as_large = (~(nulls < value[..., None])).sum(-1)
    return np.asarray(np.where(np.isnan(value), np.nan, (1 + as_large) / (1 + nulls.shape[-1])))


def clopper_pearson(hits: int, trials: int, level: float = 0.95) -> tuple[float, float]:
    """Exact interval of a rate of independent trials (Clopper & Pearson 1934); it covers at least as often as said."""
    if not 0 <= hits <= trials:
        raise ImprintError(f"{hits} hits of {trials} trials; expected 0 <= hits <= trials.")
    if trials == 0:
        return (float("nan"), float("nan"))
    tail = (1 - level) / 2
    low = stats.beta.ppf(tail, hits, trials - hits + 1) if hits else 0.0
    high = stats.beta.isf(tail, hits + 1, trials - hits) if hits < trials else 1.0
    return (float(low), float(high))


def equivalent(estimate: float, standard_error: float, margin: float, freedom: int, alpha: float) -> bool:
    """Two one-sided tests (Schuirmann 1987), upper side: the difference is shown to be below ``margin``.

    Only the upper side matters for 'absent': a score far below its floor is no evidence of presence.
    """
    if not (np.isfinite(estimate) and np.isfinite(standard_error)):
        return False
    return bool(estimate + stats.t.ppf(1 - alpha, df=max(freedom, 1)) * standard_error < margin)


def areas(scores: NDArray[np.floating], positive: NDArray[np.bool_]) -> Floats:
    """Area under the ROC curve ``[C]`` of each column of ``scores`` ``[n, C]`` for its ``positive`` rows ``[n, C]``.

    From rank sums (Mann & Whitney 1947); a tie is half a win. NaN where a score is, or one side has no rows.
    """
    inside = positive.sum(0).astype(np.float64)
    above = (stats.rankdata(scores, axis=0) * positive).sum(0) - inside * (inside + 1) / 2
    pairs = inside * (len(scores) - inside)
    return np.asarray(above / np.where(pairs > 0, pairs, np.nan))


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval."""

    value: float
    low: float
    high: float
    seeds: int

    def __str__(self) -> str:
        return f"{self.value:.2f} [{self.low:.2f}, {self.high:.2f}]"


def rate_over_seeds(estimates: Sequence[float], levels: int = 0, *, part: bool = False) -> dict[str, Any]:
    """estimate, low, high, seeds of a number measured in several seeds: Student's t over seeds.

    With ``levels`` > 0 the number is a rate, each seed's of that many levels: the interval is cut to [0, 1] and never
    narrower than the exact one of all levels together. ``part``: some other part of a whole, cut to [0, 1] only. NaN
    are left out; a single seed has the exact interval or none.
    """
    x = np.array([e for e in estimates if np.isfinite(e)], dtype=np.float64)
    if not len(x):
        return {"estimate": float("nan"), "low": float("nan"), "high": float("nan"), "seeds": 0}
    mean, reach = student(x)
    low, high = mean - reach, mean + reach
    if part:
        low, high = float(np.clip(low, 0.0, 1.0)), float(np.clip(high, 0.0, 1.0))
    if levels:
        exact = clopper_pearson(round(mean * levels * len(x)), levels * len(x))
        low, high = np.fmax(np.fmin(low, exact[0]), 0.0), np.fmin(np.fmax(high, exact[1]), 1.0)
    return {"estimate": mean, "low": float(low), "high": float(high), "seeds": len(x)}


NAN = float("nan")


@dataclass(frozen=True)
class Measured:
    """A mean over seeds and its 95 % interval."""

    mean: float
    low: float
    high: float
    seeds: int

    def __str__(self) -> str:
        return f"{self.mean:.3g} [{self.low:.3g}, {self.high:.3g}]"


def over_seeds(values: ArrayLike) -> Measured:
    """Mean of one number per seed; no interval from fewer than two."""
    each = np.asarray(values, dtype=np.float64)
    n = len(each)
    if n == 0 or not np.isfinite(each).all():
        return Measured(NAN, NAN, NAN, n)
    mean, half = student(each)
    return Measured(mean, mean - half, mean + half, n)
