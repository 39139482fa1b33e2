"""Estimates over pairs of networks: how well addresses travel in a cohort, with intervals over its seeds.

Pairs share seeds, so seeds are left out, one at a time with all their pairs, not pairs (Arvesen 1969; for means over
pairs this jackknife errs on the wide side, Efron & Stein 1981). A bootstrap would pair a seed that was drawn twice with
itself. Crossed with it, the groups of held-out episodes are drawn with replacement. For any statistic t

    var(t) = (S - 1) / S  sum_s (t_-s - mean t_-s)^2   +   G / (G - 1)  var_draws(t)
    interval = t +- t quantile x sd(t)          degrees of freedom of the two parts added up after Satterthwaite

so a statistic is a table: first row all seeds, then each seed left out; first column all groups, then the draws. Ratios
and differences of statistics are ratios and differences of tables, and stay paired by seed and draw.

    kept by a route = (score of the route - chance) / (score of own probes - chance)

Letters: S seeds, D draws of groups and before them the groups as they are, G groups.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from scipy import stats

from imprint.analyses.questions.address.measure import best_site, holders
from imprint.analyses.statistics import NAN, Estimate
from imprint.models.errors import NotMeasurableError
from imprint.probes.networks.alignment import ROUTES
from imprint.probes.samples.concept_columns import Floats

LEAST = 3
"""Seeds that must hold a concept before anything is said about where."""

ROUTE_NAMES = {
    "same_unit": "same unit",
    "hungarian": "matched units",
    "hungarian_floor": "matched, other basis",
    "procrustes": "rotated",
    "own": "own probe",
    "earlier": "same seed, one age before",
}
"""Routes as they are shown."""
PAIRED = ("overlap", "chance_overlap", "same_best", "chance_same_best")


def over_pairs(values: Floats) -> Floats:
    """Means over pairs ``[1 + S, D]`` of ``values`` ``[D, S, S]``; NaN: no such pair."""
    keep = _left_out(values.shape[-1])
    known = np.isfinite(values)
    total = np.einsum("ki,dij,kj->kd", keep, np.where(known, values, 0.0), keep)
    return _divided(total, np.einsum("ki,dij,kj->kd", keep, known.astype(np.float64), keep))


def over_networks(values: Floats) -> Floats:
    """Means over networks ``[1 + S, D]`` of ``values`` ``[D, S]``; NaN: no such network."""
    keep = _left_out(values.shape[-1])
    known = np.isfinite(values)
    return _divided(keep @ np.where(known, values, 0.0).T, keep @ known.T.astype(np.float64))


def _left_out(seeds: int) -> Floats:
    return np.vstack([np.ones((1, seeds)), 1 - np.eye(seeds)])


def _divided(total: Floats, count: Floats) -> Floats:
    return np.asarray(total / np.where(count > 0, count, np.nan))


def estimate(table: Floats, groups: int) -> Estimate:
    """Value and interval of a statistic's table; the interval is NaN where leaving out a seed leaves nothing."""
    seeds = len(table) - 1
    value, without, draws = float(table[0, 0]), table[1:, 0], table[0, 1:]
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
    """Who holds a concept, and where it is read."""

    concept: str
    site: str
    seeds: tuple[int, ...]
    how: str
    """``formed``; ``given``: readable, but no better than in newborns; ``absent``: held by too few to compare."""


