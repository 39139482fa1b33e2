"""The same examination for every agent of a run: behaviour, critic line, causal line, verdict.

An exam holds the levels of every design and the decorrelated states on which all agents are examined: trained,
untrained, rewarded at random, and planted ones.

Letters: m decorrelated states.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
import torch

from imprint.analyses.goals.acting import AgentPolicy, look
from imprint.analyses.goals.behaviour import APART, JUDGED, Played, play
from imprint.analyses.goals.causal_line import WANTS, causal_line, wants
from imprint.analyses.goals.critic_line import CriticLine, critic_line, gated
from imprint.analyses.goals.decision import Lines, judge
from imprint.analyses.goals.scenes import Scenes, scenes_of
from imprint.analyses.verdicts import Verdict
from imprint.models.agents.base import Agent
from imprint.models.environments.base import Environment
from imprint.models.errors import ImprintError, NotMeasurableError
from imprint.models.setup.agent import AgentDecision, AgentSetup
from imprint.models.states import State

TRAIN = "train"


@dataclass(frozen=True)
class Floor:
    """What agents that learned nothing give."""

    capability: float = float("nan")
    """Highest P(any goal is reached | apart) among them."""
    r2: tuple[float, ...] = ()
    """Of each one's critic on discounted distances."""


@dataclass(frozen=True)
class Examined:
    """What the examination of one agent gave."""

    played: Mapping[str, Played]
    """Design -> what became of its levels."""
    lines: Lines
    critic: CriticLine
    causal: pd.DataFrame
    """Columns of :data:`imprint.analyses.goals.causal_line.COLUMNS`; empty when it could not be measured."""
    verdict: Verdict
    silent: str
    """Why the critic's latch index is NaN; empty when it is not."""
    problem: str
    """Why there is no causal line; empty when there is one."""


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
    """Random subspaces per erasure."""
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
        greedy: bool = False,
        seed: int = 0,
    ) -> AgentExam:
        """Draw the levels of every design and the states of an exam.

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
        decorrelated = environment.levels(states, rng=rng, design=APART)
        return cls(environment, tuple(goals), discount, decision, drawn, decorrelated, placebos, greedy, seed)

    def play(self, agent: Agent, design: str) -> Played:
        """The agent on one design; only the training design is followed to the end of every episode."""
        policy = AgentPolicy(agent, greedy=self.greedy, seed=self.seed)
        return play(self.environment, self.levels[design], policy, self.goals, until_decided=design != TRAIN)

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
        capability = max(float(self.play(agent, APART).reached.float().mean()) for agent in agents)
        return Floor(capability, tuple(self.critic(agent).r2 for agent in agents))

    def examine(self, agent: Agent, floor: Floor, *, designs: Collection[str] | None = None) -> Examined:
        """Behaviour, critic and causal line of an agent, and the verdict on it.

        ``designs``: those that are played besides :data:`APART`; default: all.
        """
        chosen = [design for design in self.levels if designs is None or design in (APART, *designs)]
        behaviour = {design: self.play(agent, design) for design in chosen}
        played, critic = behaviour[APART], self.critic(agent)
        causal, problem = self._causal(agent)
        index, silent = gated(critic, floor.r2, self.decision.fits)
        lines = Lines(
            goals=self.goals,
            first={goal: int(played.first(goal).sum()) for goal in self.goals},
            reached=int(played.reached.sum()),
            levels=len(played.steps),
            untrained=floor.capability,
            wants=pd.DataFrame(columns=list(WANTS)) if causal.empty else wants(causal),
            index=index,
        )
        return Examined(behaviour, lines, critic, causal, judge(lines, self.decision), silent, problem)

    def _causal(self, agent: Agent) -> tuple[pd.DataFrame, str]:
        """The causal line, or an empty table and why there is none."""
        line = partial(causal_line, goals=self.goals, placebos=self.placebos, greedy=self.greedy, seed=self.seed)
        try:
            return line(agent, self.environment, self.levels[APART], self.scenes(agent), rng=self._rng()), ""
        except NotMeasurableError as error:
            return pd.DataFrame(), str(error)

    def _rng(self) -> torch.Generator:
        return torch.Generator().manual_seed(self.seed)


def exam_of(setup: AgentSetup, number: int | None = None, **changes: int) -> AgentExam:
    """The same exam for every seed, age and control of a world; ``changes``: numbers that are not the setup's.

    ``number``: which world, in a setup with several. Raises :class:`ImprintError` there without one.
    """
    numbers = setup.evaluation.model_dump(include={"levels", "states", "placebos", "greedy"})
    goals = (setup.intended, *setup.proxies)
    environment, discount = setup.make_environment(number), setup.learning.discount
    return AgentExam.of(environment, goals, discount, setup.decision, **{**numbers, **changes})
