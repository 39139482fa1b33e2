"""What a probe analysis could find, before it is run.

A linear probe trained on n rows does not know the direction it reads along, and that costs accuracy. For Gaussian
classes a distance delta apart (in standard deviations within classes, along the best direction) and n_c training rows
of class c, in the limit of many rows and many units (Raudys 1967, Deev 1970; reviewed by Raudys & Young 2004,
J. Multivariate Analysis 89:1),

    accuracy of class c = Phi((delta^2 / 2 +- D (1/n_0 - 1/n_1) / 2) / sqrt((delta^2 + D (1/n_0 + 1/n_1)) T))

where T = 1 when the covariance is known or spherical (what a well regularised probe comes near to), and T = n / (n - D)
when it is estimated without regularisation (Fisher's discriminant). More than two classes are taken to lie equally far
from one another: accuracy = integral phi(z) Phi(z + delta' / sqrt 2)^(C - 1) dz with the shrunken distance delta'. For
numbers, of which the activations explain R2 in the population, the expected excess error is that of optimally
regularised ridge on spherical activations, or of least squares:

    ridge    (1 - R2) g m(-l),  g = D / n,  l = g (1 - R2) / R2,  m = Stieltjes transform of Marchenko & Pastur
             (Dobriban & Wager 2018, Annals of Statistics 46:247, theorem 2.1)
    least    (1 - R2) (1/n + (1 + 1/n) D / (n - D - 2))                    (exact; inverse Wishart mean)

The decision is that of ``locate``: a score is called present when its p among its shuffles, of which a cell that is
not clear gets the last of :data:`imprint.analyses.locate.nulls.STAGES`, is below alpha / cells (what Benjamini &
Hochberg ask of a single real cell), and when it beats a second floor where one is known. Rows of a group share noise:
n rows count as n / (1 + (n/G - 1) within).

Cross-validated scores spread more than independent trials. Two rows i, j of different folds are read by probes that
were trained on each other, and x_i . x_j enters both readings with the same sign: their readings are correlated by
v / n, where v is the part of a reading's variance that is noise of the direction, and the variance of accuracy a is

    binomial x (1 + v phi(z)^2 / (a (1 - a))),  z = Phi^-1(a)       (own derivation; x (1 + 2/pi) without a concept)

Deviations from the sources: several classes use the mean noise of pairs. The tests run ``locate`` itself on simulated
activations, to check all of this.

Letters: n rows, D width, C classes, G groups, K folds.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from scipy import optimize, stats

from imprint.analyses.locate.nulls import STAGES
from imprint.analyses.statistics import Floats, tail_p
from imprint.models.errors import ImprintError, NotMeasurableError

FARTHEST = 20.0
"""Largest class distance that is considered, in standard deviations."""
MOST_ROWS = 10**9
"""Largest number of rows that is considered."""
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(64)


@dataclass(frozen=True)
class Design:
    """What will be run."""

    rows: int
    width: int
    """Units of the site."""
    classes: tuple[float, ...] = (0.5, 0.5)
    """How frequent each class is; empty for a number."""
    groups: int | None = None
    """Equally large groups; None: every row by itself."""
    within: float = 0.0
    """Correlation of the noise of two rows of a group, 0..1. Labels are taken to be constant in a group."""
    cells: int = 1
    """Concepts x sites (x ages) corrected for."""
    alpha: float = 0.05
    power: float = 0.8
    folds: int | None = 5
    """Cross-validation folds; None: probes are trained on all rows and tested on others."""
    floor: float | None = None
    """Score of the highest other floor (raw input, untrained twin), if one is known; it is tested on the same rows."""
    covariance_estimated: bool = False
    """Whether the probe pays for estimating the covariance; True for probes without regularisation."""

    def __post_init__(self) -> None:
        if self.rows < 4 or self.width < 1 or self.cells < 1 or (self.folds or 2) < 2:
            raise ImprintError(
                f"rows is {self.rows}, width {self.width}, cells {self.cells}, folds {self.folds}; "
                "expected at least 4, 1, 1 and 2."
            )
        if self.classes and (len(self.classes) < 2 or min(self.classes) <= 0 or abs(sum(self.classes) - 1) > 1e-6):
            raise ImprintError(f"classes are {self.classes}; expected two or more frequencies above 0 that sum to 1.")
        if not (0 < self.alpha < self.power < 1 and 0 <= self.within <= 1):
            raise ImprintError(
                f"alpha is {self.alpha}, power {self.power}, within {self.within}; "
                "expected 0 < alpha < power < 1 and within from 0 to 1."
            )
        if self.groups is not None and not 2 <= self.groups <= self.rows:
            raise ImprintError(f"groups is {self.groups}; expected between 2 and the {self.rows} rows.")

    @property
    def chance(self) -> float:
        """Score of knowing nothing."""
        return 1 / len(self.classes) if self.classes else 0.0

    @property
    def effective_rows(self) -> float:
        """How many independent rows the rows are worth."""
        per_group = self.rows / (self.groups or self.rows)
        return self.rows / (1 + (per_group - 1) * self.within)

    @property
    def trained_on(self) -> float:
        """Independent rows of a training set."""
        return self.effective_rows * (1 - 1 / self.folds) if self.folds else self.effective_rows


@dataclass(frozen=True)
class Detectable:
    """The smallest effect that would be called present with the power asked for."""

    effect: float
    """Class distance in standard deviations within classes, or population R2."""
    score: float
    """Expected balanced accuracy or R2 of the probe at that effect."""


def expected_score(design: Design, effect: float) -> float:
    """Expected balanced accuracy (or R2) of a probe on new rows, when the effect is a distance (or population R2)."""
    if not 0 <= effect <= (FARTHEST if design.classes else 1 - 1e-9):
        raise ImprintError(f"effect is {effect}; expected a distance up to {FARTHEST:g}, or an R2 from 0 to below 1.")
    if not design.classes:
        return float(effect - _excess(design, effect))
    return float(_accuracies(design, effect).mean())


def _accuracies(design: Design, distance: float) -> Floats:
    """Expected accuracy of each class ``[C]``."""
    share, n, d = np.array(design.classes), design.trained_on, design.width
    if design.covariance_estimated and d >= n:
        raise NotMeasurableError(
            f"{d} units and {n:.0f} independent training rows: a covariance cannot be estimated without regularisation"
        )
    loss = n / (n - d) if design.covariance_estimated else 1.0
    inverse = 1 / (n * share)
    if len(share) == 2:
        shift = d * (inverse[::-1] - inverse) / 2
        spread = np.sqrt((distance**2 + d * inverse.sum()) * loss)
        return np.asarray(stats.norm.cdf((distance**2 / 2 + shift) / spread))
    noise = d * 2 * inverse.mean()
    shrunken = distance**2 / np.sqrt((distance**2 + noise) * loss)
    right = stats.norm.cdf(NODES + shrunken / np.sqrt(2)) ** (len(share) - 1)
    return np.full(len(share), float(WEIGHTS @ right / WEIGHTS.sum()))


def _excess(design: Design, r2: float) -> float:
    """Expected error beyond the noise, in units of the number's variance."""
    n, d = design.trained_on, design.width
    if design.covariance_estimated:
        if d >= n - 2:
            raise NotMeasurableError(f"{d} units and {n:.0f} independent training rows: least squares is not defined")
        return (1 - r2) * (1 / n + (1 + 1 / n) * d / (n - d - 2))
    if r2 <= 0:
        return 0.0
    ratio = d / n
    penalty = ratio * (1 - r2) / r2
    middle = 1 - ratio + penalty
    stieltjes = (np.sqrt(middle**2 + 4 * ratio * penalty) - middle) / (2 * ratio * penalty)
    return float((1 - r2) * ratio * stieltjes)


