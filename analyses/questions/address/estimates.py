"""Means over pairs of networks with intervals over seeds and groups of episodes, from the table of a cohort.

Pairs share seeds, so the jackknife leaves out seeds, one at a time with all their pairs, not pairs (Arvesen 1969; for
means over pairs it errs on the wide side, Efron & Stein 1981). A bootstrap would pair a seed that was drawn twice with
itself. Crossed with the jackknife, the groups of held-out episodes are drawn with replacement. For any statistic t

    var(t) = (S - 1) / S  sum_s (t_-s - mean t_-s)^2   +   G / (G - 1)  var_draws(t)
    interval = t +- t quantile x sd(t)          degrees of freedom of the two parts combined after Satterthwaite

so a statistic is an array ``[1 + S, D]``: first row all seeds, then each seed left out; first column all groups, then
the draws. Ratios and differences of statistics are ratios and differences of such arrays, and stay paired by seed and
draw.

    kept by a route = (score of the route - chance) / (score of own probes - chance)

Letters: S seeds, D draws of groups and before them the groups as they are, G groups.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd
from scipy import stats

from imprint.analyses.questions.address.measure import best_site, holders
from imprint.analyses.statistics import NAN, Estimate
from imprint.models.errors import NotMeasurableError
from imprint.probes.samples.concept_columns import Floats

LEAST = 3
"""Least number of seeds in which a concept must have formed before anything is said about where."""


def over_pairs(values: Floats) -> Floats:
    """Means over pairs ``[1 + S, D]`` of ``values`` ``[D, S, S]``; NaN: no such pair."""
    keep = _left_out(values.shape[-1])
    known = np.isfinite(values)
    total = np.einsum("ki,dij,kj->kd", keep, np.where(known, values, 0.0), keep)
    return _ratio(total, np.einsum("ki,dij,kj->kd", keep, known.astype(np.float64), keep))


def over_networks(values: Floats) -> Floats:
    """Means over networks ``[1 + S, D]`` of ``values`` ``[D, S]``; NaN: no such network."""
    keep = _left_out(values.shape[-1])
    known = np.isfinite(values)
    return _ratio(keep @ np.where(known, values, 0.0).T, keep @ known.T.astype(np.float64))


def _left_out(seeds: int) -> Floats:
    return np.vstack([np.ones((1, seeds)), 1 - np.eye(seeds)])


def _ratio(total: Floats, count: Floats) -> Floats:
    return np.asarray(total / np.where(count > 0, count, np.nan))


def estimate(statistic: Floats, groups: int) -> Estimate:
    """Value and interval of a statistic ``[1 + S, D]``; the interval is NaN where leaving out a seed leaves nothing."""
    seeds = len(statistic) - 1
    value, without, draws = float(statistic[0, 0]), statistic[1:, 0], statistic[0, 1:]
    draws = draws[np.isfinite(draws)]
    if seeds < 2 or not np.isfinite(without).all() or not np.isfinite(value):
        return Estimate(value, NAN, NAN, seeds)
    parts = [((seeds - 1) * float(without.var()), seeds - 1)]
    if len(draws) > 1 and groups > 1:
        parts.append((float(draws.var(ddof=1)) * groups / (groups - 1), min(len(draws), groups) - 1))
    variance = sum(part for part, _ in parts)
    if variance <= 0:
        return Estimate(value, value, value, seeds)
    freedom = 1 / sum((part / variance) ** 2 / free for part, free in parts)
    reach = float(stats.t.ppf(0.975, freedom) * np.sqrt(variance))
    return Estimate(value, value - reach, value + reach, seeds)


@dataclass(frozen=True)
class Holding:
    """The seeds in which a concept can be read, and the site at which it is read."""

    concept: str
    site: str
    seeds: tuple[int, ...]
    earlier: Mapping[int, int]
    """Seed -> the latest age before the last at which the concept had formed; seeds without one are left out."""
    how: str
    """``formed``; ``given``: readable, but no better than in untrained networks; ``absent``: in too few to compare."""


class CohortTable:
    """The table of one cohort (see :mod:`imprint.analyses.questions.address.measure`) and its statistics."""

    def __init__(self, label: str, table: pd.DataFrame) -> None:
        self.label, self.table = label, table
        self._kinds = dict(list(table.groupby("table")))
        self._routes = dict(list(self._kind("transfer").groupby(["concept", "site", "age", "name"])))

    @cached_property
    def seeds(self) -> tuple[int, ...]:
        """Seeds that reached the last age."""
        return tuple(sorted(int(seed) for seed in self.rows("choice")["first"].unique()))

    @cached_property
    def diverged(self) -> tuple[int, ...]:
        """Seeds that diverged before."""
        return tuple(int(seed) for seed in self.rows("diverged")["first"])

    @cached_property
    def ages(self) -> tuple[int, ...]:
        """Ages at which addresses were compared."""
        return tuple(sorted(int(age) for age in self.rows("transfer")["age"].unique()))

    @cached_property
    def groups(self) -> int:
        """Number of groups of held-out episodes."""
        return int(self.rows("groups")["value"].iloc[0])

    def _kind(self, table: str) -> pd.DataFrame:
        return self._kinds.get(table, self.table.iloc[:0])

    def rows(self, table: str, **where: object) -> pd.DataFrame:
        """Rows of one kind in which every column of ``where`` has the value given."""
        rows = self._kind(table)
        for column, value in where.items():
            rows = rows[rows[column] == value]
        return rows

    def chance(self, concept: str, table: str = "chance") -> float:
        """Score without any knowledge of the concept, or of the raw ``inputs``; NaN when it was not measured."""
        scores = self.rows(table, concept=concept)["value"].dropna()
        return float(scores.iloc[0]) if len(scores) else NAN

    def holding(self, concept: str, site: str | None = None) -> Holding:
        """The seeds in which a concept can be read at a site (default: where own probes read it best)."""
        try:
            where = site or best_site(self.table, concept)
        except NotMeasurableError:
            return Holding(concept, "", (), {}, "absent")
        formed, readable = holders(self.table, concept, where, self.chance(concept))
        if len(formed) >= LEAST:
            earlier = {seed: max(ages) for seed, ages in formed.items() if ages}
            return Holding(concept, where, tuple(formed), earlier, "formed")
        return Holding(concept, where, tuple(readable), {}, "given" if len(readable) >= LEAST else "absent")

    def route(self, name: str, holding: Holding, age: int, numbers: Sequence[int] | None = None) -> Floats:
        """Mean score ``[1 + S, D]`` of a route over pairs of the holding seeds, or of their own probes.

        ``numbers``: the S seeds that are left out in turn, the holding ones among them; only these when None.
        """
        rows = self._routes.get((holding.concept, holding.site, age, name), self._kind("transfer").iloc[:0])
        values = self._square(rows, holding.seeds, numbers or holding.seeds)
        if name != "own":
            return over_pairs(values)
        whole = self._square(rows, self.seeds, self.seeds)
        own = _ratio(np.nansum(whole, axis=1), np.isfinite(whole).sum(1).astype(np.float64))
        place = {seed: i for i, seed in enumerate(self.seeds)}
        picked = [
            own[:, place[s]] if s in holding.seeds else np.full(len(own), np.nan) for s in numbers or holding.seeds
        ]
        return over_networks(np.stack(picked, axis=1))

    def earlier(self, name: str, holding: Holding) -> Floats:
        """Mean score ``[1 + S, D]`` of seeds' own probes of their :attr:`Holding.earlier` age, read at the last age."""
        rows = self.rows("earlier", concept=holding.concept, site=holding.site, name=name)
        rows = rows[rows["first"].map(holding.earlier) == rows["age"]]
        square = self._square(rows, holding.seeds, holding.seeds)
        return over_networks(np.diagonal(square, axis1=1, axis2=2))

    def kept(self, name: str, holding: Holding, age: int, numbers: Sequence[int] | None = None) -> Floats:
        """Part ``[1 + S, D]`` of own probes' gain over chance that a route keeps; NaN where they gain nothing."""
        return self._kept(self.route(name, holding, age, numbers), holding, age, numbers)

    def kept_earlier(self, name: str, holding: Holding) -> Floats:
        """The same for :meth:`earlier`, at the last age, of the gain of the same seeds."""
        known = replace(holding, seeds=tuple(holding.earlier))
        return self._kept(self.earlier(name, holding), known, self.ages[-1], holding.seeds)

    def _kept(self, score: Floats, holding: Holding, age: int, numbers: Sequence[int] | None) -> Floats:
        chance = self.chance(holding.concept)
        gain = self.route("own", holding, age, numbers) - chance
        return np.asarray((score - chance) / np.where(gain > 0, gain, np.nan))

    def pairs(self, table: str, seeds: Sequence[int], **where: object) -> Floats:
        """Mean ``[1 + S, 1]`` over pairs of a statistic that has no draws (``cka``, ``overlap``, ...)."""
        return over_pairs(self._square(self.rows(table, **where), seeds, seeds))

    def halves(self, holding: Holding, level: str) -> tuple[Floats, Floats]:
        """Overlap beyond chance ``[1 + S, 1]`` across halves of the episodes: of networks with themselves, of pairs."""
        squares = [
            self._square(self.rows(table, concept=holding.concept, level=level), holding.seeds, holding.seeds)
            for table in ("halves", "chance_halves")
        ]
        beyond = squares[0] - squares[1]
        itself = np.eye(len(holding.seeds), dtype=bool)
        return over_networks(np.diagonal(beyond, axis1=1, axis2=2)), over_pairs(np.where(itself, np.nan, beyond))

    def networks(self, table: str, seeds: Sequence[int], **where: object) -> Floats:
        """Mean ``[1 + S, 1]`` over networks of a statistic of single ones (``bits``)."""
        rows = self.rows(table, **where).set_index("first")["value"]
        return over_networks(rows.reindex(list(seeds)).to_numpy(dtype=np.float64)[None])

    @staticmethod
    def _square(rows: pd.DataFrame, among: Sequence[int], numbers: Sequence[int]) -> Floats:
        """Values ``[D, S, S]`` of pairs of the seeds ``among``, laid out in the order of ``numbers``."""
        rows = rows[rows["first"].isin(list(among)) & rows["second"].isin(list(among))]
        draw = rows["draw"].fillna(0).to_numpy(dtype=np.int64)
        place = {seed: i for i, seed in enumerate(numbers)}
        values = np.full((int(draw.max(initial=0)) + 1, len(numbers), len(numbers)), np.nan)
        values[draw, rows["first"].map(place).to_numpy(int), rows["second"].map(place).to_numpy(int)] = rows["value"]
        return values
