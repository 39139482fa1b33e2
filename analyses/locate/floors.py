"""What a score must exceed: label shuffles, randomly initialised twins, the raw input; and what is shown to reach it.

A floor is read from the same rows as the score, so their difference varies less than either: it is resampled over the
same draws of groups. To that variance comes, for twins, how much one initialisation differs from the next
(:mod:`imprint.analyses.locate.twins`): for a single model, which is compared with one more random initialisation, the
variance among T twins times 1 + 1/T; for a mean over seeds, over T. What drawing groups again already shows of a single
twin's score is not counted twice. Degrees of freedom add up after Satterthwaite.

That a floor was not beaten does not show that it gives the answer. It *reaches* a score when the difference is shown to
be below a margin (two one-sided tests, Schuirmann 1987).

Letters: G groups, M sums per score, S seeds, R resamples, T twins.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from imprint.analyses import statistics
from imprint.analyses.locate.reading import Reading
from imprint.analyses.locate.twins import moderated
from imprint.analyses.statistics import NAN, Floats
from imprint.probes.samples.controls import Ints
from imprint.probes.samples.intervals import t_above

MOST_TWINS = 100
"""More twins than this are not advised."""


@dataclass(frozen=True)
class Evidence:
    """One concept at one site in one model, with the floors it must beat."""

    reading: Reading
    untrained: Floats | None
    """``[T, G, M]`` sums of randomly initialised twins."""
    inputs: Floats | None
    """``[G, M]`` sums of the raw input."""
    twins: tuple[int, ...] = ()
    """Number of each twin, where worlds have twins of their own; see :mod:`imprint.analyses.locate.worlds`."""

    def of_groups(self, groups: Ints) -> Evidence:
        """Restricted to some groups."""
        return replace(
            self,
            reading=self.reading.of_groups(groups),
            untrained=None if self.untrained is None else self.untrained[:, groups],
            inputs=None if self.inputs is None else self.inputs[groups],
        )


@dataclass(frozen=True)
class Resampling:
    """Draws shared by all cells of a grid: groups ``[R, G]``, seeds ``[R, S]``, twins ``[R, T]``.

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


@dataclass(frozen=True)
class Spread:
    """How much single twins' scores differ."""

    variance: float
    freedom: float


@dataclass(frozen=True)
class Floor:
    """One floor of a score."""

    score: float
    draws: Floats
    """``[R]`` floor under the resamples."""
    by_groups: Floats
    """``[R]`` floor when only the groups are drawn again, and not the seeds or the twins."""
    paired: float
    """Variance of score minus floor over the resamples; NaN when it is not known."""
    freedom: int
    """Its degrees of freedom."""
    extra: float = 0.0
    """Further variance of the floor."""
    twins: int = 0
    """How many twins the floor is the mean of."""
    among: Spread | None = None
    """How much twins differ beyond what the resamples show."""
    single: bool = True
    """Whether the score is one model's."""

    def p_above(self, estimate: float, twins: int | None = None) -> float:
        """One-sided p that a score is not above the floor, as it is or with another number of ``twins``."""
        if not np.isfinite(estimate - self.score) or not np.isfinite(self.paired):
            return NAN
        parts, freedom = [self.paired + self.extra], [float(self.freedom)]
        if self.among is not None:
            count = twins or self.twins
            parts.append(self.among.variance * (1 / count + float(self.single)))
            freedom.append(self.among.freedom + count - self.twins)
        variance, df = statistics.satterthwaite(np.array(parts), np.array(freedom))
        if variance <= 0:
            return 0.0 if estimate > self.score else 1.0
        return t_above((estimate - self.score) / np.sqrt(variance), max(df, 1.0))

    def reaches(self, estimate: float, *, margin: float) -> bool:
        """Whether it is shown that the score lies less than ``margin`` above the floor.

        Shown for the twins that were drawn: how much one initialisation differs from the next is not added here.
        """
        error = float(np.sqrt(self.paired + self.extra))
        return statistics.equivalent(estimate - self.score, error, margin=margin, freedom=self.freedom, alpha=0.05)

    def twins_needed(self, estimate: float, *, level: float) -> int | None:
        """Fewest twins at which p would be below ``level`` if all else stayed; None when no number is enough."""
        enough = (t for t in range(self.twins + 1, MOST_TWINS + 1) if self.p_above(estimate, t) < level)
        return next(enough, None)


