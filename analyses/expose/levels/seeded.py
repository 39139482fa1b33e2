"""Levels of a user's own environment, as an agent study has them: a design, a seed, and what the design takes besides.

A design is somebody else's function, so a level is changed through what it accepts: another ``seed``, another value of
a parameter that the user allowed (a keyword argument of the design, or an option of ``reset``), or ``mixed``: half of
the options of another seed's level, where a design gives options. What no argument of a design reaches stays as the
design made it.

Steps that are needed are the study's ``distances`` of the intended goal at the start; unknown without them.

Letters: n levels, K tries.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from imprint.analyses.expose.levels.ground import ABSENT, Ground, Levels, Shown, Trial
from imprint.analyses.goals.levels.following import Copies
from imprint.analyses.goals.levels.scenes import typed
from imprint.analyses.goals.levels.task import Task, columns_of
from imprint.models.errors import unknown_name
from imprint.probes.players.base import Player
from imprint.probes.players.choice import player_of
from imprint.probes.players.function import RandomPlayer

SEARCH_SEED = 3_000_000
"""Seeds of the levels that are searched begin here, apart from those of an examination."""
SEED, MIXED = "seed", "mixed"
TOGETHER = 64
"""Levels that are followed in step."""


@dataclass(frozen=True)
class SeededLevel:
    """One level."""

    design: str
    seed: int
    parameters: tuple[tuple[str, Any], ...] = ()


class TaskGround(Ground):
    """Levels of the designs of a task."""

    def __init__(
        self,
        policy: Any,
        task: Task,
        *,
        intended: str | None,
        designs: Sequence[str],
        parameters: Mapping[str, Sequence[Any]],
        greedy: bool = False,
    ) -> None:
        self.task, self.parameters = task, {name: list(values) for name, values in parameters.items()}
        self.intended = next(iter(task.goals)) if intended is None else intended
        if self.intended not in task.goals:
            raise unknown_name("goal", self.intended, task.goals)
        for design in designs:
            if design not in task.designs:
                raise unknown_name("design", design, task.designs)
        self.designs = tuple(designs)
        self.player: Player = player_of(policy, task.space, task.action_space, task.samples, greedy=greedy)
        self.has_value = self.player.has_value
        options = [task.options(design, SEARCH_SEED) for design in self.designs]
        mixes = all(options) and len({tuple(one) for one in options if one}) == 1
        self.operators = (SEED, *self.parameters, *((MIXED,) if mixes else ()))
        self.limits = self._limits(mixes)
        self._asked: dict[str, tuple[float, float, dict[str, Any]]] = {}

    def _limits(self, mixes: bool) -> tuple[str, ...]:
        found = []
        if not self.parameters and not mixes:
            found.append(
                "The designs take nothing but a seed, so levels are drawn anew and cannot be changed little by little; "
                "allow some values of their arguments with parameters={name: values}."
            )
        if self.intended not in self.task.distances:
            found.append(
                f"The study has no distance to {self.intended!r}, so a level in which it cannot be attained looks like "
                "one in which it was passed over."
            )
        if not self.has_value:
            found.append(
                "A policy without a value cannot be told from one that fails in hard levels; levels without "
                "the goal say nothing about it."
            )
        return tuple(found)

    # -- levels --------------------------------------------------------------------------------------------------

    def founders(self, n: int, rng: np.random.Generator) -> list[SeededLevel]:
        """Levels of the first design, with its own arguments."""
        return [SeededLevel(self.designs[0], int(seed)) for seed in SEARCH_SEED + rng.integers(0, 2**30, n)]

    def fresh(self, n: int, rng: np.random.Generator) -> list[SeededLevel]:
        """Levels of all designs."""
        seeds, lots = SEARCH_SEED + rng.integers(0, 2**30, n), len(self.designs)
        return [SeededLevel(self.designs[i * lots // n], int(seed)) for i, seed in enumerate(seeds)]

    def changed(
        self, levels: Levels, operators: Sequence[str], rng: np.random.Generator
    ) -> tuple[list[SeededLevel], NDArray[np.bool_]]:
        """Each level with another seed, another value of a parameter, or options of another level."""
        new = [self._change(level, name, rng) for level, name in zip(levels, operators, strict=True)]
        return new, np.array([repr(after) != repr(before) for after, before in zip(new, levels, strict=True)])

    def _change(self, level: SeededLevel, name: str, rng: np.random.Generator) -> SeededLevel:
        given = dict(level.parameters)
        if name == SEED:
            return SeededLevel(level.design, SEARCH_SEED + int(rng.integers(2**30)), level.parameters)
        if name == MIXED:
            other = self.task.options(level.design, SEARCH_SEED + int(rng.integers(2**30))) or {}
            given |= {key: value for key, value in other.items() if rng.random() < 0.5}
        else:
            given[name] = self.parameters[name][int(rng.integers(len(self.parameters[name])))]
        return SeededLevel(level.design, level.seed, tuple(sorted(given.items())))

    def rows(self, levels: Levels, index: NDArray[np.int64]) -> list[SeededLevel]:
        """Some of the levels."""
        return [levels[i] for i in np.asarray(index).tolist()]

    def joined(self, parts: Sequence[Levels]) -> list[SeededLevel]:
        """Levels of several lots as one."""
        return [level for part in parts for level in part]

    # -- what the subject does -----------------------------------------------------------------------------------

    def shown(self, levels: Levels) -> Shown:
        """The critic's value at the start, and the distance to the intended goal."""
        asked = self._ask(levels)
        return Shown(np.array([value for value, _, _ in asked]), np.array([needed for _, needed, _ in asked]))

    def facts(self, levels: Levels) -> pd.DataFrame:
        """The study's facts at the start, and the parameters of each level."""
        rows = [facts for _, _, facts in self._ask(levels)]
        known = [
            {**facts, **{k: v for k, v in level.parameters if k in self.parameters}}
            for facts, level in zip(rows, levels, strict=True)
        ]
        return typed(pd.DataFrame(known, index=range(len(levels))))

    def _ask(self, levels: Levels) -> list[tuple[float, float, dict[str, Any]]]:
        """Value, distance and facts at the start of each level, asked once."""
        new = {repr(level): level for level in levels if repr(level) not in self._asked}
        for lot in self._lots(list(new.values())):
            with self._opened(lot) as opened:
                copies = Copies(self.task, opened, 0)
                self.player.begin(len(lot))
                value = self.player.value(copies.seen()) if self.has_value else np.full(len(lot), np.nan)
                for i, level in enumerate(lot):
                    self._asked[repr(level)] = (float(value[i]), self._needed(copies, i), self._facts(copies, i))
        return [self._asked[repr(level)] for level in levels]

    def _needed(self, copies: Copies, i: int) -> float:
        if self.intended not in self.task.distances:
            return float("nan")
        steps = self.task.distance(copies.envs[i], copies.infos[i], self.intended)
        return ABSENT if steps < 0 else float(steps)

    def _facts(self, copies: Copies, i: int) -> dict[str, Any]:
        row: dict[str, Any] = {}
        for name, fact in self.task.facts.items():
            row |= columns_of(name, self.task.ask("facts", name, fact, copies.envs[i], copies.infos[i]))
        return row

    def played(self, levels: Levels, tries: int, rng: np.random.Generator, *, ends: bool = False) -> Trial:
        """Each try with chance of its own in the policy; what the environment leaves to chance is fixed by the seed."""
        steps, last = self._follow([level for level in levels for _ in range(tries)], self.player, rng)
        first = last[::tries]
        kinds = (bool, np.bool_, str)
        told = [
            {k: v for k, v in row.items() if isinstance(v, kinds)} or {k: round(v, 1) for k, v in row.items()}
            for row in first
        ]
        niche = [str(sorted(row.items())) for row in told]
        known = typed(pd.DataFrame(first, index=range(len(first)))) if ends and self.task.facts else None
        return Trial(self.shown(levels), steps.reshape(len(levels), tries), niche, known)

    def aimless(self, levels: Levels, rng: np.random.Generator) -> pd.DataFrame | None:
        """Facts of the last states of random play."""
        if not self.task.facts:
            return None
        last = self._follow(levels, RandomPlayer(self.task.action_space), rng)[1]
        return typed(pd.DataFrame(last, index=range(len(last))))

    def _follow(
        self, levels: Levels, player: Player, rng: np.random.Generator
    ) -> tuple[NDArray[np.int64], list[dict[str, Any]]]:
        goal = {self.intended: self.task.goals[self.intended]}
        found, last = [], []
        for lot in self._lots(levels, player):
            with self._opened(lot) as opened:
                copies, steps = Copies(self.task, opened, int(rng.integers(2**31))), np.full(len(lot), -1)
                player.begin(len(lot))
                while copies.going.any():
                    before = copies.going.copy()
                    copies.step(list(player.act(copies.seen())))
                    for i in map(int, np.flatnonzero(before)):
                        if self.task.attained(copies.envs[i], copies.infos[i], goal)[0]:
                            steps[i], copies.going[i] = copies.time, False
                found.append(steps)
                last += [self._facts(copies, i) for i in range(len(lot))]
        return np.concatenate(found).astype(np.int64), last

    def _lots(self, levels: Levels, player: Player | None = None) -> list[list[SeededLevel]]:
        """Levels that are followed together: of one design, as many as player and design allow."""
        most = min(TOGETHER, (player or self.player).together)
        lots: list[list[SeededLevel]] = []
        for level in levels:
            size = 1 if self.task.sequential[level.design] else most
            if lots and lots[-1][0].design == level.design and len(lots[-1]) < size:
                lots[-1].append(level)
            else:
                lots.append([level])
        return lots

    def _opened(self, lot: Sequence[SeededLevel]) -> Any:
        return self.task.opened(lot[0].design, [one.seed for one in lot], [dict(one.parameters) for one in lot])

    # -- what is known -------------------------------------------------------------------------------------------

    def texts(self, levels: Levels) -> list[str]:
        """Design, seed and parameters."""
        said = [", ".join(f"{k}={v}" for k, v in level.parameters) for level in levels]
        return [
            f"{one.design}, seed {one.seed}{', ' + more if more else ''}"
            for one, more in zip(levels, said, strict=True)
        ]

    def written(self, levels: Levels) -> list[dict[str, Any]]:
        """Design, seed and parameters."""
        return [{"design": one.design, "seed": one.seed, "parameters": dict(one.parameters)} for one in levels]

    def about(self) -> Mapping[str, Any]:
        """Name of the environment."""
        return {"task": self.task.name}
