"""How a setup of learners is evaluated."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd

from imprint.analyses.engine import Cell
from imprint.analyses.evaluate.learners.cells import check_instruments, measure_floors, read_seed
from imprint.analyses.evaluate.learners.exam import SetupExam, exam_of, signal_sign, sites_of
from imprint.analyses.evaluate.learners.latch import (
    files_of,
    judge_latch,
    measure_twins,
    record_of,
    twins_file,
    twins_of,
)
from imprint.analyses.evaluate.learners.pictures import draw_pictures, picture_files
from imprint.analyses.evaluate.learners.pooled import latch_findings, not_measurable
from imprint.analyses.evaluate.learners.robustness import measure_power
from imprint.analyses.evaluate.places import places_file
from imprint.analyses.evaluate.procedure import Procedure, stored_tables
from imprint.analyses.locate.stored import floors_cell, floors_file, readings_file
from imprint.models.assessors.base import Owner
from imprint.models.chance import generator
from imprint.models.errors import ImprintError, NotMeasurableError
from imprint.models.lifetimes.learner import LearnerLifetime, ideal_signals
from imprint.models.setup.learner import Setup, frame_of
from imprint.probes.readouts.base import READOUTS

PLANTED_SEED = 0
EDITION = 2
"""Edition of the rule that is applied."""


class LearnerProcedure(Procedure[Setup]):
    """Learners are located, and their value is latched, on one set of held-out episodes."""

    lifetime = LearnerLifetime
    rule = tuple(
        f"imprint.analyses.latch.{name}" for name in ("decision", "floor", "pooling", "profile", "shares", "effects")
    )

    def rehearse(self) -> None:
        """Build every part and show it two episodes."""
        try_parts(self.setup)
        READOUTS.load(self.setup.evaluation.readout)
        for number in range(self.setup.schedule.worlds):
            exam_of(self.setup, number)

    def raising(self) -> list[Cell]:
        """What a run of this size could show, and the seeds."""
        power = Cell("power", measure_power, (self.setup, self.folder), (self.folder.cell("power"),))
        return [power, *self.raising_cells(self.setup, self.folder, self.seeds, name="seeds")]

    def examining(self, seeds: Sequence[int]) -> list[Cell]:
        """The floors, the planted controls, readings and latch of every seed, and pictures of the first."""
        common, planted = (self.setup, self.folder), self.folder.cell("planted")
        worlds = range(self.setup.schedule.worlds)
        floors = [Cell(floors_cell(w), measure_floors, (*common, w), (floors_file(self.folder, w),)) for w in worlds]
        controls = Cell("planted controls", check_instruments, (planted, PLANTED_SEED), (planted,))
        readings = [Cell(f"locate-seed-{s}", read_seed, (*common, s), (readings_file(self.folder, s),)) for s in seeds]
        twins = Cell("latch-twins", measure_twins, common, (twins_file(self.folder),))
        latches = [Cell(f"latch-seed-{s}", judge_latch, (*common, s), files_of(self.folder, s)) for s in seeds]
        pictures = Cell(
            "pictures", draw_pictures, (*common, seeds[0]), (*picture_files(self.folder), places_file(self.folder))
        )
        return [*floors, twins, controls, *readings, *latches, pictures]

    def pooling(self) -> Iterator[pd.DataFrame]:
        """Diverged seeds, what can be read, the latch, and the planted controls."""
        exams = [exam_of(self.setup, number) for number in range(self.setup.schedule.worlds)]
        yield self.worlds()
        yield self.diverged()
        targets = [exam.targets for exam in exams]
        yield self.located(targets, sites=sites_of(self.setup), concepts=self.setup.located)
        yield self._latch(exams)
        yield from stored_tables([self.folder.cell("planted"), self.folder.cell("power")])

    def _latch(self, exams: Sequence[SetupExam]) -> pd.DataFrame:
        """The latch pooled over the seeds whose cells were finished."""
        setup, numbers = self.setup, {seed: self.setup.schedule.world_of(seed) for seed in self.seeds}
        try:
            designs = [each.design for each in exams]
        except NotMeasurableError as error:
            return not_measurable(exams[0], error, age=self.ages[-1])
        files = {seed: files_of(self.folder, seed) for seed in self.seeds}
        whole = [seed for seed, found in files.items() if all(file.exists() for file in found)]
        records = [record_of(self.folder, seed, designs[numbers[seed]], numbers[seed]) for seed in whole]
        sign = signal_sign(setup, exams[0].world)
        return latch_findings(exams[0], records, twins_of(self.folder, designs), ages=self.ages, sign=sign)


def try_parts(setup: Setup) -> None:
    """Build world, signals, learner and assessor once; raises :class:`ImprintError` where they do not fit together."""
    if setup.decision.edition != EDITION:
        raise ImprintError(
            f"decision.edition is {setup.decision.edition}; expected {EDITION}. Runs under an older rule can be read, "
            "but not made."
        )
    world = setup.make_world(0)
    ideal_signals(setup, world, world.sample(2, rng=generator("rehearsal")), "rehearsal")
    frame = frame_of(world)
    if (lag := setup.assessor["lag"]) >= frame.steps:
        raise ImprintError(f"assessor.lag is {lag}; with {frame.steps} steps an episode at most {frame.steps - 1}.")
    learner = setup.make_learner(frame, rng=generator("rehearsal"))
    width = int(learner.latents(world.sample(1, rng=generator("rehearsal")).observation).shape[-1])
    first = setup.schedule.first_seed
    for assessor in (setup.make_assessor(1, width), *setup.make_scorecard(1, width).values()):
        for seed in range(first, first + setup.schedule.seeds):
            assessor.attach(0, Owner(seed, learner.latent_hook))
