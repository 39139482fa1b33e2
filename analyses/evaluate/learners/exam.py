"""The held-out episodes on which all learners of a run are examined."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
import torch

from imprint.analyses.latch.shares import CellSums, measure
from imprint.analyses.locate.targets import Targets, targets_of
from imprint.models.chance import generator
from imprint.models.lifetimes.learner import LearnerLifetime, signals_of
from imprint.models.setup.learner import Setup
from imprint.models.store import RunFolder
from imprint.models.worlds.base import Batch, World
from imprint.probes.readouts.base import READOUTS
from imprint.probes.samples.controls import compact_groups, folds_of
from imprint.probes.subjects.subject import Subject


class Exam(NamedTuple):
    """The held-out episodes all subjects of one world are examined on, and the concepts that are read from them."""

    setup: Setup
    number: int
    """Which of the setup's worlds it is."""
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

    def cells(self, subject: Subject) -> CellSums:
        """Sums of a subject's value, from which shares follow."""
        values = subject.values(self.batch.observation).double().numpy()
        equal = self.setup.evaluation.weights == "equal"
        return measure(values, self.batch.concepts, self.batch.groups, self.names, equal=equal)


def exam_of(setup: Setup, number: int | None = None) -> Exam:
    """The same exam for every seed, age and twin of a world; ``number``: which one, in a setup with several.

    Raises :class:`ImprintError` without a number in a setup with several worlds.
    """
    evaluation, number = setup.evaluation, setup.one_world(number)
    world = setup.make_world(number).held_out()
    batch = world.sample(evaluation.episodes, rng=generator("exam"), design="balanced")
    rng = np.random.default_rng(int(torch.randint(0, 2**31, (1,), generator=generator("exam split"))))
    groups, readout = compact_groups(batch.groups, len(batch)), READOUTS.load(evaluation.readout)()
    fold = folds_of(groups, evaluation.folds, rng)
    concepts = batch.concepts[list(setup.located)]
    alone = setup.schedule.seeds == 1
    found = targets_of(concepts, groups, readout, nulls=evaluation.nulls, rng=rng, sequences=alone)
    return Exam(setup, number, world, batch, Targets(*found, readout, fold, groups))


def sites_of(setup: Setup) -> list[str]:
    """``hook@moment`` for every hook of the learner and every moment of the world."""
    world = setup.make_world(0)
    learner = LearnerLifetime.twin(setup, 0)
    return [f"{hook}@{moment}" for hook in learner.read_points for moment in world.moments]


def signal_sign(setup: Setup, world: World) -> int:
    """1 when the signal that teaches the assessor is larger at the last level of the intended concept, else -1."""
    batch = world.sample(512, rng=generator("sign of the signal"), design="balanced")
    signals = signals_of(setup.make_signals(), world, batch, generator("sign of the signal"))
    signal = signals[setup.assessor["signal"]].mean(1).numpy()
    level = pd.factorize(batch.concepts[setup.intended], sort=True)[0]
    return 1 if signal[level == level.max()].mean() >= signal[level == 0].mean() else -1
