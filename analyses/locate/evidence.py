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
from imprint.analyses.locate.reading import Floats, Reading
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
        return max(known) if known and np.isfinite(self.p_null) else float("nan")


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
    def draw(cls, seeds: int, groups: int, twins: int, resamples: int, rng: np.random.Generator) -> Resampling:
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
    reading = evidence[0].reading
    regression, single = reading.regression, len(evidence) == 1
    sums = np.stack([e.reading.sums for e in evidence])
    each_seed = statistics.score(np.einsum("rg,sgm->rsm", draws.groups, sums), regression=regression)
    drawn = np.take_along_axis(each_seed, draws.seeds, axis=1).mean(1)
    estimate = float(statistics.score(sums.sum(1), regression=regression).mean())
    nulls = np.stack([e.reading.nulls for e in evidence])
    null_draws = np.broadcast_to(nulls.mean(1), each_seed.shape)
    floors = {"null": float(nulls.mean())}
    floor_draws = {"null": np.take_along_axis(null_draws, draws.seeds, axis=1).mean(1)}
    freedom = dict.fromkeys(("null", "untrained", "inputs"), len(reading.sums) - 1 if single else len(evidence) - 1)
    if (twins := evidence[0].untrained) is not None:
        each = statistics.score(np.einsum("rg,tgm->rtm", draws.groups, twins), regression=regression)
        index = draws.twins[:, :1] if single else draws.twins
        floors["untrained"] = float(statistics.score(twins.sum(1), regression=regression).mean())
        floor_draws["untrained"] = np.take_along_axis(each, index, axis=1).mean(1)
        if single and len(twins) > 1:
            freedom["untrained"] = min(freedom["untrained"], len(twins) - 1)
    if (inputs := evidence[0].inputs) is not None:
        floors["inputs"] = float(statistics.score(inputs.sum(0), regression=regression))
        floor_draws["inputs"] = statistics.score(draws.groups @ inputs, regression=regression)
    twice = float(np.mean([e.reading.used_twice for e in evidence]))
    stretch = _stretch(each_seed, drawn, sums, twice, regression=regression)
    return _summary(evidence, estimate, drawn, floors, floor_draws, nulls, freedom, twice, stretch)


def _stretch(each_seed: Floats, drawn: Floats, sums: Floats, twice: float, *, regression: bool) -> float:
    """How much wider a percentile interval must be: rows are used twice, and few groups and seeds stand behind it.

    Resampling N units understates their variance by N / (N - 1), and few units call for Student's t. The variances of
    groups and of seeds are told apart by drawing groups alone; their degrees of freedom add up after Satterthwaite.
    ``twice`` multiplies the variance of groups: :attr:`imprint.analyses.locate.reading.Reading.used_twice`. NaN, and
    with it no interval, when a class has fewer than :data:`FEWEST` rows: where all are missed, no resample is
    different.
    """
    ok = np.isfinite(drawn)
    of_groups = float(each_seed[ok].mean(1).var()) if ok.any() else 0.0
    of_seeds = max(float(drawn[ok].var()) - of_groups, 0.0) if ok.any() and len(sums) > 1 else 0.0
    if _too_rare(sums, regression):
        return float("nan")
    units = np.array([_groups_that_count(sums, regression), max(len(sums), 2)], dtype=np.float64)
    raw = np.array([of_groups, of_seeds])
    if raw.sum() <= 0 or units[0] < 2:
        return 1.0
    full = raw * units / (units - 1) * np.array([twice, 1.0])
    freedom = full.sum() ** 2 / (full**2 / (units - 1)).sum()
    return float(np.sqrt(full.sum() / raw.sum()) * stats.t.ppf(0.975, freedom) / stats.norm.ppf(0.975))


def _summary(
    evidence: Sequence[Evidence],
    estimate: float,
    drawn: Floats,
    floors: dict[str, float],
    floor_draws: dict[str, Floats],
    nulls: Floats,
    freedom: dict[str, int],
    twice: float,
    stretch: float,
) -> Summary:
    seeds, shuffles = nulls.shape
    reading, nan = evidence[0].reading, float("nan")
    null_error = float(nulls.std(1, ddof=1).mean()) * reading.null_scale
    spread = {"null": null_error**2 / shuffles / seeds}
    p = {
        name: statistics.p_above(
            drawn - floor_draws[name],
            estimate - floors[name],
            freedom[name],
            extra_variance=spread.get(name, 0.0),
            times=twice,
        )
        for name in floors
    }
    if seeds == 1:
        p["null"] = _p_shuffles(estimate, nulls[0], reading.null_scale)
    top = np.max(np.stack(list(floor_draws.values())), axis=0)
    low, high = _stretched(statistics.interval(drawn), drawn, stretch)
    s_low, s_high = _stretched(statistics.interval(drawn - top), drawn - top, stretch)
    return Summary(
        score=estimate,
        low=low,
        high=high,
        null=floors["null"],
        untrained=floors.get("untrained", nan),
        inputs=floors.get("inputs", nan),
        selectivity=estimate - max(floors.values()),
        selectivity_low=s_low,
        selectivity_high=s_high,
        p_null=p["null"],
        p_untrained=p.get("untrained", nan),
        p_inputs=p.get("inputs", nan),
        above_null=estimate - floors["null"],
        error_above_null=float(np.sqrt(np.var(drawn[np.isfinite(drawn)]) * twice + spread["null"]))
        if np.isfinite(drawn).any()
        else nan,
        null_above_chance=floors["null"] - reading.chance,
        twins=0 if evidence[0].untrained is None else len(evidence[0].untrained),
        freedom=freedom["null"],
        n=int(reading.rows),
    )


