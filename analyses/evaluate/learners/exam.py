"""The held-out episodes on which all learners of a run are examined."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from imprint.analyses.locate.reading import Target
from imprint.analyses.locate.targets import targets_of
from imprint.models.chance import generator
from imprint.models.lifetimes.learner import LearnerLifetime
from imprint.models.setup.learner import Setup
from imprint.models.worlds.base import Batch, World
from imprint.probes.readouts.base import READOUTS
from imprint.probes.samples.controls import Ints, compact_groups, folds_of


class Exam(NamedTuple):
    """The held-out episodes every subject of a run is examined on, and how they are split."""

    world: World
    batch: Batch
    targets: list[Target]
    problems: dict[str, str]
    fold: Ints
    groups: Ints


def exam_of(setup: Setup) -> Exam:
    """The same exam for every seed, age and twin of a setup."""
    world = setup.make_world().held_out()
    batch = world.sample(setup.evaluation.episodes, rng=generator("exam"), design="balanced")
    rng = np.random.default_rng(int(torch.randint(0, 2**31, (1,), generator=generator("exam split"))))
    groups = compact_groups(batch.groups, len(batch))
    fold = folds_of(groups, setup.evaluation.folds, rng)
    targets, problems = targets_of(
        batch.concepts[list(setup.located)],
        groups,
        setup.evaluation.nulls,
        rng,
        READOUTS.load(setup.evaluation.readout)(),
    )
    return Exam(world, batch, targets, problems, fold, groups)


def sites_of(setup: Setup) -> list[str]:
    """``hook@moment`` for every hook of the learner and every moment of the world."""
    world = setup.make_world()
    learner = LearnerLifetime.twin(setup, 0)
    return [f"{hook}@{moment}" for hook in learner.read_points for moment in world.moments]
