"""Evidence that a concept can be read at a site: out-of-fold scores of a readout, its floors, and what they add up to.

For one concept at one site, with the readout fitted on K-1 folds and read on the K-th (groups never split):

    score         balanced accuracy (classes; decision threshold halfway between the class means of the training folds)
                  or R2
    floors        label shuffles; randomly initialised twins; the raw input (for sequences: the whole input history)
    selectivity   score - max(floors, chance)                              (after Hewitt & Liang 2019, arXiv 1909.03368)
    p             the largest of the one-sided p-values against each floor: present means better than *every* floor

A score is compared with every floor on the same groups, drawn together (:mod:`imprint.analyses.locate.floors`).
Everything is kept as per-group sums, so that groups, seeds and twins can be resampled without touching a row again.

Letters: J shuffles, G groups, M sums per score, S seeds, R resamples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from imprint.analyses import statistics
from imprint.analyses.locate.floors import Evidence, Floor, Resampling, Spread, floors_of
from imprint.analyses.locate.nulls import FEWEST
from imprint.analyses.statistics import NAN, Floats
from imprint.probes.samples.intervals import t_quantile

NORMAL = 1.959963984540054
"""The 97.5 % quantile of the normal distribution."""


@dataclass(frozen=True)
class Summary:
    """What the evidence of one or several seeds adds up to; NaN where a floor was not given."""

    score: float
    low: float
    high: float
    null: float
    untrained: float
    inputs: float
    selectivity: float
    selectivity_low: float
    selectivity_high: float
    p_null: float
    p_untrained: float
    p_inputs: float
    above_null: float
    """Score minus shuffled score."""
    error_above_null: float
    """Standard error of :attr:`above_null`."""
    null_above_chance: float
    """Shuffled score minus the score of knowing nothing; large when shuffling within groups changes little."""
    slowness: float
    """How much more widely permuted sequences score than shuffled rows (:attr:`Reading.slowness`)."""
    rarest: float
    """Rows of the rarest class; of numbers, all rows."""
    floors: dict[str, Floor]
    """``null``, ``untrained`` and ``inputs``, as far as they were given."""
    floor_ends: dict[str, tuple[float, float]]
    """95 % interval of each floor by itself; NaN where one twin alone, or too few rows, tell none."""
    freedom: int
    n: int

    @property
    def p_value(self) -> float:
        """Largest p over the floors that were given (intersection-union test)."""
        known = [p for p in (self.p_null, self.p_untrained, self.p_inputs) if np.isfinite(p)]
        return max(known) if known and np.isfinite(self.p_null) else NAN

    @property
    def twins(self) -> int:
        """How many randomly initialised twins there are."""
        return self.floors["untrained"].twins if "untrained" in self.floors else 0


def summarise(
    evidence: Sequence[Evidence], draws: Resampling, spread: Spread | None = None, *, resampled: Floats | None = None
) -> Summary:
    """Score, floors, selectivity and p-values over seeds, or over the groups of a single model.

    ``resampled`` ``[S, R, M]``: the sums of the resampled groups, where they are known. ``spread``: how much twins
    differ, where there are any. A single model is compared with *one* more random initialisation, a run's mean over
    seeds with the twins' mean.
    """
    reading, first_untrained, single = evidence[0].reading, evidence[0].untrained, len(evidence) == 1
    sums = np.stack([e.reading.sums for e in evidence])
    resampled = draws.groups @ sums if resampled is None else resampled
    each_seed = statistics.score(np.moveaxis(resampled, 0, 1), regression=reading.regression)
    drawn = np.take_along_axis(each_seed, draws.seeds, axis=1).mean(1)
    estimate = float(statistics.score(sums.sum(1), regression=reading.regression).mean())
    twice = float(np.mean([e.reading.used_twice for e in evidence]))
    floors = floors_of(evidence, draws, drawn, spread=spread)
    scores = {name: f.score for name, f in floors.items()}
    p = {name: f.p_above(estimate) for name, f in floors.items()}
    null = floors["null"]
    if single:
        p["null"] = reading.p_null
    chance = np.full_like(drawn, reading.chance)
    highest = np.max(np.stack([chance, *(f.draws for f in floors.values())]), axis=0)
    by_groups = np.max(np.stack([chance, *(f.by_groups for f in floors.values())]), axis=0)
    known, twins = (
        _measurable(sums, regression=reading.regression),
        0 if first_untrained is None else len(first_untrained),
    )
    of_seeds = _variance(drawn) - _variance(each_seed.mean(1))
    units = (_groups(sums, regression=reading.regression), len(evidence), twins)
    parts = [(_variance(each_seed.mean(1)), of_seeds, 0.0)]
    parts.append((_variance(each_seed.mean(1) - by_groups), of_seeds, _variance(highest) - _variance(by_groups)))
    stretches = [_stretch(part, units, twice) if known else NAN for part in parts]
    low, high = _stretched(drawn, stretches[0])
    selectivity_low, selectivity_high = _stretched(drawn - highest, stretches[1])
    finite = drawn[np.isfinite(drawn)]
    return Summary(
        score=estimate,
        low=low,
        high=high,
        null=null.score,
        untrained=scores.get("untrained", NAN),
        inputs=scores.get("inputs", NAN),
        selectivity=estimate - max(reading.chance, *scores.values()),
        selectivity_low=selectivity_low,
        selectivity_high=selectivity_high,
        p_null=p["null"],
        p_untrained=p.get("untrained", NAN),
        p_inputs=p.get("inputs", NAN),
        above_null=estimate - null.score,
        error_above_null=float(np.sqrt(np.var(finite) * twice + null.extra)) if len(finite) else NAN,
        null_above_chance=null.score - reading.chance,
        slowness=float(np.mean([e.reading.slowness for e in evidence])),
        rarest=reading.rarest,
        floors=floors,
        floor_ends={name: _ends(f, units, twice) if known else (NAN, NAN) for name, f in floors.items()},
        freedom=null.freedom,
        n=int(reading.rows),
    )


def selectivity_of(evidence: Sequence[Evidence]) -> float:
    """The selectivity of :func:`summarise`, which no draw changes, without the rest."""
    first = evidence[0]
    scores = [float(np.mean([e.reading.nulls.mean() for e in evidence]))]
    if first.untrained is not None:
        scores.append(float(statistics.score(first.untrained.sum(1), regression=first.reading.regression).mean()))
    if first.inputs is not None:
        scores.append(float(statistics.score(first.inputs.sum(0), regression=first.reading.regression)))
    return float(np.mean([e.reading.score for e in evidence])) - max(first.reading.chance, *scores)


def _measurable(sums: Floats, *, regression: bool) -> bool:
    """Whether there is an interval: where all :data:`FEWEST` rows of a class are missed, no resample is different."""
    return regression or bool(sums[0, :, sums.shape[2] // 2 :].sum(0).min() >= FEWEST)


def _groups(sums: Floats, *, regression: bool) -> int:
    """Number of groups behind a score: those that hold the rarest class, since classes weigh equally."""
    return sums.shape[1] if regression else int((sums[0, :, sums.shape[2] // 2 :] > 0).sum(0).min())


def _variance(draws: Floats) -> float:
    finite = draws[np.isfinite(draws)]
    return float(finite.var()) if len(finite) else 0.0


def _stretch(variances: Sequence[float], units: Sequence[int], twice: float) -> float:
    """How much wider a percentile interval must be: rows are used twice, and few units stand behind it.

    ``variances`` are those of drawing groups, seeds and twins again, and ``units`` how many of each there are.
    Resampling N units understates their variance by N / (N - 1), and few units call for Student's t; degrees of freedom
    add up after Satterthwaite. ``twice`` multiplies the variance of groups:
    :attr:`imprint.analyses.locate.reading.Reading.used_twice`. A variance of which there is one unit only is 0.
    """
    number = np.array(units, dtype=np.float64)
    raw = np.where(number > 1, np.maximum(variances, 0.0), 0.0)
    if raw.sum() <= 0 or number[0] < 2:
        return 1.0
    number = np.maximum(number, 2)
    total, freedom = statistics.satterthwaite(raw * number / (number - 1) * np.array([twice, 1.0, 1.0]), number - 1)
    return float(np.sqrt(total / raw.sum()) * t_quantile(0.975, freedom) / NORMAL)


def _ends(floor: Floor, units: Sequence[int], twice: float) -> tuple[float, float]:
    """Interval of a floor by itself: groups and twins (of shuffled labels: seeds) drawn again; NaN of a single twin."""
    if floor.twins == 1:
        return NAN, NAN
    within = _variance(floor.by_groups)
    between = max(_variance(floor.draws) - within, 0.0)
    parts = (within, 0.0, between) if floor.twins else (within, between, 0.0)
    low, high = _stretched(floor.draws, _stretch(parts, units, twice))
    middle, more = (low + high) / 2, NORMAL * np.sqrt(floor.extra)
    return middle - float(np.hypot(middle - low, more)), middle + float(np.hypot(high - middle, more))


def _stretched(draws: Floats, by: float) -> tuple[float, float]:
    """The percentile interval, stretched about the median of its draws; NaN for a stretch that is not known."""
    ends = statistics.interval(draws)
    if not np.isfinite(ends[0]) or not np.isfinite(by):
        return NAN, NAN
    middle = float(np.median(draws[np.isfinite(draws)]))
    return middle - by * (middle - ends[0]), middle + by * (ends[1] - middle)
