"""The lifetime of an agent: it acts in copies of its environment, and the reward that teaches it is a steering signal.

    for every rollout:  T steps in N copies -> steering signals (hardcoded) -> reward -> update (policy gradient)

An age counts environment steps per seed. A checkpoint holds the agent, its optimiser, its environments in the middle of
their episodes, every random stream, and the *record*: one line per rollout of how training has gone since the first
step, so that success in training can be reported for every age. Each seed's streams derive from its number alone
(``birth``, ``experience``, ``acting``, ``steering``), so that seed k of two setups can be paired.

Letters: S seeds, N copies, T steps, U updates so far.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import torch
from torch import Tensor

from imprint.models.agents.base import Agent
from imprint.models.chance import birth
from imprint.models.learning.policy_gradient import PolicyGradient
from imprint.models.learning.rollout import Play
from imprint.models.learning.scorecard import Scorecard
from imprint.models.lifetimes.lifetime import Lifetime
from imprint.models.setup.agent import AgentSetup
from imprint.models.store import RunFolder, part_of, with_prefix

COLUMNS = ("episodes", "pay", "loss", "entropy", "divergence")
"""Columns of a record; one more for each goal of the environment."""


@dataclass(frozen=True)
class Kept:
    """One seed at one age, read from a run."""

    agent: Agent
    """In evaluation mode."""
    alive: bool
    """False when this seed had diverged by this age."""
    record: pd.DataFrame
    """One row per rollout so far; see :func:`training_success` for what to read from it.

    ``age`` after it; ``episodes`` that ended in it, ``pay`` (the sum of their rewards) and, named after each goal, in
    how many of them it was attained; ``loss``, ``entropy`` (nats) and ``divergence`` of the update.
    """


class AgentLifetime(Lifetime[AgentSetup, Agent]):
    """Some seeds of one setup of agents, trained together and kept in a run folder."""

    weights, alive = "teacher.parameter.", "teacher.alive"

    def __init__(self, setup: AgentSetup, seeds: Sequence[int], folder: RunFolder) -> None:
        super().__init__(setup, seeds, folder)
        numbers = [setup.schedule.world_of(seed) for seed in seeds]
        worlds = {number: setup.make_environment(number) for number in dict.fromkeys(numbers)}
        environment = worlds[numbers[0]]
        agents = [setup.make_agent(environment.view, rng=birth(setup.schedule.born_as(seed))) for seed in seeds]
        self.teacher = PolicyGradient(setup.learning, agents)
        self.play = Play(
            [worlds[number] for number in numbers],
            setup.learning,
            setup.make_signals(),
            self.seeds,
            memory=agents[0].memory,
            scorecard=Scorecard(setup.make_scorecard(len(seeds), agents[0].memory)),
        )
        self.record = torch.zeros(len(self.seeds), 0, len(COLUMNS) + len(environment.goals))

    @classmethod
    def born(cls, setup: AgentSetup, rng: torch.Generator) -> Agent:
        """An untrained agent."""
        return setup.make_agent(setup.make_environment(0).view, rng=rng)

    @classmethod
    def revive(cls, setup: AgentSetup, folder: RunFolder, seed: int, age: int) -> Kept:
        """The agent and the record of one seed at one age. Raises as :meth:`network_at`."""
        agent, tensors = cls.network_at(setup, folder, seed, age)
        record = pd.DataFrame(tensors["record"].numpy(), columns=[*COLUMNS, *setup.make_environment(0).goals])
        record.insert(0, "age", (torch.arange(1, len(record) + 1) * setup.learning.batch).numpy())
        return Kept(agent, bool(tensors[cls.alive]), record)

    def step(self) -> Tensor:
        """One rollout of every seed, and the update that learns from it."""
        self.play.age = self.age
        rollout, tally = self.play.rollout(self.teacher.stack)
        lesson = self.teacher.learn(rollout, left=1.0 - self.age / self.ages[-1])
        line = torch.stack([tally.episodes, tally.reward, lesson.loss, lesson.entropy, lesson.divergence], 1)
        self.record = torch.cat([self.record, torch.cat([line, tally.attained], 1)[:, None]], 1)
        self.age += self.setup.learning.batch
        return lesson.loss

    def state(self, s: int) -> dict[str, Tensor]:
        """Agent, optimiser, environments, random streams and record."""
        teacher, play = self.teacher.stack.state(s), self.play.state_of(s)
        return {**with_prefix("teacher.", teacher), **with_prefix("play.", play), "record": self.record[s]}

    def load(self, states: Sequence[dict[str, Tensor]]) -> None:
        """Put back what :meth:`state` gave, all seeds of the same age."""
        self.teacher.stack.load([part_of(state, "teacher.") for state in states])
        self.play.load([part_of(state, "play.") for state in states])
        self.record = torch.stack([state["record"] for state in states])


def training_success(record: pd.DataFrame, goal: str, *, rollouts: int = 4) -> float:
    """Part of the episodes that ended in the last ``rollouts`` rollouts in which ``goal`` was attained; NaN: none."""
    last = record.iloc[-rollouts:] if len(record) else record
    episodes = float(last["episodes"].sum())
    return float(last[goal].sum()) / episodes if episodes else float("nan")
