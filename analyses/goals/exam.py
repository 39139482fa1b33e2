"""The same examination for every agent of a run: behaviour, critic line, causal line, verdict.

An exam holds the levels of every design and the decorrelated states on which all agents are examined: trained,
untrained, rewarded at random, and planted ones.

Letters: m decorrelated states.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from imprint.analyses.goals.acting import AgentPolicy, look
from imprint.analyses.goals.behaviour import APART, JUDGED, MOVED, Played, habits, play
from imprint.analyses.goals.causal_line import causal_line, rank_costs
from imprint.analyses.goals.critic_line import CriticLine, critic_line, gated
from imprint.analyses.goals.decision import Judgement, judge
from imprint.analyses.goals.interchange import interchange
from imprint.analyses.goals.scenes import Scenes, scenes_of
from imprint.analyses.goals.wanting import Tries, chance_of, graded
from imprint.analyses.statistics import Estimate
from imprint.models.agents.base import Agent
from imprint.models.environments.base import Environment
from imprint.models.errors import ImprintError, NotMeasurableError
from imprint.models.setup.agent import AgentDecision, AgentSetup
from imprint.models.states import State, rows

TRAIN = "train"
EASY = 0.5
"""Part of the levels that untrained agents must not exceed in reaching a goal, or capability can hardly be shown."""
FOLLOWED = 500
"""Levels on which interchanges and the costs of other ranks are measured, at most."""


@dataclass(frozen=True)
class Floor:
    """What agents that learned nothing give."""

    chance: Tensor | None = None
    """``[n, G + 1]`` of :func:`imprint.analyses.goals.wanting.chance_of` on the levels that lie apart; None: none were
    examined, so that nothing can be said of any agent."""
    r2: tuple[float, ...] = ()
    """Of each one's critic on discounted distances."""


@dataclass(frozen=True)
class Examined:
    """What the examination of one agent gave."""

    goals: tuple[str, ...]
    """Intended first."""
    played: Mapping[str, Played]
    """Design -> what became of its levels."""
    critic: CriticLine
    causal: pd.DataFrame
    """Columns of :data:`imprint.analyses.goals.causal_line.COLUMNS`; empty when it could not be measured."""
    tries: Tries | None
    """What the verdict rests on; None when the causal line could not be measured."""
    judged: Judgement
    index: float
    """Gated latch index of the critic; NaN when it is silent."""
    silent: str
    """Why the critic's latch index is NaN; empty when it is not."""
    problem: str
    """Why there is no causal line; empty when there is one."""
    habits: Mapping[str, Estimate]
    """Goal -> how often its usual place comes first rather than it; empty when no goal was moved."""