class Compared:
    """The table of one cohort (see :mod:`imprint.analyses.questions.address.measure`), asked for statistics."""

    def __init__(self, label: str, table: pd.DataFrame) -> None:
        self.label, self.table = label, table
        self._kinds = dict(list(table.groupby("table")))
        self._routes = dict(list(self._kind("transfer").groupby(["concept", "site", "age", "name"])))

    @cached_property
    def seeds(self) -> tuple[int, ...]:
        """Seeds that lived to the last age."""
        return tuple(sorted(int(seed) for seed in self._rows("choice")["first"].unique()))

    @cached_property
    def diverged(self) -> tuple[int, ...]:
        """Seeds that did not."""
        return tuple(int(seed) for seed in self._rows("diverged")["first"])

    @cached_property
    def ages(self) -> tuple[int, ...]:
        """Ages at which addresses were compared."""
        return tuple(sorted(int(age) for age in self._rows("transfer")["age"].unique()))

    @cached_property
    def groups(self) -> int:
        """Groups of held-out episodes."""
        return int(self._rows("groups")["value"].iloc[0])

    def _kind(self, table: str) -> pd.DataFrame:
        return self._kinds.get(table, self.table.iloc[:0])

    def _rows(self, table: str, **where: object) -> pd.DataFrame:
        rows = self._kind(table)
        for column, value in where.items():
            rows = rows[rows[column] == value]
        return rows

    def chance(self, concept: str) -> float:
        """Score of knowing nothing."""
        found = self._rows("chance", concept=concept)["value"].dropna()
        return float(found.iloc[0]) if len(found) else float("nan")

    def inputs(self, concept: str) -> float:
        """Score of the raw input history; NaN when it was not measured."""
        found = self._rows("inputs", concept=concept)["value"]
        return float(found.iloc[0]) if len(found) else float("nan")

    def holding(self, concept: str, site: str | None = None) -> Holding:
        """Who holds a concept at a site (default: where own probes read it best)."""
        try:
            where = site or best_site(self.table, concept)
        except NotMeasurableError:
            return Holding(concept, "", (), "absent")
        formed, readable = holders(self.table, concept, where, self.chance(concept))
        if len(formed) >= LEAST:
            return Holding(concept, where, tuple(formed), "formed")
        return Holding(concept, where, tuple(readable), "given" if len(readable) >= LEAST else "absent")

    def own_choice(self, concept: str, site: str) -> pd.DataFrame:
        """Own probes on the episodes of choice: ``first``, ``age``, ``value``."""
        return self._rows("choice", concept=concept, site=site)[["first", "age", "value"]]

    def route(self, name: str, holding: Holding, age: int, numbers: Sequence[int] | None = None) -> Floats:
        """Table ``[1 + S, D]`` of a route's mean score over pairs of holders, or of their own probes.

        ``numbers``: the S seeds that are left out in turn, holders among them; the holders when None.
        """
        rows = self._routes.get((holding.concept, holding.site, age, name), self._kind("transfer").iloc[:0])
        values = self._square(rows, holding.seeds, numbers or holding.seeds)
        if name != "own":
            return over_pairs(values)
        whole = self._square(rows, self.seeds, self.seeds)
        mine = _divided(np.nansum(whole, axis=1), np.isfinite(whole).sum(1).astype(np.float64))
        place = {seed: i for i, seed in enumerate(self.seeds)}
        picked = [
            mine[:, place[s]] if s in holding.seeds else np.full(len(mine), np.nan) for s in numbers or holding.seeds
        ]
        return over_networks(np.stack(picked, axis=1))

    def earlier(self, name: str, holding: Holding) -> Floats:
        """Table ``[1 + S, D]`` of the mean score of holders' probes one planned age before, read on themselves now."""
        rows = self._rows("earlier", concept=holding.concept, site=holding.site, name=name)
        square = self._square(rows, holding.seeds, holding.seeds)
        return over_networks(np.diagonal(square, axis1=1, axis2=2))

    def kept(self, name: str, holding: Holding, age: int, numbers: Sequence[int] | None = None) -> Floats:
        """Table of the part of own probes' gain over chance that a route keeps; NaN where they gain nothing."""
        return self._kept(self.route(name, holding, age, numbers), holding, age, numbers)

    def kept_earlier(self, name: str, holding: Holding) -> Floats:
        """The same for :meth:`earlier`, at the last age."""
        return self._kept(self.earlier(name, holding), holding, self.ages[-1], None)

    def _kept(self, score: Floats, holding: Holding, age: int, numbers: Sequence[int] | None) -> Floats:
        chance = self.chance(holding.concept)
        gain = self.route("own", holding, age, numbers) - chance
        return np.asarray((score - chance) / np.where(gain > 0, gain, np.nan))

    def pairs(self, table: str, seeds: Sequence[int], **where: object) -> Floats:
        """Table ``[1 + S, 1]`` of any pair statistic that has no draws (``cka``, ``overlap``, ...)."""
        return over_pairs(self._square(self._rows(table, **where), seeds, seeds))

    def networks(self, table: str, seeds: Sequence[int], **where: object) -> Floats:
        """Table ``[1 + S, 1]`` of a statistic of single networks (``bits``)."""
        rows = self._rows(table, **where).set_index("first")["value"]
        return over_networks(rows.reindex(list(seeds)).to_numpy(dtype=np.float64)[None])

    def values(self, table: str, **where: object) -> pd.DataFrame:
        """The rows of one kind."""
        return self._rows(table, **where)

    @staticmethod
    def _square(rows: pd.DataFrame, among: Sequence[int], numbers: Sequence[int]) -> Floats:
        """Values ``[D, S, S]`` of pairs among some seeds."""
        rows = rows[rows["first"].isin(list(among)) & rows["second"].isin(list(among))]
        draw = rows["draw"].fillna(0).to_numpy(dtype=np.int64)
        place = {seed: i for i, seed in enumerate(numbers)}
        values = np.full((int(draw.max(initial=0)) + 1, len(numbers), len(numbers)), np.nan)
        values[draw, rows["first"].map(place).to_numpy(int), rows["second"].map(place).to_numpy(int)] = rows["value"]
        return values