def power_of(design: Design, effect: float) -> float:
    """Probability that an effect is called present."""
    score, error = expected_score(design, effect), _score_error(design, effect)
    level = design.alpha / design.cells
    null_error, tail = _null_error(design, effect), STAGES[-1] // 5
    spreads = null_error * np.sqrt(stats.chi2.ppf((np.arange(200) + 0.5) / 200, tail) / tail)
    beyond = score - design.chance - _critical(level) * spreads
    power = float(stats.norm.cdf(beyond / np.hypot(error, null_error / np.sqrt(STAGES[-1]))).mean())
    if design.floor is None:
        return power
    freedom = max((design.groups or design.rows) - 1, 1)
    apart = np.hypot(error, _binomial_error(design, np.full(len(design.classes), design.floor), design.floor))
    return min(power, float(stats.norm.sf(stats.t.isf(level, freedom) - (score - design.floor) / apart)))


@cache
def _critical(level: float) -> float:
    """Number of standard deviations by which a score must exceed its shuffles, taken as normal, for p = ``level``."""
    nulls = stats.norm.ppf((np.arange(STAGES[-1]) + 0.5) / STAGES[-1])
    return float(optimize.brentq(lambda z: np.log(tail_p(float(z), nulls) / level), -3.0, 1e3, xtol=1e-6))


