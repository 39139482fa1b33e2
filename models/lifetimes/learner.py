"""The lifetime of a learner in a static world: its own objective teaches it, a steering signal teaches its assessor.

    for every batch:  observe -> learner step (its own objective)
                      -> readings of the scorecard, if there is one -> steering signals (hardcoded)
                      -> step of assessor and scorecard (three-factor rule, only while their windows are open)

Readings, signals and assessors use the latents from before the learner's step. Steering changes what the learner comes
to know only where :attr:`imprint.models.setup.learner.Setup.shapes_learner` says so; then signals are computed within
the learner's step, and what they add to its loss has a gradient through the readings. With ``routing`` they are
computed before it, and say which latents it teaches (:mod:`imprint.models.learning.routing`).

Seeds of different worlds train side by side, each on its own stream. Each seed owns three generators, all derived from
its number alone (so that seed k of two setups can be paired): one for its initial weights, one for its experience, one
for the errors of its steering signals (``schedule.shared_birth`` gives all seeds the initial weights of one).

Letters: S seeds, n episodes, T steps, D latent width.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from imprint.models.assessors.base import Owner
from imprint.models.chance import birth, generator
from imprint.models.learners.base import Learner
from imprint.models.learning.cohort import Cohort
from imprint.models.learning.ruled import RuledCohort
from imprint.models.learning.scorecard import Scorecard
from imprint.models.learning.written import WrittenCohort
from imprint.models.lifetimes.lifetime import Lifetime
from imprint.models.setup.learner import Setup, frame_of
from imprint.models.steering.base import Body, Senses, Signal, steer
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


@runtime_checkable
class Sensible(Protocol):
    """What gives the senses and the body of a batch: a world, or what remembers what a world gave."""

    def senses(self, batch: Batch, names: Collection[str] | None = None) -> Senses:
        """See :meth:`World.senses`."""

    def body(self, batch: Batch) -> Body:
        """See :meth:`World.body`."""


def signals_of(
    signals: Sequence[Signal],
    world: Sensible,
    batch: Batch,
    rng: torch.Generator,
    *,
    readings: Mapping[str, Tensor] | None = None,
) -> dict[str, Tensor]:
    """All steering signals of a batch, name -> ``[n, T]``, and the senses and readings that they read.

    ``readings``: of the scorecard, ``[n, T]``. The world computes only the senses that signals read.
    """
    readings = readings or {}
    body = world.body(batch)
    wanted = frozenset[str]().union(*(signal.reads for signal in signals)) - readings.keys()
    senses = world.senses(batch, wanted)
    if wanted - senses.values.keys() - body.values.keys() - {signal.settings.name for signal in signals}:
        senses = world.senses(batch)  # so that the error about an unknown sense lists all there are
    for name, reading in readings.items():
        senses = senses.plus(name, reading)
    return {**senses.values, **steer(signals, senses, body, rng)[0]}


def ideal_signals(setup: Setup, world: World, batch: Batch, name: str) -> dict[str, Tensor]:
    """Steering signals of a batch without a learner, name -> ``[n, T]``; errors from the generator called ``name``.

    In place of a column's reading stands the signal that teaches it, or 0 where none does.
    """
    signals, readings = setup.make_signals(), dict.fromkeys(setup.scorecard, torch.zeros(batch.observation.shape[:2]))
    for _ in range(len(setup.scorecard) + 1):  # a signal may read a column that is taught by one that reads another
        outputs = signals_of(signals, world, batch, generator(name), readings=readings)
        readings = {c: outputs.get(part["signal"], readings[c]) for c, part in setup.scorecard.items()}
    return outputs


class Steered:
    """How one setup steers some seeds: its signals, each seed with its own stream of errors, and what they teach."""

    def __init__(self, setup: Setup, seeds: Sequence[int], width: int) -> None:
        self.signals, self.seeds = setup.make_signals(), tuple(seeds)
        self.shaping = [signal for signal in self.signals if signal.shapes_learner]
        self.errors = [generator("steering", seed) for seed in seeds]
        self.assessor = setup.make_assessor(len(seeds), width)
        self.scorecard = Scorecard(setup.make_scorecard(len(seeds), width))

    def sense(self, worlds: Sequence[Sensible], batches: Sequence[Batch], latents: Tensor) -> dict[str, Tensor]:
        """Steering signals, and the senses and readings behind them, name -> ``[S, n, T]``."""
        readings = self.scorecard.readings(latents)
        signals = []
        for s, (world, batch, rng) in enumerate(zip(worlds, batches, self.errors, strict=True)):
            own = {name: value[s] for name, value in readings.items()}
            signals.append(signals_of(self.signals, world, batch, rng, readings=own))
        return {name: torch.stack([each[name] for each in signals]) for name in signals[0]}

    def attach(self, cohort: Cohort, age: int) -> None:
        """Attach assessors that are not taught to the learners that they read, when their window opens."""
        for assessor in (self.assessor, *self.scorecard.columns.values()):
            if assessor.settings.open(age):
                for s in torch.nonzero(~assessor.attached).flatten().tolist():
                    site = cohort.modules[s].latent_hook
                    assessor.attach(s, Owner(self.seeds[s], site, functools.partial(cohort.digest, s)))

    def teach(self, latents: Tensor, signals: Mapping[str, Tensor], alive: Tensor, age: int) -> None:
        """Teach the assessor on latents ``[S, n, T, D]`` of the seeds that are ``alive`` if its window is open."""
        if self.assessor.settings.open(age):
            self.assessor.update(latents, signals[self.assessor.settings.signal], alive)


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


def cohort_of(setup: Setup, learners: Sequence[Learner], seeds: Sequence[int]) -> Cohort:
    """Newborn learners of training seeds ``seeds``, taught by the setup's rule, or written where it has none."""
    rule, rate = setup.make_rule(), setup.schedule.learning_rate
    if rule is None:
        return WrittenCohort(learners)
    return RuledCohort(learners, rate, rule, seeds) if rule.layered else Cohort(learners, rate)


