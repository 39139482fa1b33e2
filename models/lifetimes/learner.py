"""The lifetime of a learner in a static world: its own objective teaches it, a steering signal teaches its assessor.

    for every batch:  observe -> steering signal (hardcoded) -> learner step (its own objective)
                      -> assessor step (three-factor rule, only while its window is open)

Seeds of different worlds train side by side, each on its own stream. Each seed owns three generators, all derived from
its number alone (so that seed k of two setups can be paired): one for its initial weights, one for its experience, one
for the errors of its steering signals (``schedule.shared_birth`` gives all seeds the initial weights of one).

Letters: S seeds, n episodes, T steps, D latent width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from imprint.models.chance import birth, generator
from imprint.models.learners.base import Learner
from imprint.models.learning.cohort import Cohort
from imprint.models.lifetimes.lifetime import Lifetime
from imprint.models.setup.learner import Setup, frame_of
from imprint.models.steering.base import Signal, steer
from imprint.models.store import RunFolder, part_of, with_prefix
from imprint.models.worlds.base import Batch, World

BATCHES = 8
"""Batches drawn from the world in one call."""


class Experience:
    """One seed's endless stream of batches.

    A few batches are drawn in one call. A checkpoint keeps the generator's state before that draw and how many of the
    batches were used, so that a killed run goes on in the middle of them.
    """

    def __init__(self, world: World, batch: int, seed: int) -> None:
        self.world, self.batch = world, batch
        self.rng = generator("experience", seed)
        self.rng_state, self.used = self.rng.get_state(), 0
        self._drawn: Batch | None = None

    def next(self) -> Batch:
        """The next batch."""
        if self._drawn is None:
            self.rng.set_state(self.rng_state)
            self._drawn = self.world.sample(self.batch * BATCHES, rng=self.rng)
        batch = self._drawn.rows(slice(self.used * self.batch, (self.used + 1) * self.batch))
        self.used += 1
        if self.used == BATCHES:
            self.rng_state, self.used, self._drawn = self.rng.get_state(), 0, None
        return batch

    def state(self) -> dict[str, Tensor]:
        """The generator before the last draw, and how many batches of it were used."""
        return {"dawn": self.rng_state.clone(), "hour": torch.tensor(self.used)}

    def load(self, state: dict[str, Tensor]) -> None:
        """Go on where :meth:`state` was taken."""
        self.rng_state, self.used, self._drawn = state["dawn"], int(state["hour"]), None


def signals_of(signals: Sequence[Signal], world: World, batch: Batch, rng: torch.Generator) -> dict[str, Tensor]:
    """All steering signals of a batch, name -> ``[n, T]``; the world computes only the senses that they read."""
    wanted = frozenset[str]().union(*(signal.reads for signal in signals))
    senses = world.senses(batch, wanted)
    if wanted - senses.values.keys() - {signal.settings.name for signal in signals}:
        senses = world.senses(batch)  # so that the error about an unknown sense lists all there are
    return steer(signals, senses, world.body(batch), rng)[0]


class Steered:
    """How one setup steers some seeds: its signals, each seed with its own stream of errors, and what they teach."""

    def __init__(self, setup: Setup, seeds: Sequence[int], width: int) -> None:
        self.signals, self.name = setup.make_signals(), setup.assessor["signal"]
        self.errors = [generator("steering", seed) for seed in seeds]
        self.assessor = setup.make_assessor(len(seeds), width)

    def sense(self, worlds: Sequence[World], batches: Sequence[Batch]) -> dict[str, Tensor]:
        """All signals of a batch of every seed, name -> ``[S, n, T]``; the errors of each seed go on."""
        each = [signals_of(self.signals, *own) for own in zip(worlds, batches, self.errors, strict=True)]
        return {name: torch.stack([signals[name] for signals in each]) for name in each[0]}

    def teach(self, age: int, latents: Tensor, signals: dict[str, Tensor], alive: Tensor) -> None:
        """Teach the assessor on latents ``[S, n, T, D]`` of the seeds that are ``alive`` if its window is open."""
        if self.assessor.settings.open(age):
            self.assessor.update(latents, signals[self.name], alive)


@dataclass(frozen=True)
class Kept:
    """One seed at one age, read from a run."""

    learner: Learner
    """In evaluation mode."""
    weight: Tensor
    """``[D]`` of the assessor: value = latents @ weight + bias."""
    bias: Tensor
    """``[]``."""
    alive: bool
    """False when this seed had diverged by this age."""


class LearnerLifetime(Lifetime[Setup, Learner]):
    """Some seeds of one setup of learners, trained together and kept in a run folder."""

    weights, alive = "learner.learner.", "learner.alive"

    def __init__(self, setup: Setup, seeds: Sequence[int], folder: RunFolder) -> None:
        super().__init__(setup, seeds, folder)
        numbers = [setup.schedule.world_of(seed) for seed in seeds]
        worlds = {number: setup.make_world(number) for number in dict.fromkeys(numbers)}
        frame = frame_of(worlds[numbers[0]])
        learners = [setup.make_learner(frame, rng=birth(setup.schedule.born_as(seed))) for seed in seeds]
        self.cohort = Cohort(learners, setup.schedule.learning_rate)
        streams = zip(numbers, seeds, strict=True)
        self.streams = [Experience(worlds[number], setup.schedule.batch, seed) for number, seed in streams]
        self.worlds = [stream.world for stream in self.streams]
        one = self.streams[0].world.sample(1, rng=generator("width")).observation
        self.width = int(learners[0].latents(one).shape[-1])
        self.steered = Steered(setup, seeds, self.width)

    @classmethod
    def born(cls, setup: Setup, rng: torch.Generator) -> Learner:
        """An untrained learner."""
        return setup.make_learner(frame_of(setup.make_world(0)), rng=rng)

    @classmethod
    def revive(cls, setup: Setup, folder: RunFolder, seed: int, age: int) -> Kept:
        """The learner and assessor of one seed at one age. Raises as :meth:`network_at`."""
        learner, tensors = cls.network_at(setup, folder, seed, age)
        state = part_of(tensors, "assessor.")
        assessor = setup.make_assessor(1, int(state["weight"].shape[-1]))
        assessor.load(0, state)
        return Kept(learner, *assessor.linear(0), bool(tensors[cls.alive]))

    def step(self) -> Tensor:
        """One batch of experience for every seed."""
        batches = [stream.next() for stream in self.streams]
        taught = self.cohort.learn(torch.stack([batch.observation for batch in batches]))
        alive = self.cohort.alive
        self.read_along(batches, torch.where(alive[:, None, None, None], taught.latents, 0.0), alive)
        self.age += self.setup.schedule.batch
        return taught.loss

    def read_along(self, batches: Sequence[Batch], latents: Tensor, alive: Tensor) -> None:
        """Teach what reads along: latents ``[S, n, T, D]`` of one batch of every seed, 0 for those not ``alive``."""
        self.steered.teach(self.age, latents, self.steered.sense(self.worlds, batches), alive)

    def state(self, s: int) -> dict[str, Tensor]:
        """Learner, optimiser, assessor and the generators of experience and steering errors."""
        return {
            **with_prefix("learner.", self.cohort.state(s)),
            **with_prefix("experience.", self.streams[s].state()),
            **self.state_along(s),
        }

    def state_along(self, s: int) -> dict[str, Tensor]:
        """What of :meth:`state` belongs to what reads along."""
        assessor = with_prefix("assessor.", self.steered.assessor.state(s))
        return {**assessor, "steering.generator": self.steered.errors[s].get_state()}

    def load(self, states: Sequence[dict[str, Tensor]]) -> None:
        """Put back what :meth:`state` gave, all seeds of the same age."""
        self.cohort.load([part_of(state, "learner.") for state in states])
        for s, state in enumerate(states):
            self.streams[s].load(part_of(state, "experience."))
            self.load_along(s, state)

    def load_along(self, s: int, state: dict[str, Tensor]) -> None:
        """Put back what :meth:`state_along` gave."""
        self.steered.assessor.load(s, part_of(state, "assessor."))
        self.steered.errors[s].set_state(state["steering.generator"])
