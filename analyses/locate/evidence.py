"""Evidence that a concept can be read at a site: out-of-fold scores of a readout, its floors, and what they add up to.

For one concept at one site, with the readout fitted on K-1 folds and read on the K-th (groups never split):

    score         balanced accuracy (classes; decision threshold halfway between the class means of the training folds)
                  or R2
    floors        label shuffles; randomly initialised twins; the raw input (for sequences: the whole input history)
    selectivity   score - max(floors)                                      (after Hewitt & Liang 2019, arXiv 1909.03368)
    p             the largest of the one-sided p-values against each floor: present means better than *every* floor

Everything is kept as per-group sums, so that groups, seeds and twins can be resampled without touching a row again.

Letters: J shuffles, G groups, M sums per score, S seeds, R resamples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from imprint.analyses import statistics
from imprint.analyses.locate.reading import Reading
from imprint.analyses.statistics import NAN, Floats
from imprint.probes.samples.controls import Ints

FEWEST = 10
"""Rows of the rarest class below which no interval is given."""


@dataclass(frozen=True)
class Evidence:
    """One concept at one site in one model, with the floors it must beat."""

    reading: Reading
    untrained: Floats | None
    """``[twins, G, M]`` sums of randomly initialised twins."""
    inputs: Floats | None
    """``[G, M]`` sums of the raw input."""

    def of_groups(self, groups: Ints) -> Evidence:
        """Restricted to some groups."""
        return Evidence(
            self.reading.of_groups(groups),
            None if self.untrained is None else self.untrained[:, groups],
            None if self.inputs is None else self.inputs[groups],
        )


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
    twins: int
    """How many randomly initialised twins there are."""
    freedom: int
    n: int

    @property
    def p_value(self) -> float:
        """Largest p over the floors that were given (intersection-union test)."""
        known = [p for p in (self.p_null, self.p_untrained, self.p_inputs) if np.isfinite(p)]
        return max(known) if known and np.isfinite(self.p_null) else NAN


@dataclass(frozen=True)
class Resampling:
    """Draws shared by all cells of a grid: groups ``[R, G]``, seeds ``[R, S]``, twins ``[R, twins]``.

    Every seed of a run, every twin and the raw input are examined on the same groups, so one draw of groups serves
    them all: what is hard or easy about a group is not averaged away by adding seeds.
    """

    groups: Floats
    seeds: Ints
    twins: Ints

    @classmethod
    def draw(cls, seeds: int, groups: int, twins: int, *, resamples: int, rng: np.random.Generator) -> Resampling:
        """Crossed bootstrap of groups, seeds and twins."""
        return cls(
            statistics.group_weights(groups, resamples, rng),
            statistics.seed_draws(seeds, resamples, rng),
            statistics.seed_draws(max(twins, 1), resamples, rng),
        )


def summarise(evidence: Sequence[Evidence], draws: Resampling) -> Summary:
    """Score, floors, selectivity and p-values over seeds, or over the groups of a single model.

    A single model is compared with *one* more random initialisation, so its twin floor spreads as single twins do; a
    run's mean over seeds is compared with the twins' mean.
    """
    reading, single = evidence[0].reading, len(evidence) == 1
    sums = np.stack([e.reading.sums for e in evidence])
    each_seed = statistics.score(np.einsum("rg,sgm->rsm", draws.groups, sums), regression=reading.regression)
    drawn = np.take_along_axis(each_seed, draws.seeds, axis=1).mean(1)
    estimate = float(statistics.score(sums.sum(1), regression=reading.regression).mean())
    twice = float(np.mean([e.reading.used_twice for e in evidence]))
    floors = _floors(evidence, draws)
    scores = {name: f.score for name, f in floors.items()}
    p = {
        name: statistics.p_above(drawn - f.draws, estimate - f.score, f.freedom, extra_variance=f.variance, times=twice)
        for name, f in floors.items()
    }
    null = floors["null"]
    if single:
        p["null"] = _p_shuffles(estimate, reading.nulls, reading.null_scale)
    highest = np.max(np.stack([f.draws for f in floors.values()]), axis=0)
    stretch = _stretch(each_seed, drawn, sums, twice, regression=reading.regression)
    low, high = _stretched(drawn, stretch)
    selectivity_low, selectivity_high = _stretched(drawn - highest, stretch)
    finite = drawn[np.isfinite(drawn)]
    return Summary(
        score=estimate,
        low=low,
        high=high,
        null=null.score,
        untrained=scores.get("untrained", NAN),
        inputs=scores.get("inputs", NAN),
        selectivity=estimate - max(scores.values()),
        selectivity_low=selectivity_low,
        selectivity_high=selectivity_high,
        p_null=p["null"],
        p_untrained=p.get("untrained", NAN),
        p_inputs=p.get("inputs", NAN),
        above_null=estimate - null.score,
        error_above_null=float(np.sqrt(np.var(finite) * twice + null.variance)) if len(finite) else NAN,
        null_above_chance=null.score - reading.chance,
        twins=0 if evidence[0].untrained is None else len(evidence[0].untrained),
        freedom=null.freedom,
        n=int(reading.rows),
    )


@dataclass(frozen=True)
class _Floor:
    """What a score must exceed."""

    score: float
    draws: Floats
    """``[R]`` score under the resamples."""
    freedom: int
    """Degrees of freedom of the comparison."""
    variance: float = 0.0
    """Of the floor's score, beyond what the resamples show."""