def spreads_of(evidence: Mapping[Any, Sequence[Evidence]]) -> dict[Any, Spread]:
    """How much twins differ in each cell that has any, moderated over all cells with equally many."""
    scores: dict[int, dict[Any, float]] = {}
    for cell, seeds in evidence.items():
        if (twins := seeds[0].untrained) is not None:
            each = statistics.score(twins.sum(1), regression=seeds[0].reading.regression)
            scores.setdefault(len(twins), {})[cell] = float(each.var(ddof=1)) if len(twins) > 1 else NAN
    spreads: dict[Any, Spread] = {}
    for count, variances in scores.items():
        variance, freedom = moderated(np.array(list(variances.values())), count)
        spreads |= {cell: Spread(float(v), freedom) for cell, v in zip(variances, variance, strict=True)}
    return spreads


def floors_of(
    evidence: Sequence[Evidence], draws: Resampling, drawn: Floats, *, spread: Spread | None
) -> dict[str, Floor]:
    """The floors that were given, by name; shuffled labels always. ``drawn`` ``[R]``: the score under the resamples."""
    first, single = evidence[0], len(evidence) == 1
    reading, regression = first.reading, first.reading.regression
    freedom = len(reading.sums) - 1 if single else len(evidence) - 1
    twice = float(np.mean([e.reading.used_twice for e in evidence]))

    def variance(difference: Floats) -> float:
        finite = difference[np.isfinite(difference)]
        return float(finite.var(ddof=1)) * twice * (freedom + 1) / max(freedom, 1) if len(finite) > 1 else NAN

    means = np.array([e.reading.nulls.mean() for e in evidence])
    errors = [e.reading.nulls.std(ddof=1) * e.reading.null_scale / np.sqrt(len(e.reading.nulls)) for e in evidence]
    null_draws = np.take_along_axis(np.broadcast_to(means, draws.seeds.shape), draws.seeds, axis=1).mean(1)
    extra = float(np.mean(np.square(errors))) / len(evidence)
    whole = np.full_like(drawn, means.mean())
    floors = {"null": Floor(float(means.mean()), null_draws, whole, variance(drawn - null_draws), freedom, extra)}
    if (twins := first.untrained) is not None:
        each = statistics.score(np.moveaxis(draws.groups @ twins, 0, 1), regression=regression)
        picked = np.take_along_axis(each, draws.twins, axis=1).mean(1)
        floors["untrained"] = Floor(
            float(statistics.score(twins.sum(1), regression=regression).mean()),
            picked,
            each.mean(1),
            variance(drawn - each.mean(1)),
            freedom,
            twins=len(twins),
            among=None if spread is None else replace(spread, variance=max(spread.variance - _own(each, twice), 0.0)),
            single=single,
        )
    if (inputs := first.inputs) is not None:
        score = float(statistics.score(inputs.sum(0), regression=regression))
        input_draws = statistics.score(draws.groups @ inputs, regression=regression)
        floors["inputs"] = Floor(score, input_draws, input_draws, variance(drawn - input_draws), freedom)
    return floors


def _own(each: Floats, twice: float) -> float:
    """Variance of one twin's score ``[R, T]`` over the resamples that other twins do not share; 0 for one twin."""
    twins = each.shape[1]
    if twins < 2:
        return 0.0
    apart = (each - each.mean(1, keepdims=True))[np.isfinite(each).all(1)]
    return float(apart.var(0).mean()) * twice * twins / (twins - 1) if len(apart) else 0.0