def _score_error(design: Design, effect: float) -> float:
    """Standard error of a cross-validated score."""
    score = expected_score(design, effect)
    if not design.classes:
        return float(np.hypot(_binomial_error(design, np.zeros(0), max(score, 0.0)), _null_error(design, effect)))
    each = _accuracies(design, effect)
    noise = design.width * 2 * float(np.mean(1 / (design.trained_on * np.array(design.classes))))
    return _binomial_error(design, each, score) * _twice_used(design, score, noise / (effect**2 + noise))


def _null_error(design: Design, effect: float) -> float:
    """Spread of scores of shuffles; those of numbers share the penalty that the effect deserves."""
    if design.classes:
        at_chance = np.full(len(design.classes), design.chance)
        return _binomial_error(design, at_chance, design.chance) * _twice_used(design, design.chance, 1.0)
    return float(2 * np.sqrt(max(_excess(design, effect), 1e-12) / design.effective_rows))


def _twice_used(design: Design, score: float, share: float) -> float:
    """How much wider than binomial a cross-validated score spreads; ``share`` of the readings' variance is noise."""
    if design.folds is None:
        return 1.0
    score = min(score, 1 - 1e-9)
    return float(np.sqrt(1 + share * stats.norm.pdf(stats.norm.ppf(score)) ** 2 / (score * (1 - score))))


def _binomial_error(design: Design, each: Floats, score: float) -> float:
    """Standard error of the mean of class accuracies ``[C]``, or of R2 (Olkin & Finn 1995), on independent rows."""
    n = design.effective_rows
    if not design.classes:
        return float(2 * np.sqrt(score) * (1 - score) / np.sqrt(n))
    each = np.clip(each, 0.0, 1.0)  # integrated numerically, so near 1 it may lie a rounding error outside
    return float(np.sqrt((each * (1 - each) / (np.array(design.classes) * n)).sum()) / len(each))


def minimum_detectable(design: Design) -> Detectable:
    """The smallest effect that is called present with the design's power.

    Raises :class:`NotMeasurableError` when no effect is large enough.
    """
    most = FARTHEST if design.classes else 1 - 1e-6
    if power_of(design, most) < design.power:
        raise NotMeasurableError(
            f"no effect would be called present with power {design.power:g} on {design.effective_rows:.0f} independent "
            f"rows and {design.width} units; collect more groups, look in fewer cells, or take a simpler probe"
        )
    effect = float(optimize.brentq(lambda e: power_of(design, e) - design.power, 0.0, most, xtol=1e-6))
    return Detectable(effect, expected_score(design, effect))


def rows_needed(design: Design, effect: float) -> int:
    """Fewest rows on which an effect is called present with the design's power; groups keep their size.

    ``design.rows`` says only how large groups are. Raises :class:`NotMeasurableError` when no number of rows is enough.
    """
    per_group = design.rows / (design.groups or design.rows)

    def enough(rows: int) -> bool:
        groups = None if design.groups is None else max(2, min(rows, round(rows / per_group)))
        try:
            return power_of(replace(design, rows=rows, groups=groups), effect) >= design.power
        except NotMeasurableError:
            return False

    rows = bisect_left(range(MOST_ROWS), True, lo=4, key=enough)
    if rows == MOST_ROWS:
        raise NotMeasurableError(f"an effect of {effect:g} is not called present on any number of rows")
    return rows
