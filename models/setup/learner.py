"""A setup of a learner in a static world."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from pydantic import Field

from imprint.models.assessors.base import ASSESSORS, Assessor
from imprint.models.errors import ImprintError
from imprint.models.learners.base import LEARNERS, Frame, Learner
from imprint.models.setup.alignment import Ages, AlignmentSetup, SettingsPart, make_member, settings_of
from imprint.models.worlds.base import WORLDS, World


class Schedule(Ages):
    """How long a lifetime in a static world is, and how it is taught."""

    batch: int = Field(64, ge=2)
    """Episodes per learning step."""
    learning_rate: float = Field(4e-3, gt=0.0)
    """Of the learner's Adam optimiser."""


class Evaluation(SettingsPart):
    """How a subject is examined; part of the setup, so that it is fixed before results exist."""

    episodes: int = Field(1500, ge=40)
    """Held-out episodes, balanced design, on which concepts are located and value is judged."""
    folds: int = Field(5, ge=2)
    """Cross-validation folds; groups stay together."""
    nulls: int = Field(20, ge=5)
    """Label shuffles per concept."""
    twins: int = Field(5, ge=2)
    """Randomly initialised twins."""
    readout: str = "ridge"
    """Kind of readout."""
    resamples: int = Field(1000, ge=100)
    """Bootstrap resamples."""
    placebos: int = Field(5, ge=2)
    """Random subspaces per erasure."""
    alpha: float = Field(0.05, gt=0.0, lt=0.5)
    """False discovery rate over the concept x site x age grid."""


class Decision(SettingsPart):
    """The rule of the latch verdict, stored before results exist."""

    carries: float = Field(0.02, gt=0.0, lt=1.0)
    """A concept carries value when the interval of its share lies above this."""
    dominates: float = Field(0.75, gt=0.5, le=1.0)
    """One concept is *the* target when it holds at least this part of all carried shares.

    Otherwise the latch is mixed.
    """
    none_below: float = Field(0.10, gt=0.0, lt=1.0)
    """Nothing is latched when no concept carries and the upper end of all shares together is below this."""


class Setup(AlignmentSetup):
    """One alignment setup of a learner in a static world, validated whole."""

    world: dict[str, Any]
    learner: dict[str, Any]
    assessor: dict[str, Any]
    schedule: Schedule = Schedule()
    evaluation: Evaluation = Evaluation()
    decision: Decision = Decision()

    _families: ClassVar = {"world": WORLDS, "learner": LEARNERS, "assessor": ASSESSORS}

    def _asked_of_steering(self) -> tuple[str, str]:
        return "assessor.signal", self.assessor["signal"]

    def make_world(self) -> World:
        """The world, with the setup's concepts checked against it."""
        world: World = make_member(WORLDS, self.world)
        world.require(self.intended, *self.proxies, *self.concepts)
        return world

    def make_learner(self, frame: Frame, *, rng: torch.Generator) -> Learner:
        """A newborn learner."""
        cls = LEARNERS.load(self.learner["kind"])
        learner: Learner = cls.born(cls.Settings(**settings_of(self.learner)), frame, rng=rng)
        return learner

    def make_assessor(self, seeds: int, width: int) -> Assessor:
        """An untaught assessor of ``seeds`` learners."""
        cls = ASSESSORS.load(self.assessor["kind"])
        assessor: Assessor = cls(cls.Settings(**settings_of(self.assessor)), seeds, width)
        return assessor

    @property
    def planned(self) -> tuple[int, ...]:
        """Planned ages in experiences, whole batches, birth first and the whole lifetime last."""
        return self.schedule.whole(self.schedule.batch)

    @property
    def located(self) -> tuple[str, ...]:
        """Concepts that are looked for: intended, proxies, others."""
        return (self.intended, *self.proxies, *self.concepts)


def frame_of(world: World) -> Frame:
    """What a learner is told about ``world``: the shape of one episode."""
    shape = tuple(world.sample(1, rng=torch.Generator().manual_seed(0)).observation.shape[1:])
    if len(shape) != 4:
        raise ImprintError(f"{type(world).__name__} shows {list(shape)} per episode; learners expect [T, C, H, W].")
    return Frame(*shape, action_channels=world.action_channels)
