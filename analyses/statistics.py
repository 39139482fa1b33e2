"""Numbers with their intervals: means over seeds, rates, resamples of groups, corrections for many tests.

Scores are functions of per-group sums, so that a resample is a matrix product and never touches a row again:

    classes      sums (correct_c, total_c) per class c         balanced accuracy = mean_c correct_c / total_c
    numbers      sums (squared error, n, y, y^2)               R2 = 1 - error / (y^2 - y.y / n)

Letters: R resamples, G groups, M sums (2 C for C classes, 4 for numbers), S seeds, J shuffles.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

from imprint.probes.samples.intervals import LARGEST as LARGEST
from imprint.probes.samples.intervals import exact_interval, t_above, t_quantile

Floats = NDArray[np.float64]
NAN = float("nan")


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval; NaN where it, or its interval, was not measured."""

    value: float
    low: float
    high: float
    n: int
    """How many independent numbers it rests on: training seeds, unless the function that made it counts others."""

    def row(self, value: str = "estimate", *, ends: str = "", count: str | None = "seeds") -> dict[str, Any]:
        """Columns of a table: ``value``, the interval's ends ``<ends>low`` and ``<ends>high``, and ``count``."""
        numbers = {value: self.value, f"{ends}low": self.low, f"{ends}high": self.high}
        return numbers if count is None else {**numbers, count: self.n}

    def __format__(self, spec: str) -> str:
        if np.isnan(self.value):
            return "not measured"
        value, low, high = (format(number, spec or ".3g") for number in (self.value, self.low, self.high))
        return f"{value} [{low}, {high}]"

    def __str__(self) -> str:
        return format(self)


def mean_of_all(values: ArrayLike) -> Estimate:
    """Mean of independent numbers ``[n]``, Student's t interval; one that is missing makes the mean missing.

    There is no interval of fewer than two numbers.
    """
    x = np.asarray(values, dtype=np.float64)
    n = len(x)
    if n == 0 or not np.isfinite(x).all():
        return Estimate(NAN, NAN, NAN, n)
    mean = float(x.mean())
    half = float(t_quantile(0.975, n - 1) * x.std(ddof=1) / np.sqrt(n)) if n > 1 else NAN
    return Estimate(mean, mean - half, mean + half, n)


def mean_of_known(values: ArrayLike, trials: int = 0, *, share: bool = False) -> Estimate:
    """Mean of those of the numbers ``[n]`` that are known, Student's t interval; missing ones are left out.

    With ``trials`` > 0 each number is a rate of that many trials: the interval is cut to [0, 1] and never narrower than
    the exact one of all trials together. ``share``: a part of a whole, cut to [0, 1] only. A single number has the
    exact interval or none.
    """
    x = np.asarray(values, dtype=np.float64)
    mean = mean_of_all(x[np.isfinite(x)])
    if not mean.n:
        return mean
    low, high = mean.low, mean.high
    if share:
        low, high = float(np.clip(low, 0.0, 1.0)), float(np.clip(high, 0.0, 1.0))
    if trials:
        exact = exact_interval(float(round(mean.value * trials * mean.n)), float(trials * mean.n))
        low, high = np.fmax(np.fmin(low, exact[0]), 0.0), np.fmin(np.fmax(high, exact[1]), 1.0)
    return Estimate(mean.value, float(low), float(high), mean.n)


def rate_of(hits: int, trials: int) -> Estimate:
    """Rate of ``hits`` in independent trials, exact interval, ``n`` counting trials; NaN without any.

    Raises :class:`ImprintError` unless 0 <= hits <= trials.
    """
    return Estimate(hits / trials if trials else NAN, *exact_interval(float(hits), float(trials)), trials)


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
    difference: Floats, estimate: float, freedom: int, *, extra_variance: float = 0.0, times: float = 1.0
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
    return t_above(estimate / np.sqrt(variance), max(freedom, 1))


def benjamini_hochberg(p: Floats) -> Floats:
    """q-values (Benjamini & Hochberg 1995); NaN p stays NaN and is not counted.

    Equal to :func:`scipy.stats.false_discovery_control` but for the last bit: that one multiplies by n / rank.
    """
    return _adjusted(p, lambda x: np.minimum.accumulate((x * len(x) / np.arange(1, len(x) + 1))[::-1])[::-1])


def holm(p: Floats) -> Floats:
    """Adjusted p-values that keep the rate of *any* false claim (Holm 1979); NaN p stays NaN and is not counted."""
    return _adjusted(p, lambda x: np.maximum.accumulate(x * np.arange(len(x), 0, -1)))


def _adjusted(p: Floats, adjust: Callable[[Floats], Floats]) -> Floats:
    """The known p-values, adjusted in ascending order and cut to 1."""
    p = np.asarray(p, dtype=np.float64)
    adjusted, known = np.full(p.shape, np.nan), np.flatnonzero(np.isfinite(p))
    order = known[np.argsort(p[known], kind="stable")]
    adjusted[order] = np.minimum(adjust(p[order]), 1.0)
    return adjusted


