"""The held-out episodes on which all learners of a run are examined."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from imprint.analyses.locate.targets import Targets, targets_of
from imprint.models.chance import generator
from imprint.models.lifetimes.learner import LearnerLifetime
from imprint.models.setup.learner import Setup
from imprint.models.store import RunFolder
from imprint.models.worlds.base import Batch, World
from imprint.probes.readouts.base import READOUTS
from imprint.probes.samples.controls import compact_groups, folds_of
from imprint.probes.subjects.subject import Subject


class Exam(NamedTuple):
    """The held-out episodes every subject of a run is examined on, and the concepts that are read from it there."""

    setup: Setup
    world: World
    batch: Batch
    targets: Targets

    @property
    def names(self) -> tuple[str, ...]:
        """Intended concept first, then the proxies."""
        return (self.setup.intended, *self.setup.proxies)

    def subject(self, folder: RunFolder, seed: int, age: int) -> Subject:
        """One seed at one age, taken from a run."""
        kept = LearnerLifetime.revive(self.setup, folder, seed, age)
        return Subject.of_learner(kept.learner, self.world, kept.weight, kept.bias)


def exam_of(setup: Setup) -> Exam:
    """The same exam for every seed, age and twin of a setup."""
    evaluation = setup.evaluation
    world = setup.make_world().held_out()
    batch = world.sample(evaluation.episodes, rng=generator("exam"), design="balanced")
    rng = np.random.default_rng(int(torch.randint(0, 2**31, (1,), generator=generator("exam split"))))
    groups, readout = compact_groups(batch.groups, len(batch)), READOUTS.load(evaluation.readout)()
    fold = folds_of(groups, evaluation.folds, rng)
    concepts = batch.concepts[list(setup.located)]
    found = targets_of(concepts, groups, readout, nulls=evaluation.nulls, rng=rng, sequences=setup.schedule.seeds == 1)
    return Exam(setup, world, batch, Targets(*found, readout, fold, groups))


def sites_of(setup: Setup) -> list[str]:
    """``hook@moment`` for every hook of the learner and every moment of the world."""
    world = setup.make_world()
    learner = LearnerLifetime.twin(setup, 0)
    return [f"{hook}@{moment}" for hook in learner.read_points for moment in world.moments]
