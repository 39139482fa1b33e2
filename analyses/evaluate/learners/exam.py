"""The held-out episodes on which all learners of a run are examined."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from imprint.analyses.latch.shares import CellSums, Design, design_of, measure
from imprint.analyses.locate.targets import Targets, targets_of
from imprint.models.chance import generator
from imprint.models.lifetimes.learner import LearnerLifetime, ideal_signals
from imprint.models.setup.learner import Setup
from imprint.models.setup.study import StudySetup
from imprint.models.store import RunFolder
from imprint.models.worlds.base import Batch, World
from imprint.probes.readouts.base import READOUTS
from imprint.probes.samples.controls import Ints, compact_groups, folds_of
from imprint.probes.subjects.subject import Subject


@dataclass(frozen=True)
class Examined:
    """The held-out rows on which all subjects of one world are examined, as pooling needs them."""

    setup: Setup | StudySetup
    concepts: pd.DataFrame
    """True concepts of every row."""
    groups: Ints
    """``[n]`` group of each row."""
    targets: Targets

    @property
    def names(self) -> tuple[str, ...]:
        """Intended concept first, then the proxies."""
        return (self.setup.intended, *self.setup.proxies)

    @property
    def equal(self) -> bool:
        """Whether every combination of concepts weighs the same."""
        return self.setup.evaluation.weights == "equal"

    @property
    def design(self) -> Design:
        """The cells of intended concept and proxies. Raises :class:`NotMeasurableError`."""
        return design_of(self.concepts, self.names, equal=self.equal)[0]

    def sums(self, values: NDArray[np.floating]) -> CellSums:
        """Sums of values ``[n]``, from which shares follow."""
        return measure(values, self.concepts, self.groups, self.names, equal=self.equal)


@dataclass(frozen=True)
class Exam(Examined):
    """Held-out rows of a world that can be shown to a subject."""

    world: World
    batch: Batch

    def cells(self, subject: Subject) -> CellSums:
        """Sums of a subject's value."""
        return self.sums(subject.values(self.batch.observation).double().numpy())


@dataclass(frozen=True)
class SetupExam(Exam):
    """The exam of a setup's own learners."""

    setup: Setup
    number: int
    """Which of the setup's worlds it is."""

    def subject(self, folder: RunFolder, seed: int, age: int, *, whole: bool = True) -> Subject:
        """One seed at one age, taken from a run; ``whole``: see :meth:`Subject.of_learner`."""
        kept = LearnerLifetime.revive(self.setup, folder, seed, age)
        return Subject.of_learner(kept.learner, self.world, kept.weight, kept.bias, whole=whole)


def exam_of(setup: Setup, number: int | None = None) -> SetupExam:
    """The same exam for every seed, age and twin of a world; ``number``: which one, in a setup with several.

    Raises :class:`ImprintError` without a number in a setup with several worlds.
    """
    number = setup.one_world(number)
    world, batch = rows_of_exam(setup, number)
    targets = exam_targets(setup, batch.concepts, batch.groups, sequences=setup.schedule.seeds == 1)
    return SetupExam(setup, batch.concepts, batch.groups, targets, world, batch, number)


def rows_of_exam(setup: Setup, number: int) -> tuple[World, Batch]:
    """The held-out world of a number, and the rows on which every seed, age and twin in it is examined."""
    world = setup.make_world(number).held_out()
    return world, world.sample(setup.evaluation.episodes, rng=generator("exam"), design="balanced")


def exam_targets(setup: Setup | StudySetup, concepts: pd.DataFrame, groups: Ints, *, sequences: bool) -> Targets:
    """The concepts of a setup as targets; ``sequences``: whether label sequences are permuted among groups, too."""
    evaluation, readout = setup.evaluation, READOUTS.load(setup.evaluation.readout)()
    rng = np.random.default_rng(int(torch.randint(0, 2**31, (1,), generator=generator("exam split"))))
    compact = compact_groups(groups, len(concepts))
    fold = folds_of(compact, evaluation.folds, rng)
    located = concepts[list(setup.located)]
    found = targets_of(located, compact, readout, nulls=evaluation.nulls, rng=rng, sequences=sequences)
    return Targets(*found, readout, fold, compact)


def sites_of(setup: Setup) -> list[str]:
    """``hook@moment`` for every hook of the learner and every moment of the world."""
    world = setup.make_world(0)
    learner = LearnerLifetime.twin(setup, 0)
    return [f"{hook}@{moment}" for hook in learner.read_points for moment in world.moments]


def signal_sign(setup: Setup, world: World) -> int:
    """1 when the signal that teaches the assessor is larger at the last level of the intended concept, else -1."""
    batch = world.sample(512, rng=generator("sign of the signal"), design="balanced")
    signals = ideal_signals(setup, world, batch, "sign of the signal")
    signal = signals[setup.assessor["signal"]].mean(1).numpy()
    level = pd.factorize(batch.concepts[setup.intended], sort=True)[0]
    return 1 if signal[level == level.max()].mean() >= signal[level == 0].mean() else -1
