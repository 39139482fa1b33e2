"""The search: levels that disappoint the subject are changed further, with few tries for most and many for few.

A generation holds children of levels that were kept, each with one change, and some fresh training levels with up to
three changes, which no selection has seen. Successive halving (Jamieson & Talwalkar 2016, arXiv 1502.07943) spends
tries where they count: all are shown to the subject, the more promising half is tried twice (of the first generations,
which are small, everything is), what stays plausible eight times, and only then is a claim tested, on fresh tries
(:mod:`imprint.analyses.expose.levels.judging`). Levels are kept by niche, which is what the subject did in them, so
that the search does not settle on one behaviour (MAP-Elites: Mouret & Clune 2015, arXiv 1504.04909); changing levels
rather than drawing them is the move of ACCEL (Parker-Holder et al. 2022, arXiv 2203.01302). Changes that raised fitness
more often are made more often.

A lineage, all descendants of one training level, ends with its first exposing level: what is found is then independent,
and what found levels share they do not share by descent.

Letters: n levels.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from imprint.analyses.expose.levels.ground import Floats, Ground, Levels, Trial
from imprint.analyses.expose.levels.judging import Judge
from imprint.models.progress import worked

FOUNDERS, FEWEST, GENERATION, FRESH = 16, 8, 32, 4
"""Training levels at the start, levels of the first generation (the next ones are twice as large) and of the largest,
and one of how many of these is fresh."""
DEPTHS = (0, 1, 2, 3)
"""Changes of a fresh level, drawn from these."""
UNHALVED = 3
"""Generations of which every level is tried."""
FIRST, SECOND = 2, 8
"""Tries of the promising half, and of what stays plausible."""
CLAIMS = 8
"""Claims that are tested in one generation at most."""
POPULATION, PER_NICHE = 64, 2
"""Levels that are kept, about, and how many of each niche at least."""
TOURNAMENT = 3
"""Levels of a niche of which the best becomes a parent."""
FRESH_LEVEL = "training level"
"""Operator of a level that is nobody's child."""


@dataclass
class Spent:
    """Levels and CPU-seconds that a search may take, and has taken."""

    levels: int
    seconds: float | None
    shown: int = 0
    began: float = field(default_factory=time.process_time)

    def take(self, n: int) -> None:
        """Say that ``n`` more levels were shown to the subject."""
        self.shown += n
        worked(n)

    @property
    def left(self) -> int:
        """Levels that may still be shown; 0 when the time is over."""
        over = self.seconds is not None and time.process_time() - self.began >= self.seconds
        return 0 if over else max(self.levels - self.shown, 0)


@dataclass
class Kept:
    """Levels with what is known about each, row by row."""

    levels: Levels
    about: pd.DataFrame
    """``number`` (how many levels had been shown when it was), ``lineage``, ``generation``, ``changes`` (a tuple of
    operators), ``fitness``, ``niche``."""