def _floors(evidence: Sequence[Evidence], draws: Resampling) -> dict[str, _Floor]:
    """The floors that were given, by name; shuffled labels always."""
    first, single = evidence[0], len(evidence) == 1
    reading, regression = first.reading, first.reading.regression
    freedom = len(reading.sums) - 1 if single else len(evidence) - 1
    nulls = np.stack([e.reading.nulls for e in evidence])
    null_draws = np.broadcast_to(nulls.mean(1), draws.seeds.shape)
    null_error = float(nulls.std(1, ddof=1).mean()) * reading.null_scale
    drawn = np.take_along_axis(null_draws, draws.seeds, axis=1).mean(1)
    floors = {"null": _Floor(float(nulls.mean()), drawn, freedom, null_error**2 / nulls.shape[1] / len(nulls))}
    if (twins := first.untrained) is not None:
        each = statistics.score(np.einsum("rg,tgm->rtm", draws.groups, twins), regression=regression)
        drawn = np.take_along_axis(each, draws.twins[:, :1] if single else draws.twins, axis=1).mean(1)
        score = float(statistics.score(twins.sum(1), regression=regression).mean())
        among = min(freedom, len(twins) - 1) if single and len(twins) > 1 else freedom
        floors["untrained"] = _Floor(score, drawn, among)
    if (inputs := first.inputs) is not None:
        score = float(statistics.score(inputs.sum(0), regression=regression))
        floors["inputs"] = _Floor(score, statistics.score(draws.groups @ inputs, regression=regression), freedom)
    return floors