def routes_frame(cohort: Compared, holding: Holding, ages: Sequence[int]) -> pd.DataFrame:
    """Score of every route and the part it keeps, by age.

    Columns: ``cohort, concept, held, site, age, route, score, low, high, kept, kept_low, kept_high, seeds``.
    """
    rows = [
        _route_row(cohort, holding, age, name, cohort.route(name, holding, age), cohort.kept(name, holding, age))
        for age in ages
        for name in ROUTES
    ]
    return pd.DataFrame(rows)


def earlier_frame(cohort: Compared, holding: Holding) -> pd.DataFrame:
    """The seeds' own probes of one planned age before at the same units, as a row of :func:`routes_frame`."""
    tables = cohort.earlier("same_unit", holding), cohort.kept_earlier("same_unit", holding)
    return pd.DataFrame([_route_row(cohort, holding, cohort.ages[-1], "earlier", *tables)])


def _route_row(
    cohort: Compared, holding: Holding, age: int, name: str, score: Floats, kept: Floats
) -> dict[str, object]:
    found, part = estimate(score, cohort.groups), estimate(kept, cohort.groups)
    about = {"cohort": cohort.label, "concept": holding.concept, "held": holding.how, "site": holding.site, "age": age}
    route = {"route": ROUTE_NAMES[name], "seeds": found.n}
    return {**about, **route, **found.row("score", count=None), **part.row("kept", ends="kept_", count=None)}


def cka_frame(cohort: Compared) -> pd.DataFrame:
    """CKA between seeds of the same age: ``cohort, site, age, cka, low, high, seeds``."""
    rows = []
    for site in cohort.values("cka")["site"].unique():
        for age in cohort.ages:
            found = estimate(cohort.pairs("cka", cohort.seeds, site=site, age=age, other_age=age), 0)
            rows.append({"cohort": cohort.label, "site": site, "age": age, **found.row("cka")})
    return pd.DataFrame(rows)


def cka_ages_frame(cohort: Compared, site: str) -> pd.DataFrame:
    """Mean CKA of every two ages, within and between seeds: ``cohort, pairs, age, other_age, cka``."""
    rows = cohort.values("cka", site=site)
    both = pd.concat([rows, rows.rename(columns={"age": "other_age", "other_age": "age"})])
    kind = (both["first"] == both["second"]).map({True: "same seed", False: "other seeds"})
    table = both.assign(pairs=kind).groupby(["pairs", "age", "other_age"])["value"].mean()
    return table.rename("cka").reset_index().assign(cohort=cohort.label)


