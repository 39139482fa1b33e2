"""A lifetime: one training run from birth on, kept at planned ages, resumable to the bit.

Each seed owns three generators, all derived from its number alone (so that seed k of two setups can be paired): one for
its birth, one for its experience, one for the errors of its steering signals (``schedule.shared_birth`` gives all seeds
the birth of one). Experience is drawn a *day* at a time (a few batches in one call); a checkpoint keeps the generator's
state at dawn and the hour, so that a killed run goes on in the middle of a day.

    for every batch:  observe -> steering signal (hardcoded) -> learner step (its own objective)
                      -> assessor step (three-factor rule, only while its window is open)

Letters: S seeds, n episodes, T steps.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from imprint.models.assessors.base import Assessor
from imprint.models.chance import birth, generator
from imprint.models.errors import DamagedFileError
from imprint.models.learners.base import Learner
from imprint.models.learning.cohort import Cohort
from imprint.models.lifetimes.lifetime import Progress, header_of, read_checkpoint
from imprint.models.setup.learner import Setup, frame_of
from imprint.models.steering.base import Signal
from imprint.models.store import RunFolder, part_of, write_tensors
from imprint.models.worlds.base import Batch, World

DAY = 8
"""Batches drawn in one call."""


class Experience:
    """One seed's endless stream of batches."""

    def __init__(self, world: World, batch: int, seed: int) -> None:
        self.world, self.batch = world, batch
        self.rng = generator("experience", seed)
        self.dawn, self.hour = self.rng.get_state(), 0
        self._day: Batch | None = None

    def next(self) -> Batch:
        """The next batch."""
        if self._day is None:
            self.rng.set_state(self.dawn)
            self._day = self.world.sample(self.batch * DAY, rng=self.rng)
        batch = self._day.rows(slice(self.hour * self.batch, (self.hour + 1) * self.batch))
        self.hour += 1
        if self.hour == DAY:
            self.dawn, self.hour, self._day = self.rng.get_state(), 0, None
        return batch

    def state(self) -> dict[str, Tensor]:
        """Generator at dawn, and the hour."""
        return {"dawn": self.dawn.clone(), "hour": torch.tensor(self.hour)}

    def load(self, state: dict[str, Tensor]) -> None:
        """Go on where :meth:`state` was taken."""
        self.dawn, self.hour, self._day = state["dawn"], int(state["hour"]), None


def steer(signals: Sequence[Signal], world: World, batch: Batch, rng: torch.Generator) -> dict[str, Tensor]:
    """All steering signals of a batch, name -> ``[n, T]``; later ones may read earlier ones."""
    wanted = frozenset[str]().union(*(signal.reads for signal in signals))
    senses, body = world.senses(batch, wanted), world.body(batch)
    if wanted - senses.values.keys() - {signal.settings.name for signal in signals}:
        senses = world.senses(batch)  # the signal that asks for an unknown sense is told which there are
    out: dict[str, Tensor] = {}
    for signal in signals:
        value = signal(senses, body, rng=rng)
        out[signal.settings.name] = value
        senses = senses.plus(signal.settings.name, value)
    return out