@dataclass
class Evolution:
    """A search in progress."""

    ground: Ground
    judge: Judge
    spent: Spent
    tries: int
    rng: np.random.Generator
    population: Kept
    exposing: list[tuple[Levels, dict[str, object]]] = field(default_factory=list)
    rejected: int = 0
    """Claims that did not hold on fresh tries."""
    generation: int = 0
    lineages: int = 0

    def __post_init__(self) -> None:
        self.made = dict.fromkeys(self.ground.operators, 0)
        self.rose = dict.fromkeys(self.ground.operators, 0)

    @classmethod
    def begun(cls, ground: Ground, spent: Spent, *, discount: float, tries: int, rng: np.random.Generator) -> Evolution:
        """Training levels, by which the judge is calibrated, as the first population."""
        n = min(FOUNDERS, max(spent.left, 2))
        levels = ground.founders(n, rng)
        trial = ground.played(levels, SECOND if ground.acts else 1, rng)
        judge = Judge.on(trial, discount, acts=ground.acts)
        about = pd.DataFrame(
            {
                "number": np.arange(1, n + 1),
                "lineage": np.arange(n),
                "generation": 0,
                "changes": [()] * n,
                "fitness": judge.fitness(trial),
                "niche": list(trial.niche),
            }
        )
        search = cls(ground, judge, spent, tries, rng, Kept(levels, about), lineages=n)
        spent.take(n)
        search._test(levels, about, trial)
        return search

    def run(self, enough: int | None) -> None:
        """Generations until the budget is spent or ``enough`` exposing levels were found."""
        while (left := self.spent.left) and (enough is None or len(self.exposing) < enough):
            self._generation(min(GENERATION, FEWEST << min(self.generation, 8), left))

    # -- one generation ------------------------------------------------------------------------------------------

    def _generation(self, size: int) -> None:
        self.generation += 1
        levels, about, parent_fitness = self._bred(size)
        about["number"] = self.spent.shown + np.arange(1, len(about) + 1)
        self.spent.take(len(about))
        if self.judge.values and self.generation > UNHALVED:
            promise = self.judge.promising(self.ground.shown(levels))
            index = np.sort(np.argsort(-promise, kind="stable")[: -(-len(promise) // 2)])
        else:
            index = np.arange(len(about))
        self._learn(about.drop(index), parent_fitness[np.setdiff1d(np.arange(len(about)), index)], rose=False)
        levels, about = self.ground.rows(levels, index), about.iloc[index].reset_index(drop=True)
        trial = self.ground.played(levels, FIRST if self.ground.acts else 1, self.rng)
        about["fitness"], about["niche"] = self.judge.fitness(trial), list(trial.niche)
        self._learn(about, parent_fitness[index])
        self._keep(levels, about)
        self._test(levels, about, trial)

    def _bred(self, size: int) -> tuple[Levels, pd.DataFrame, Floats]:
        """Children and fresh levels, what is known about them, and the fitness of their parents (fresh: infinite)."""
        fresh = -(-size // FRESH) if self.ground.operators else size
        new, made = drawn(self.ground, fresh, DEPTHS, self.rng)
        about = [
            pd.DataFrame(
                {
                    "lineage": self.lineages + np.arange(fresh),
                    "generation": self.generation,
                    "changes": made,
                    "operator": FRESH_LEVEL,
                }
            )
        ]
        self.lineages += fresh
        parts, fitness = [new], [np.full(fresh, np.inf)]
        wanted = size - fresh
        if wanted and len(self.population.about):
            parents = self._parents(wanted)
            operators = self._operators(wanted)
            children, possible = self.ground.changed(
                self.ground.rows(self.population.levels, parents), operators, self.rng
            )
            index = np.flatnonzero(possible)
            old = self.population.about.iloc[parents[index]].reset_index(drop=True)
            chosen = [operators[i] for i in index]
            changes = [(*before, name) for before, name in zip(old["changes"], chosen, strict=True)]
            about.append(
                pd.DataFrame(
                    {"lineage": old["lineage"], "generation": self.generation, "changes": changes, "operator": chosen}
                )
            )
            parts.append(self.ground.rows(children, index))
            fitness.append(old["fitness"].to_numpy(dtype=np.float64))
        filled = [(part, table) for part, table in zip(parts, about, strict=True) if len(table)]
        joined = self.ground.joined([part for part, _ in filled])
        return joined, pd.concat([table for _, table in filled], ignore_index=True), np.concatenate(fitness)

    def _parents(self, n: int) -> NDArray[np.int64]:
        """Rows of the population: a niche (better ones up to twice as often), and the best of some of its levels."""
        best = self.population.about.groupby("niche")["fitness"].max().rank()
        weight = 1 + best / len(best)
        niche = self.rng.choice(len(best), n, p=(weight / weight.sum()).to_numpy())
        members = self.population.about.groupby("niche").indices
        lists = [members[name] for name in best.index]
        fitness = self.population.about["fitness"].to_numpy(dtype=np.float64)
        drawn = [self.rng.choice(lists[i], TOURNAMENT) for i in niche]
        return np.array([some[fitness[some].argmax()] for some in drawn], dtype=np.int64)

    def _operators(self, n: int) -> list[str]:
        """Names of changes, by how often each has raised fitness."""
        names = list(self.ground.operators)
        weight = np.array([(1 + self.rose[name]) / (2 + self.made[name]) for name in names])
        return [names[i] for i in self.rng.choice(len(names), n, p=weight / weight.sum())]

    def _learn(self, about: pd.DataFrame, parent: Floats, rose: bool | None = None) -> None:
        """Count which operators raised fitness; ``rose``: that none did."""
        better = np.zeros(len(about), dtype=bool) if rose is False else about["fitness"].to_numpy() > parent
        for name, success in zip(about["operator"], better, strict=True):
            if name in self.made:
                self.made[name] += 1
                self.rose[name] += int(success)

    def _keep(self, levels: Levels, about: pd.DataFrame) -> None:
        """The best of old and new in every niche."""
        both = pd.concat([self.population.about, about.drop(columns="operator")], ignore_index=True)
        most = max(PER_NICHE, POPULATION // both["niche"].nunique())
        order = both.sort_values("fitness", ascending=False, kind="stable").groupby("niche", sort=False).head(most)
        self._reduce(self.ground.joined([self.population.levels, levels]), both, np.sort(order.index.to_numpy()))

    def _reduce(self, levels: Levels, about: pd.DataFrame, index: NDArray[np.int64]) -> None:
        self.population = Kept(self.ground.rows(levels, index), about.iloc[index].reset_index(drop=True))

    # -- claims --------------------------------------------------------------------------------------------------

    def _test(self, levels: Levels, about: pd.DataFrame, trial: Trial) -> None:
        """Try what is plausible again, and then, on fresh tries, whether it is exposing."""
        ground, judge, acts = self.ground, self.judge, self.ground.acts
        index = np.flatnonzero(judge.plausible(trial))
        if len(index) and acts:
            again = ground.played(ground.rows(levels, index), SECOND, self.rng)
            keep = judge.plausible(again)
            index, fitness = index[keep], judge.fitness(again)[keep]
        else:
            fitness = about["fitness"].to_numpy(dtype=np.float64)[index]
        index = index[np.argsort(-fitness, kind="stable")]
        lineage = about["lineage"].to_numpy()[index]
        index = index[np.sort(np.unique(lineage, return_index=True)[1])][:CLAIMS]
        if not len(index):
            return
        claimed = ground.rows(levels, index)
        trial = ground.played(claimed, self.tries if acts else 1, self.rng, ends=True)
        kinds = judge.kinds(trial)
        self.rejected += kinds.count("")
        numbers = {
            "fitness": judge.fitness(trial),
            "expected": judge.expected(trial.shown) if judge.values else np.full(len(index), np.nan),
            "value": trial.shown.value,
            "needed": np.where(trial.shown.needed < 0, np.nan, trial.shown.needed),
            "lost": judge.lost(trial) / trial.steps.shape[1] if acts else np.full(len(index), np.nan),
        }
        for i, kind in enumerate(kinds):
            if kind:
                own = about.iloc[index[i]]
                row = {name: own[name] for name in ("number", "generation", "lineage", "changes")}
                row |= {"kind": kind, "found_at": self.spent.shown, **{name: v[i] for name, v in numbers.items()}}
                if trial.ends is not None:
                    row["ends"] = trial.ends.iloc[i]
                self.exposing.append((ground.rows(claimed, np.array([i])), row))
        retired = {int(row["lineage"]) for _, row in self.exposing}  # type: ignore[call-overload]
        alive = ~self.population.about["lineage"].isin(retired).to_numpy()
        self._reduce(self.population.levels, self.population.about, np.flatnonzero(alive))


def unselected(ground: Ground, n: int, changes: Sequence[int], rng: np.random.Generator) -> Levels:
    """``n`` training levels, each with as many random changes as one of ``changes``, chosen at random; not selected."""
    return drawn(ground, n, list(changes) or [1], rng)[0]


def drawn(
    ground: Ground, n: int, depths: Sequence[int], rng: np.random.Generator
) -> tuple[Levels, list[tuple[str, ...]]]:
    """``n`` training levels with random changes, as many as one of ``depths``, and which changes each was given."""
    levels = ground.fresh(n, rng)
    made: list[tuple[str, ...]] = [()] * n
    depth = rng.choice(np.asarray(depths), n)
    for step in range(int(depth.max(initial=0))) if ground.operators else ():
        index, rest = np.flatnonzero(depth > step), np.flatnonzero(depth <= step)
        names = [ground.operators[i] for i in rng.integers(0, len(ground.operators), len(index))]
        new, possible = ground.changed(ground.rows(levels, index), names, rng)
        for i in np.flatnonzero(possible):
            made[index[i]] = (*made[index[i]], names[i])
        back = np.argsort(np.concatenate([index, rest]), kind="stable")
        levels = ground.rows(ground.joined([new, ground.rows(levels, rest)]) if len(rest) else new, back)
    return levels, made