def levels_frame(cohort: Compared, holding: Holding, age: int) -> pd.DataFrame:
    """Entropy and overlap of addresses at every level, with what shuffled places give.

    Columns: ``cohort, concept, age, level, bits, bits_low, bits_high, most_bits, effective, overlap, chance, beyond,
    low, high, same_best, same_best_chance, seeds``; ``effective``: places of equal share with as many bits; ``beyond``
    [``low``, ``high``]: overlap minus chance.
    """
    rows = []
    where = {"concept": holding.concept, "age": age}
    for level in cohort.values("overlap", **where)["level"].unique():
        here = {**where, "level": level}
        bits = estimate(cohort.networks("bits", holding.seeds, **here), 0)
        most = float(cohort.networks("most_bits", holding.seeds, **here)[0, 0])
        pair = {name: cohort.pairs(name, holding.seeds, **here) for name in PAIRED}
        beyond = estimate(pair["overlap"] - pair["chance_overlap"], 0)
        rows.append(
            {
                "cohort": cohort.label, **where, "level": level,
                **bits.row("bits", ends="bits_", count=None), "most_bits": most,
                "effective": 2.0**bits.value,
                "overlap": pair["overlap"][0, 0], "chance": pair["chance_overlap"][0, 0],
                **beyond.row("beyond", count=None),
                "same_best": pair["same_best"][0, 0], "same_best_chance": pair["chance_same_best"][0, 0],
                "seeds": bits.n,
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def seeds_frame(cohort: Compared, holding: Holding) -> pd.DataFrame:
    """Own probe of every seed at birth and at the last age: ``cohort, site, seed, when, choice, score, held``.

    ``choice``: on the episodes on which site and seeds are chosen; ``score``: on held-out originals.
    """
    rows: list[dict[str, object]] = []
    about = {"cohort": cohort.label, "site": holding.site}
    choice = cohort.own_choice(holding.concept, holding.site).set_index(["first", "age"])["value"]
    for when, age in {"birth": cohort.ages[0], "last age": cohort.ages[-1]}.items():
        own = cohort.values("transfer", concept=holding.concept, site=holding.site, age=age, name="own", draw=0)
        score = own.groupby("second")["value"].mean()
        for seed in cohort.seeds:
            held = holding.how if seed in holding.seeds else "not formed"
            values = {"choice": float(choice.loc[seed, age]), "score": float(score.loc[seed])}
            rows.append({**about, "seed": seed, "when": when, **values, "held": held})
    rows += [{**about, "seed": seed, "when": "last age", "held": "diverged"} for seed in cohort.diverged]
    return pd.DataFrame(rows)


def frames_of(cohorts: Sequence[Compared], intended: str) -> dict[str, pd.DataFrame]:
    """All tables of the answer, cohorts one below the other; the first cohort says at which site."""
    site = cohorts[0].holding(intended).site
    held = [(cohort, cohort.holding(intended, site)) for cohort in cohorts]
    known = [(cohort, holding) for cohort, holding in held if holding.how != "absent"]
    return {
        "routes": _joined(
            part
            for cohort, holding in known
            for part in (routes_frame(cohort, holding, cohort.ages[-1:]), earlier_frame(cohort, holding))
        ),
        "concepts": _joined(_concepts_frame(cohort) for cohort in cohorts),
        "ages": _joined(
            routes_frame(cohort, cohort.holding(intended), cohort.ages)
            for cohort in cohorts
            if cohort.holding(intended).how != "absent"
        ),
        "cka": _joined(cka_frame(cohort) for cohort in cohorts),
        "cka-ages": _joined(cka_ages_frame(cohort, cohort.holding(intended).site) for cohort in cohorts),
        "levels": _joined(levels_frame(c, holding, age) for c, holding in known for age in c.ages),
        "seeds": _joined(seeds_frame(cohort, cohort.holding(intended)) for cohort in cohorts),
    }


def _joined(frames: Iterable[pd.DataFrame]) -> pd.DataFrame:
    parts = list(frames)
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def _concepts_frame(cohort: Compared) -> pd.DataFrame:
    """Routes of every concept that can be measured, each at its own best site, at the last age."""
    parts = []
    for concept in cohort.values("chance").dropna(subset=["value"])["concept"].unique():
        holding = cohort.holding(str(concept))
        if holding.how == "absent":
            about = {"cohort": cohort.label, "concept": concept, "held": "absent", "site": holding.site}
            parts.append(pd.DataFrame([{**about, "age": cohort.ages[-1], "seeds": len(holding.seeds)}]))
        else:
            parts.append(routes_frame(cohort, holding, cohort.ages[-1:]))
    return _joined(parts)