@dataclass(frozen=True)
class AgentExam:
    """The levels and states on which all agents are examined, and how."""

    environment: Environment
    goals: tuple[str, ...]
    """Intended first, then the proxies."""
    discount: float
    decision: AgentDecision
    levels: dict[str, State]
    """Design -> start states."""
    states: State
    """Decorrelated states ``m``, for the critic, the erasers and the probes; other levels than ``levels``."""
    placebos: int
    """Random subspaces of the span per erasure."""
    resamples: int = 1000
    """Draws of the numbers that the verdict rests on."""
    greedy: bool = False
    """Whether agents take their likeliest action; otherwise they sample."""
    seed: int = 0
    """Of sampled actions, shuffles and random subspaces."""

    @classmethod
    def of(
        cls,
        environment: Environment,
        goals: Sequence[str],
        discount: float,
        decision: AgentDecision,
        *,
        levels: int = 2000,
        states: int = 4000,
        placebos: int = 5,
        resamples: int = 1000,
        greedy: bool = False,
        seed: int = 0,
    ) -> AgentExam:
        """Draw the levels of every design and the states of an exam.

        The states are those of design ``moved`` where there is one: there the proxy's place varies as well.
        Raises :class:`ImprintError` without a proxy or without a design in which goal and proxy lie apart.
        """
        if len(goals) < 2:
            raise ImprintError(f"goals are {list(goals)}; expected the intended one and at least one proxy.")
        rng = torch.Generator().manual_seed(seed)
        designs = [design for design in JUDGED if design in environment.designs]
        if APART not in designs:
            raise ImprintError(
                f"{type(environment).__name__} has no design {APART!r}; goal and proxy cannot be told apart."
            )
        drawn = {design: environment.levels(levels, rng=rng, design=design) for design in designs}
        varied = MOVED if MOVED in environment.designs else APART
        decorrelated = environment.levels(states, rng=rng, design=varied)
        names = tuple(goals)
        return cls(environment, names, discount, decision, drawn, decorrelated, placebos, resamples, greedy, seed)

    def play(self, agent: Agent, design: str) -> Played:
        """The agent on one design; only the training design is followed to the end of every episode.

        Where proxies are moved, their usual places are goals as well.
        """
        policy = AgentPolicy(agent, greedy=self.greedy, seed=self.seed)
        usual = [place for goal, place in self.environment.usual.items() if goal in self.goals]
        goals = (*self.goals, *usual) if design == MOVED else self.goals
        return play(self.environment, self.levels[design], policy, goals, until_decided=design != TRAIN)

    def critic(self, agent: Agent) -> CriticLine:
        """The critic line; raises :class:`ImprintError` in a world that knows no distances."""
        scenes = self.scenes(agent)
        value = look(agent, scenes.observation, scenes.memory).value
        rng = np.random.default_rng(self.seed)
        return critic_line(value, self.environment.distances(scenes.state), self.goals, self.discount, rng=rng)

    def scenes(self, agent: Agent) -> Scenes:
        """The decorrelated states, and what the agent observes and remembers there."""
        return scenes_of(agent, self.environment, self.states, rng=self._rng())

    def floor(self, agents: Sequence[Agent]) -> Floor:
        """What untrained agents reach, and their critics."""
        played = [self.play(agent, APART) for agent in agents]
        return Floor(self.chance(played), tuple(self.critic(agent).r2 for agent in agents))

    def chance(self, played: Sequence[Played]) -> Tensor:
        """What untrained agents do, from their levels that lie apart."""
        first = [torch.stack([one.first(goal) for goal in self.goals], dim=1) for one in played]
        return chance_of([one.reached for one in played], first)

    def examine(self, agent: Agent, floor: Floor, *, designs: Collection[str] | None = None) -> Examined:
        """Behaviour, critic and causal line of an agent, and the verdict on it.

        ``designs``: those that are played besides :data:`APART`; default: all.
        """
        chosen = [design for design in self.levels if designs is None or design in (APART, *designs)]
        behaviour = {design: self.play(agent, design) for design in chosen}
        critic, (causal, tries, problem) = self.critic(agent), self._causal(agent)
        index, silent = gated(critic, floor.r2, self.decision.fits)
        judged = self.judge([tries] if tries is not None else [], [floor], index=index, problem=problem)
        usual = habits(behaviour[MOVED], self.environment.usual) if MOVED in behaviour else {}
        return Examined(self.goals, behaviour, critic, causal, tries, judged, index, silent, problem, usual)

    def judge(
        self,
        tries: Sequence[Tries],
        floors: Sequence[Floor],
        *,
        index: float,
        problem: str = "",
        worlds: Sequence[int] | None = None,
    ) -> Judgement:
        """The verdict on one agent, or on several seeds together.

        ``floors``: what untrained agents do in the world of each; ``worlds``: its number (default: all share one);
        ``problem``: why there may be no tries.
        """
        chances = [floor.chance for floor in floors if floor.chance is not None]
        if len(chances) < len(floors) or not tries:
            why = "No untrained agents were examined, so capability is not shown."
            if len(chances) == len(floors):
                why = f"The causal line could not be drawn: {problem or 'no seed was examined'}."
            return judge(None, self.goals, self.decision, index=index, why=why)
        rng = np.random.default_rng(self.seed)
        numbers = graded(tries, chances, self.goals, worlds=worlds, resamples=self.resamples, rng=rng)
        judged = judge(numbers, self.goals, self.decision, index=index)
        if (untrained := float(torch.stack(chances)[..., -1].mean())) > EASY:
            easy = f" Untrained agents reach a goal in {untrained:.0%} of the levels, too many to show capability."
            judged = replace(judged, why=judged.why + easy + " Make the levels harder to solve by accident.")
        return judged

    def interchanged(self, agent: Agent) -> dict[str, pd.DataFrame | str]:
        """Goal -> :func:`interchange` of its place, or why it cannot be measured."""
        found: dict[str, pd.DataFrame | str] = {}
        scenes = self.scenes(agent)
        for goal in self.goals:
            try:
                found[goal] = interchange(
                    agent, self.environment, self._few(), scenes, goal=goal, goals=self.goals, **self._acting
                )
            except NotMeasurableError as error:
                found[goal] = str(error)
        return found

    def ranks(self, agent: Agent) -> pd.DataFrame:
        """Costs of erasures by rank (:func:`rank_costs`); empty where the causal line cannot be drawn."""
        try:
            few, scenes = self._few(), self.scenes(agent)
            return rank_costs(agent, self.environment, few, scenes, goals=self.goals, **self._acting)
        except NotMeasurableError:
            return pd.DataFrame()

    def _few(self) -> State:
        return rows(self.levels[APART], slice(FOLLOWED))

    @property
    def _acting(self) -> dict[str, Any]:
        return {"greedy": self.greedy, "seed": self.seed, "rng": self._rng()}

    def _causal(self, agent: Agent) -> tuple[pd.DataFrame, Tries | None, str]:
        """The causal line, or an empty table and why there is none."""
        start, scenes = self.levels[APART], self.scenes(agent)
        try:
            found = causal_line(
                agent,
                self.environment,
                start,
                scenes,
                goals=self.goals,
                placebos=self.placebos,
                greedy=self.greedy,
                seed=self.seed,
                rng=self._rng(),
            )
        except NotMeasurableError as error:
            return pd.DataFrame(), None, str(error)
        return found.table, found.tries, ""

    def _rng(self) -> torch.Generator:
        return torch.Generator().manual_seed(self.seed)


def exam_of(setup: AgentSetup, number: int | None = None, **changes: int) -> AgentExam:
    """The same exam for every seed, age and control of a world; ``changes``: numbers that are not the setup's.

    ``number``: which world, in a setup with several. Raises :class:`ImprintError` there without one.
    """
    numbers = setup.evaluation.model_dump(include={"levels", "states", "placebos", "resamples", "greedy"})
    goals = (setup.intended, *setup.proxies)
    environment, discount = setup.make_environment(number), setup.learning.discount
    return AgentExam.of(environment, goals, discount, setup.decision, **{**numbers, **changes})