def _groups_that_count(sums: Floats, regression: bool) -> int:
    """Groups behind the score ``[S, G, M]``; those that hold the rarest class, since classes weigh equally."""
    if regression:
        return int(sums.shape[1])
    held = sums[0, :, sums.shape[2] // 2 :] > 0
    return int(held.sum(0).min())


def _too_rare(sums: Floats, regression: bool) -> bool:
    """Whether some class has so few rows that drawing them again says nothing of how its recall varies."""
    return not regression and bool(sums[0, :, sums.shape[2] // 2 :].sum(0).min() < FEWEST)


def _stretched(ends: tuple[float, float], draws: Floats, by: float) -> tuple[float, float]:
    """An interval stretched about the median of its draws; none for a stretch that is not known."""
    if not np.isfinite(ends[0]) or not np.isfinite(by):
        return float("nan"), float("nan")
    middle = float(np.median(draws[np.isfinite(draws)]))
    return middle - by * (middle - ends[0]), middle + by * (ends[1] - middle)


def _p_shuffles(estimate: float, nulls: Floats, scale: float) -> float:
    """P of a score among its own shuffles: t test with J - 1 degrees of freedom for one new draw."""
    error = nulls.std(ddof=1) * scale * np.sqrt(1 + 1 / len(nulls))
    if not np.isfinite(estimate) or not np.isfinite(error):
        return float("nan")
    if error <= 0:
        return 0.0 if estimate > nulls.mean() else 1.0
    return float(stats.t.sf((estimate - nulls.mean()) / error, df=len(nulls) - 1))


def verdict_of(summary: Summary, q_present: float, q_null: float, *, alpha: float, margin: float) -> tuple[str, str]:
    """The verdict lattice and its reason.

    ``present``: beats every floor. ``absent``: shown to be within ``margin`` of shuffled labels (equivalence test).
    ``given untrained`` / ``given by input``: decodable, but that floor was not beaten. Otherwise ``undetermined``.
    """
    s = summary
    if not np.isfinite(s.score) or not np.isfinite(q_null):
        return "not measurable", "the score is not defined on these rows"
    missing = [
        name for name, value in (("untrained twins", s.untrained), ("raw input", s.inputs)) if not np.isfinite(value)
    ]
    caveat = f"; not compared with {' and '.join(missing)}" if missing else ""
    if s.twins == 1:
        caveat += "; with one twin, how much twins differ among themselves is not known"
    if s.null_above_chance > margin and not (q_present < alpha and s.selectivity > 0):
        why = f"the label hardly varies within groups, so shuffling it there still scores {s.null:.3f}"
        return "undetermined", f"{why} and is no floor of chance; give more groups, or groups that hold one label each"
    if q_present < alpha and s.selectivity > 0:
        return "present", f"beats every floor by {s.selectivity:.3f} (q = {q_present:.2g}){caveat}"
    if statistics.equivalent(s.above_null, s.error_above_null, margin=margin, freedom=s.freedom, alpha=0.05):
        return (
            "absent",
            f"within {margin:g} of shuffled labels ({s.above_null:+.3f} +- {s.error_above_null:.3f}, equivalence test)",
        )
    if q_null < alpha and s.above_null > 0:
        unbeaten = {
            name: value
            for name, value, p in (("untrained", s.untrained, s.p_untrained), ("by input", s.inputs, s.p_inputs))
            if np.isfinite(value) and not p < alpha
        }
        if unbeaten:
            name = max(unbeaten, key=unbeaten.__getitem__)
            floor = "randomly initialised twins reach" if name == "untrained" else "the raw input alone gives"
            return f"given {name}", f"decodable ({s.score:.3f}), but {floor} {unbeaten[name]:.3f}"
        return "undetermined", f"above its shuffles, but not above every floor after correction (q = {q_present:.2g})"
    return (
        "undetermined",
        f"neither above shuffled labels nor shown equal to them ({s.above_null:+.3f} +- {s.error_above_null:.3f})",
    )
