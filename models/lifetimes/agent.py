"""An upbringing: agents live in copies of their world from birth on, kept at planned ages, resumable to the bit.

    for every rollout:  play T steps in N copies -> steering signals (hardcoded) -> pay -> update (policy gradient)

An age counts environment steps per seed. A checkpoint holds the agent, its optimiser, its worlds in the middle of their
episodes, every stream of chance, and the *record*: one line per rollout of how training has gone from birth on, so that
success in training can be reported for every age. Each seed's streams derive from its number alone (``birth``,
``experience``, ``acting``, ``steering``), so that seed k of two setups can be paired.

Letters: S seeds, N copies, T steps, U updates since birth.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd
import torch
from torch import Tensor

from imprint.models.agents.base import Agent
from imprint.models.chance import birth, generator
from imprint.models.errors import DamagedFileError
from imprint.models.learning.policy_gradient import Lesson, PolicyGradient
from imprint.models.learning.rollout import Play, Tally
from imprint.models.lifetimes.lifetime import Progress, header_of, read_checkpoint
from imprint.models.setup.agent import AgentSetup
from imprint.models.store import RunFolder, part_of, write_tensors

SAID = ("episodes", "pay", "loss", "entropy", "divergence")
"""Columns of a record; one more for each goal of the environment."""


class Upbringing:
    """Some seeds of one setup of agents, raised together and kept in a run folder."""

    def __init__(self, setup: AgentSetup, seeds: Sequence[int], folder: RunFolder) -> None:
        self.setup, self.seeds, self.folder = setup, tuple(seeds), folder
        environment = setup.make_environment()
        agents = [setup.make_agent(environment.view, rng=birth(setup.schedule.born_as(seed))) for seed in seeds]
        self.teacher = PolicyGradient(setup.learning, agents)
        self.play = Play(environment, setup.learning, setup.make_signals(), self.seeds, agents[0].memory)
        self.record = torch.zeros(len(self.seeds), 0, len(SAID) + len(environment.goals))
        self.age = 0

    def live(self, report: Callable[[Progress], None] | None = None) -> None:
        """Live to the last planned age, keeping every age; goes on from the last age before the first gap."""
        ages = self.setup.planned
        self._resume(ages)
        for age in ages:
            if age < self.age or (age == self.age and self._kept(age)):
                continue
            while self.age < age:
                lesson = self._step(ages[-1])
                if report is not None:
                    report(Progress(self.age, ages[-1], tuple(lesson.loss.tolist())))
            self._keep(age)

    def _step(self, end: int) -> Lesson:
        rollout, tally = self.play.rollout(self.teacher.stack)
        lesson = self.teacher.learn(rollout, left=1.0 - self.age / end)
        self.record = torch.cat([self.record, _line(tally, lesson)[:, None]], 1)
        self.age += self.setup.learning.batch
        return lesson

    # -- keeping -------------------------------------------------------------------------------------------------

    def _kept(self, age: int) -> bool:
        return all(self.folder.checkpoint(seed, age).exists() for seed in self.seeds)

    def _keep(self, age: int) -> None:
        for s, seed in enumerate(self.seeds):
            tensors = {
                **{f"teacher.{name}": value for name, value in self.teacher.stack.state(s).items()},
                **{f"play.{name}": value for name, value in self.play.state_of(s).items()},
                "record": self.record[s],
            }
            write_tensors(self.folder.checkpoint(seed, age), tensors, **header_of(self.setup, seed, age))

    def _resume(self, ages: Sequence[int]) -> None:
        done = list(itertools.takewhile(self._kept, ages))
        if not done:
            return
        kept = [read_checkpoint(self.setup, self.folder, seed, done[-1]) for seed in self.seeds]
        self.teacher.stack.load([part_of(tensors, "teacher.") for tensors in kept])
        self.play.load([part_of(tensors, "play.") for tensors in kept])
        self.record = torch.stack([tensors["record"] for tensors in kept])
        self.age = done[-1]


def _line(tally: Tally, lesson: Lesson) -> Tensor:
    said = torch.stack([tally.episodes, tally.pay, lesson.loss, lesson.entropy, lesson.divergence], 1)
    return torch.cat([said, tally.attained], 1)


@dataclass(frozen=True)
class KeptAgent:
    """One seed at one age, taken from a run."""

    agent: Agent
    """In evaluation mode."""
    alive: bool
    """False when this seed had diverged by this age."""
    record: pd.DataFrame
    """One row per rollout since birth; see :func:`training_success` for what to read from it.

    ``age`` after it; ``episodes`` that ended in it, ``pay`` (their signal's payments, together) and, named after each
    goal, in how many of them it was attained; ``loss``, ``entropy`` (nats) and ``divergence`` of the update.
    """


def revive_agent(setup: AgentSetup, folder: RunFolder, seed: int, age: int) -> KeptAgent:
    """The agent of one seed at one age. Raises :class:`DamagedFileError` for a file that is not of this agent."""
    tensors = read_checkpoint(setup, folder, seed, age)
    environment = setup.make_environment()
    agent = setup.make_agent(environment.view, rng=birth(setup.schedule.born_as(seed)))
    weights = part_of(tensors, "teacher.parameter.")
    names = {name for name, _ in agent.named_parameters()}
    if weights.keys() != names:
        odd = sorted(weights.keys() ^ names)[0]
        raise DamagedFileError(
            f"{folder.checkpoint(seed, age)} does not hold this agent: parameter {odd!r} is in one and not in the "
            "other."
        )
    agent.load_state_dict(weights)
    agent.eval()
    record = pd.DataFrame(tensors["record"].numpy(), columns=[*SAID, *environment.goals])
    record.insert(0, "age", (torch.arange(1, len(record) + 1) * setup.learning.batch).numpy())
    return KeptAgent(agent, bool(tensors["teacher.alive"]), record)


def training_success(record: pd.DataFrame, goal: str, *, rollouts: int = 4) -> float:
    """Part of the episodes that ended in the last ``rollouts`` rollouts in which ``goal`` was attained; NaN: none."""
    last = record.iloc[-rollouts:] if len(record) else record
    episodes = float(last["episodes"].sum())
    return float(last[goal].sum()) / episodes if episodes else float("nan")


def living_agent_ages(setup: AgentSetup, folder: RunFolder, seed: int) -> list[int]:
    """Planned ages that were kept and at which the seed had not diverged."""
    kept = [age for age in setup.planned if folder.checkpoint(seed, age).exists()]
    return [age for age in kept if bool(read_checkpoint(setup, folder, seed, age)["teacher.alive"])]


def newborn(setup: AgentSetup, index: int) -> Agent:
    """An untrained twin: same architecture, never taught, not one of the run's own seeds; in evaluation mode."""
    agent = setup.make_agent(setup.make_environment().view, rng=generator("twin", index))
    agent.eval()
    return agent