class LearnerLifetime(Lifetime[Setup, Learner]):
    """Some seeds of one setup of learners, trained together and kept in a run folder."""

    weights, alive = "learner.learner.", "learner.alive"

    def __init__(self, setup: Setup, seeds: Sequence[int], folder: RunFolder) -> None:
        super().__init__(setup, seeds, folder)
        numbers = [setup.schedule.world_of(seed) for seed in seeds]
        worlds = {number: setup.make_world(number) for number in dict.fromkeys(numbers)}
        frame = frame_of(worlds[numbers[0]])
        learners = [setup.make_learner(frame, rng=birth(setup.schedule.born_as(seed))) for seed in seeds]
        self.cohort = cohort_of(setup, learners, seeds)
        streams = zip(numbers, seeds, strict=True)
        self.streams = [Experience(worlds[number], setup.schedule.batch, seed) for number, seed in streams]
        self.worlds = [stream.world for stream in self.streams]
        one = self.streams[0].world.sample(1, rng=generator("width")).observation
        self.width = int(learners[0].latents(one).shape[-1])
        self.steered = Steered(setup, seeds, self.width)
        if setup.routing is not None:
            setup.routing.require(self.width)

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
        self.attach()
        felt: dict[str, Tensor] = {}

        def pressure(latents: Tensor) -> Tensor:
            finite = latents.detach().isfinite().flatten(1).all(1)
            latents = torch.where(finite[:, None, None, None], latents, 0.0)
            felt.update(self.steered.sense(self.worlds, batches, latents.detach()))
            values = felt | self.steered.scorecard.readings(latents)
            return torch.stack([signal.pressure(values) for signal in self.steered.shaping]).sum(0)

        observation = torch.stack([batch.observation for batch in batches])
        if (routing := self.setup.routing) is not None:
            felt.update(self.steered.sense(self.worlds, batches, torch.empty(0)))  # there is no scorecard to read
            marked = routing.taught(felt[routing.signal], self.width)
            taught = self.cohort.learn(observation, routing.penalty, taught=marked)
        else:
            taught = self.cohort.learn(observation, pressure if self.steered.shaping else None)
        alive = self.cohort.alive
        self.read_along(batches, torch.where(alive[:, None, None, None], taught.latents, 0.0), alive, felt)
        self.age += self.setup.schedule.batch
        return taught.loss

    def attach(self) -> None:
        """Attach what reads along without being taught."""
        self.steered.attach(self.cohort, self.age)

    def read_along(
        self, batches: Sequence[Batch], latents: Tensor, alive: Tensor, felt: Mapping[str, Tensor] | None = None
    ) -> None:
        """Teach what reads along, on latents ``[S, n, T, D]`` of one batch of every seed, 0 for those not ``alive``.

        ``felt``: the signals, where the learner's step has needed them.
        """
        signals = felt or self.steered.sense(self.worlds, batches, latents)
        self.steered.teach(latents, signals, alive, self.age)
        self.steered.scorecard.update(latents, signals, alive, self.age)

    def state(self, s: int) -> dict[str, Tensor]:
        """Learner, optimiser, assessor, scorecard and the generators of experience and steering errors."""
        return {
            **with_prefix("learner.", self.cohort.state(s)),
            **with_prefix("experience.", self.streams[s].state()),
            **self.state_along(s),
        }

    def state_along(self, s: int) -> dict[str, Tensor]:
        """What of :meth:`state` belongs to what reads along."""
        return {
            **with_prefix("assessor.", self.steered.assessor.state(s)),
            **with_prefix("scorecard.", self.steered.scorecard.state(s)),
            "steering.generator": self.steered.errors[s].get_state(),
        }

    def load(self, states: Sequence[dict[str, Tensor]]) -> None:
        """Put back what :meth:`state` gave, all seeds of the same age."""
        self.cohort.load([part_of(state, "learner.") for state in states])
        for s, state in enumerate(states):
            self.streams[s].load(part_of(state, "experience."))
            self.load_along(s, state)

    def load_along(self, s: int, state: Mapping[str, Tensor]) -> None:
        """Put back what :meth:`state_along` gave."""
        self.steered.assessor.load(s, part_of(state, "assessor."))
        self.steered.scorecard.load(s, part_of(state, "scorecard."))
        self.steered.errors[s].set_state(state["steering.generator"])