class Lifetime:
    """Some seeds of one setup, raised together and kept in a run folder."""

    def __init__(self, setup: Setup, seeds: Sequence[int], folder: RunFolder) -> None:
        self.setup, self.seeds, self.folder = setup, tuple(seeds), folder
        self.world = setup.make_world()
        self.signals = setup.make_signals()
        frame = frame_of(self.world)
        born = [setup.make_learner(frame, rng=birth(setup.schedule.born_as(seed))) for seed in seeds]
        self.cohort = Cohort(born, setup.schedule.learning_rate)
        self.streams = [Experience(self.world, setup.schedule.batch, seed) for seed in seeds]
        self.steering = [generator("steering", seed) for seed in seeds]
        self.assessor = self._assessor()
        self.age = 0

    def _assessor(self) -> Assessor:
        learner = self.cohort.learners[0]
        one = self.world.sample(1, rng=generator("width")).observation
        return self.setup.make_assessor(len(self.seeds), int(learner.latents(one).shape[-1]))

    def live(self, report: Callable[[Progress], None] | None = None) -> None:
        """Live to the last planned age, keeping every age; goes on from the last age before the first gap."""
        ages = self.setup.schedule.planned
        self._resume(ages)
        for age in ages:
            if age < self.age or (age == self.age and self._kept(age)):
                continue
            while self.age < age:
                loss = self._step()
                if report is not None:
                    report(Progress(self.age, ages[-1], tuple(loss.tolist())))
            self._keep(age)

    def _step(self) -> Tensor:
        batches = [stream.next() for stream in self.streams]
        name = self.setup.assessor["signal"]
        signal = torch.stack(
            [steer(self.signals, self.world, b, g)[name] for b, g in zip(batches, self.steering, strict=True)]
        )
        taught = self.cohort.learn(torch.stack([b.observation for b in batches]))
        if self.assessor.settings.open(self.age):
            latents = torch.where(self.cohort.alive[:, None, None, None], taught.latents, 0.0)
            self.assessor.update(latents, signal, self.cohort.alive)
        self.age += self.setup.schedule.batch
        return taught.loss

    # -- keeping -------------------------------------------------------------------------------------------------

    def _kept(self, age: int) -> bool:
        return all(self.folder.checkpoint(seed, age).exists() for seed in self.seeds)

    def _keep(self, age: int) -> None:
        for s, seed in enumerate(self.seeds):
            tensors = {
                **{f"learner.{k}": v for k, v in self.cohort.state(s).items()},
                **{f"assessor.{k}": v for k, v in self.assessor.state(s).items()},
                **{f"experience.{k}": v for k, v in self.streams[s].state().items()},
                "steering.generator": self.steering[s].get_state(),
            }
            write_tensors(self.folder.checkpoint(seed, age), tensors, **header_of(self.setup, seed, age))

    def _resume(self, ages: Sequence[int]) -> None:
        done = list(itertools.takewhile(self._kept, ages))
        if not done:
            return
        states = []
        for s, seed in enumerate(self.seeds):
            tensors = read_checkpoint(self.setup, self.folder, seed, done[-1])
            states.append(part_of(tensors, "learner."))
            self.assessor.load(s, part_of(tensors, "assessor."))
            self.streams[s].load(part_of(tensors, "experience."))
            self.steering[s].set_state(tensors["steering.generator"])
        self.cohort.load(states)
        self.age = done[-1]


@dataclass(frozen=True)
class Kept:
    """One seed at one age, taken from a run."""

    learner: Learner
    """In evaluation mode."""
    weight: Tensor
    """``[D]`` of the assessor: value = latents @ weight + bias."""
    bias: Tensor
    """``[]``."""
    alive: bool
    """False when this seed had diverged by this age."""


def revive(setup: Setup, folder: RunFolder, seed: int, age: int) -> Kept:
    """The learner and assessor of one seed at one age."""
    tensors = read_checkpoint(setup, folder, seed, age)
    learner = setup.make_learner(frame_of(setup.make_world()), rng=birth(setup.schedule.born_as(seed)))
    state = part_of(tensors, "learner.")
    weights = part_of({name: value for name, value in state.items() if name.startswith("learner.")}, "learner.")
    names = {name for name, _ in learner.named_parameters()}
    if weights.keys() != names:
        odd = sorted(weights.keys() ^ names)[0]
        raise DamagedFileError(
            f"{folder.checkpoint(seed, age)} does not hold this learner: parameter {odd!r} is in one and not in the "
            "other."
        )
    learner.load_state_dict(weights, strict=False)  # buffers are not learned; every parameter was checked above
    learner.eval()
    mine = part_of(tensors, "assessor.")
    assessor = setup.make_assessor(1, int(mine["weight"].shape[-1]))
    assessor.load(0, mine)
    weight, bias = assessor.linear(0)
    return Kept(learner, weight, bias, bool(state["alive"]))


def living_ages(setup: Setup, folder: RunFolder, seed: int) -> list[int]:
    """Planned ages that were kept and at which the seed had not diverged."""
    kept = [age for age in setup.schedule.planned if folder.checkpoint(seed, age).exists()]
    return [age for age in kept if bool(read_checkpoint(setup, folder, seed, age)["learner.alive"])]


def twin(setup: Setup, world: World, index: int) -> Learner:
    """A randomly initialised twin: same architecture, never taught, not one of the run's own seeds."""
    learner = setup.make_learner(frame_of(world), rng=generator("twin", index))
    learner.eval()
    return learner