def _stretch(each_seed: Floats, drawn: Floats, sums: Floats, twice: float, *, regression: bool) -> float:
    """How much wider a percentile interval must be: rows are used twice, and few groups and seeds stand behind it.

    Resampling N units understates their variance by N / (N - 1), and few units call for Student's t. The variances of
    groups and of seeds are told apart by drawing groups alone; their degrees of freedom add up after Satterthwaite.
    ``twice`` multiplies the variance of groups: :attr:`imprint.analyses.locate.reading.Reading.used_twice`. NaN, and
    with it no interval, when a class has fewer than :data:`FEWEST` rows: where all are missed, no resample is
    different.
    """
    if not regression and sums[0, :, sums.shape[2] // 2 :].sum(0).min() < FEWEST:
        return NAN
    ok = np.isfinite(drawn)
    of_groups = float(each_seed[ok].mean(1).var()) if ok.any() else 0.0
    of_seeds = max(float(drawn[ok].var()) - of_groups, 0.0) if ok.any() and len(sums) > 1 else 0.0
    held = sums[0, :, sums.shape[2] // 2 :] > 0  # the groups that hold the rarest class, since classes weigh equally
    units = np.array([sums.shape[1] if regression else held.sum(0).min(), max(len(sums), 2)], dtype=np.float64)
    raw = np.array([of_groups, of_seeds])
    if raw.sum() <= 0 or units[0] < 2:
        return 1.0
    full = raw * units / (units - 1) * np.array([twice, 1.0])
    freedom = full.sum() ** 2 / (full**2 / (units - 1)).sum()
    return float(np.sqrt(full.sum() / raw.sum()) * stats.t.ppf(0.975, freedom) / stats.norm.ppf(0.975))


def _stretched(draws: Floats, by: float) -> tuple[float, float]:
    """The percentile interval, stretched about the median of its draws; NaN for a stretch that is not known."""
    ends = statistics.interval(draws)
    if not np.isfinite(ends[0]) or not np.isfinite(by):
        return NAN, NAN
    middle = float(np.median(draws[np.isfinite(draws)]))
    return middle - by * (middle - ends[0]), middle + by * (ends[1] - middle)


def _p_shuffles(estimate: float, nulls: Floats, scale: float) -> float:
    """P of a score among its own shuffles: t test with J - 1 degrees of freedom for one new draw."""
    error = nulls.std(ddof=1) * scale * np.sqrt(1 + 1 / len(nulls))
    if not np.isfinite(estimate) or not np.isfinite(error):
        return NAN
    if error <= 0:
        return 0.0 if estimate > nulls.mean() else 1.0
    return float(stats.t.sf((estimate - nulls.mean()) / error, df=len(nulls) - 1))


def verdict_of(summary: Summary, q_present: float, q_null: float, *, alpha: float, margin: float) -> tuple[str, str]:
    """The verdict and its reason.

    ``present``: beats every floor. ``absent``: shown to be within ``margin`` of shuffled labels (equivalence test).
    ``given untrained`` / ``given by input``: decodable, but that floor was not beaten. Otherwise ``undetermined``.
    """
    s = summary
    if not np.isfinite(s.score) or not np.isfinite(q_null):
        return "not measurable", "the score is not defined on these rows"
    present = q_present < alpha and s.selectivity > 0
    if s.null_above_chance > margin and not present:
        why = f"the label hardly varies within groups, so shuffling it there still scores {s.null:.3f}"
        return "undetermined", f"{why} and is no floor of chance; give more groups, or groups that hold one label each"
    if present:
        return "present", f"beats every floor by {s.selectivity:.3f} (q = {q_present:.2g}){_missing(s)}"
    above = f"{s.above_null:+.3f} +- {s.error_above_null:.3f}"
    if statistics.equivalent(s.above_null, s.error_above_null, margin=margin, freedom=s.freedom, alpha=0.05):
        return "absent", f"within {margin:g} of shuffled labels ({above}, equivalence test)"
    if not (q_null < alpha and s.above_null > 0):
        return "undetermined", f"neither above shuffled labels nor shown equal to them ({above})"
    floors = (("untrained", s.untrained, s.p_untrained), ("by input", s.inputs, s.p_inputs))
    unbeaten = {name: value for name, value, p in floors if np.isfinite(value) and not p < alpha}
    if not unbeaten:
        return "undetermined", f"above its shuffles, but not above every floor after correction (q = {q_present:.2g})"
    name = max(unbeaten, key=unbeaten.__getitem__)
    floor = "randomly initialised twins reach" if name == "untrained" else "the raw input alone gives"
    return f"given {name}", f"decodable ({s.score:.3f}), but {floor} {unbeaten[name]:.3f}"


def _missing(s: Summary) -> str:
    """What a verdict of presence could not take into account; empty when nothing."""
    floors = (("untrained twins", s.untrained), ("raw input", s.inputs))
    missing = [name for name, value in floors if not np.isfinite(value)]
    caveat = f"; not compared with {' and '.join(missing)}" if missing else ""
    return f"{caveat}; with one twin, how much twins differ among themselves is not known" if s.twins == 1 else caveat