def permutation_p(observed: Floats | float, nulls: Floats) -> Floats:
    """One-sided p ``[...]`` of ``observed`` ``[...]`` among its shuffles ``[..., J]``: (1 + those as large) / (1 + J).

    The 1 is the observed order itself, which is one of the shuffles, so p is never 0 (Phipson & Smyth 2010). A shuffle
    whose score is undefined counts as large. NaN where the observed score is.
    """
    value = np.asarray(observed, dtype=np.float64)
    as_large = (~(nulls < value[..., None])).sum(-1)
    return np.asarray(np.where(np.isnan(value), np.nan, (1 + as_large) / (1 + nulls.shape[-1])))


RANKED = 10
"""Shuffles above a score from which its p-value is a rank; with fewer, the tail beyond them is extrapolated."""


def tail_p(observed: float, nulls: Floats) -> float:
    """One-sided p of a score among its shuffles ``[J]``: a rank, and beyond the tenth largest an exponential tail.

    With u the tenth largest shuffle and k = max(10, J / 10) excesses over the k-th largest, which sum up to E,

        p = 10 / (J + 1)  (1 + (observed - u) / (E + u - u_k))^(1 - k)

    which is exact for an exponential tail of unknown scale (the predictive distribution of one more excess) and too
    large for lighter tails, such as that of a normal distribution or of a score that is bounded. Knijnenburg et al.
    (2009, Bioinformatics 25) fit a generalised Pareto tail; its shape, fixed at 0 here, is what few shuffles do not
    tell. A shuffle whose score is undefined counts as large. NaN where the observed score is.
    """
    rank = float(permutation_p(observed, nulls))
    size, k = len(nulls), min(max(RANKED, len(nulls) // 10), len(nulls) // 2)
    ranked = min(RANKED, k)
    if not rank < (ranked + 1) / (size + 1) or k < 3:
        return rank
    largest = -np.sort(-np.where(np.isnan(nulls), np.inf, nulls))[:k]
    scale = float((largest[: k - 1] - largest[-1]).sum()) + largest[ranked - 1] - largest[-1]
    if not np.isfinite(scale) or scale <= 0:
        return rank
    return float(ranked / (size + 1) * (1 + (observed - largest[ranked - 1]) / scale) ** (1 - k))


def satterthwaite(variances: Floats, freedom: Floats) -> tuple[float, float]:
    """Sum of independent variances, and its degrees of freedom (Satterthwaite 1946)."""
    total = float(variances.sum())
    if total <= 0:
        return 0.0, float(freedom.max())
    return total, float(total**2 / (variances**2 / np.maximum(freedom, 1)).sum())


def equivalent(estimate: float, standard_error: float, *, margin: float, freedom: int, alpha: float) -> bool:
    """Two one-sided tests (Schuirmann 1987), upper side: the difference is shown to be below ``margin``.

    Only the upper side matters for 'absent': a score far below its floor is no evidence of presence.
    """
    if not (np.isfinite(estimate) and np.isfinite(standard_error)):
        return False
    return bool(estimate + t_quantile(1 - alpha, max(freedom, 1)) * standard_error < margin)


def power_of_mean(effect: float, spread: float, seeds: int, *, alpha: float = 0.05) -> float:
    """Probability that the 1 - ``alpha`` interval by Student's t of a mean over seeds lies wholly above 0.

    The true mean is ``effect`` and seeds differ with standard deviation ``spread`` (noncentral t; Cohen 1988, chapter
    2). For a bound other than 0, ``effect`` is the distance of the predicted value from it. ``seeds``: 2 or more.
    """
    if spread <= 0:
        return float(effect > 0)
    cut = scipy.stats.t.ppf(1 - alpha / 2, df=seeds - 1)
    return float(scipy.stats.nct.sf(cut, df=seeds - 1, nc=effect / spread * math.sqrt(seeds)))


def areas(scores: NDArray[np.floating], positive: NDArray[np.bool_]) -> Floats:
    """Area under the ROC curve ``[C]`` of each column of ``scores`` ``[n, C]`` for its ``positive`` rows ``[n, C]``.

    From rank sums (Mann & Whitney 1947); a tie is half a win. NaN where a score is, or one side has no rows.
    """
    inside = positive.sum(0).astype(np.float64)
    above = (scipy.stats.rankdata(scores, axis=0) * positive).sum(0) - inside * (inside + 1) / 2
    pairs = inside * (len(scores) - inside)
    return np.asarray(above / np.where(pairs > 0, pairs, np.nan))


def recalls(scores: NDArray[np.floating], positive: NDArray[np.bool_], *, rate: float = 0.01) -> Floats:
    """Part of the ``positive`` rows ``[n, C]`` above a threshold that at most ``rate`` of the others exceed ``[C]``.

    Recall at a fixed rate of false positives says what a detector is worth where most rows are negative, which the area
    under the curve does not. NaN where fewer than ``1 / rate`` rows are negative, which cannot show such a rate.
    """
    negatives = (~positive).sum(0)
    allowed = np.floor(rate * negatives + 1e-9).astype(np.int64)
    ordered = np.sort(np.where(positive, np.inf, -scores), axis=0)  # the highest of the negative rows first
    threshold = -np.take_along_axis(ordered, np.minimum(allowed, len(scores) - 1)[None], axis=0)[0]
    recall = ((scores > threshold) & positive).sum(0) / np.maximum(positive.sum(0), 1)
    return np.where((allowed > 0) & (negatives < len(scores)), recall, np.nan)
