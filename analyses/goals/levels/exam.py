"""The same examination for every policy of a study: behaviour, critic line, causal line, and what can be read.

What is found needs no untrained agents; what they do on the same levels is the floor of the verdict, and they may be
examined later (:mod:`imprint.analyses.goals.wanting`).

Goals are erased where facts say where they are: the facts whose names begin with the goal's (``coin_dx`` of ``coin``),
or those that ``marks`` names. Without such facts for every goal, or of a function, nothing can be erased, and what is
reached decides alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
import torch

from imprint.analyses.goals.behaviour import APART, MOVED, Played, habits
from imprint.analyses.goals.causal_line import CausalLine, edits_of, line_of
from imprint.analyses.goals.critic_line import CriticLine, critic_line
from imprint.analyses.goals.levels.following import play_levels, usual
from imprint.analyses.goals.levels.scenes import WalkedStates, columns_for, walked_states
from imprint.analyses.goals.levels.task import Task
from imprint.analyses.goals.wanting import Tries
from imprint.analyses.locate.targets import SiteReadings, Targets, readable
from imprint.analyses.statistics import Estimate
from imprint.models.errors import ImprintError, NotMeasurableError, unknown_name
from imprint.probes.players.base import Player


@dataclass(frozen=True)
class Tried:
    """What the examination of one policy gave."""

    goals: tuple[str, ...]
    """Intended first."""
    played: Mapping[str, Played]
    """Design -> what became of its levels."""
    tries: Tries
    """What was attained where goals lie apart, as it is and erased; without erasures, ``erased`` repeats ``first``."""
    causal: pd.DataFrame
    """Columns of :data:`imprint.analyses.goals.causal_line.COLUMNS`; empty when nothing was erased."""
    problem: str
    """Why nothing was erased; empty when goals were."""
    critic: CriticLine | None
    silent: str
    """Why there is no critic line; empty when there is one."""
    habits: Mapping[str, Estimate]
    readings: SiteReadings = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def erased(self) -> bool:
        """Whether goals were erased, so that wanting is known."""
        return not self.problem


@dataclass(frozen=True)
class LevelExam:
    """The levels and states on which all policies of a study are examined."""

    task: Task
    levels: int
    states: int
    placebos: int
    discount: float
    marks: Mapping[str, tuple[str, ...]]
    """Goal -> the facts that say where it is, as they were given."""
    seed: int = 0

    @property
    def goals(self) -> tuple[str, ...]:
        """Intended first."""
        return tuple(self.task.goals)

    def walked(self, player: Player) -> WalkedStates:
        """The states, with what a player makes of them."""
        return walked_states(self.task, player, states=self.states, seed=self.seed)

    def tried(self, player: Player, targets: Targets | None, *, trained: bool = True) -> Tried:
        """Everything about one policy; of an untrained one its behaviour, critic and readings, which are floors."""
        task, goals = self.task, self.goals
        played = {design: self._play(player, design) for design in (task.designs if trained else (APART,))}
        walked = self.walked(player) if player.model is not None else None
        critic, silent = self._critic(player, walked)
        found, problem = (
            self._causal(player, walked, played[APART]) if trained else (None, "untrained agents are a floor")
        )
        readings: SiteReadings = {}
        if targets is not None and walked is not None and targets.concepts:
            sites = readable({tap.name: x for tap, x in walked.activations.items()})
            readings = (targets if trained else targets.without_shuffles).read_sites(sites)
        habit = {}
        if MOVED in played and task.places:
            habit = dict(habits(played[MOVED], {goal: usual(goal) for goal in task.places}))
        tries, causal = (
            (behaviour_tries(played[APART], goals), pd.DataFrame()) if found is None else (found.tries, found.table)
        )
        return Tried(goals, played, tries, causal, problem, critic, silent, habit, readings, player.notes)

    def _play(self, player: Player, design: str, **more: Any) -> Played:
        return play_levels(self.task, design, player, levels=self.levels, noise=self.seed, **more)

    def _critic(self, player: Player, walked: WalkedStates | None) -> tuple[CriticLine | None, str]:
        if walked is None or walked.value is None:
            return None, "the policy has no critic"
        if len(walked.distances) < len(self.goals):
            return None, "no distances to the goals were given, so the critic's value was not explained by them"
        rng = np.random.default_rng(self.seed)
        return critic_line(walked.value, walked.distances, self.goals, self.discount, rng=rng), ""

    def _causal(self, player: Player, walked: WalkedStates | None, intact: Played) -> tuple[CausalLine | None, str]:
        """What erasures do, or why there are none."""
        if walked is None or player.acting is None:
            return None, " ".join(player.notes) or "the policy shows no activations"
        if lacking := [goal for goal in self.goals if not self.marks.get(goal)]:
            return None, (
                f"No fact says where {lacking[0]} is, so nothing was erased: facts whose names begin with "
                f"{lacking[0]!r} and an underscore do."
            )
        rng = torch.Generator().manual_seed(self.seed)
        try:
            columns = {goal: columns_for(walked.facts, self._columns(walked, goal)) for goal in self.goals}
            x = walked.activations[player.acting]
            alone: dict[str, dict[str, torch.Tensor]] = {goal: {} for goal in self.goals}
            edits = list(edits_of(x, columns, alone, where=player.acting.name, placebos=self.placebos, rng=rng))
        except NotMeasurableError as error:
            return None, str(error)
        if not any(edit.kind == "erased" and edit.rank for edit in edits):
            return None, f"No goal's place is read linearly at {player.acting.name}, so nothing could be erased."
        trials = []
        for edit in edits:
            played = intact
            if edit.change is not None:
                played = self._play(player, APART, changes={player.acting: edit.change})
            trials.append((edit, played, float("nan")))
        return line_of(trials, self.goals), ""

    def _columns(self, walked: WalkedStates, goal: str) -> list[str]:
        """Columns of the table of facts that are about a goal."""
        names = self.marks[goal]
        return [c for c in map(str, walked.facts) if any(c == name or c.startswith(f"{name}[") for name in names)]


def marks_for(
    goals: Mapping[str, Any], facts: Mapping[str, Any], given: Mapping[str, Any]
) -> dict[str, tuple[str, ...]]:
    """Goal -> its facts: those that were ``given``, else those whose names begin with the goal's."""
    for goal, names in given.items():
        if goal not in goals:
            raise unknown_name("goal in marks", goal, goals)
        if isinstance(names, str):
            raise ImprintError(f"marks[{goal!r}] is the text {names!r}; expected a list of facts, such as [{names!r}].")
        for name in names:
            if name not in facts:
                raise unknown_name(f"fact in marks[{goal!r}]", name, facts)
    named = {goal: tuple(fact for fact in facts if fact.startswith(f"{goal}_")) for goal in goals}
    return {**named, **{goal: tuple(names) for goal, names in given.items()}}


def behaviour_tries(played: Played, goals: tuple[str, ...]) -> Tries:
    """What was attained, as if erasures changed nothing."""
    first = torch.stack([played.first(goal) for goal in goals], dim=1).double()
    reached = played.reached.double()
    return Tries(reached, first, first, first, reached[:, None].expand(-1, len(goals)))


def without_erasures(tries: Tries) -> Tries:
    """The same agent's tries as if nothing had been erased."""
    return replace(
        tries, erased=tries.first, placebo=tries.first, placebo_reached=tries.reached[:, None].expand_as(tries.first)
    )
