"""How a setup of learners is evaluated."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from imprint.analyses.engine import Cell
from imprint.analyses.evaluate.learners.cells import check_instruments, measure_floors, read_seed
from imprint.analyses.evaluate.learners.exam import Exam, exam_of, signal_sign, sites_of
from imprint.analyses.evaluate.learners.latch import (
    LatchRecord,
    exam_design,
    files_of,
    judge_latch,
    measure_twins,
    record_of,
    twins_file,
    twins_of,
)
from imprint.analyses.evaluate.learners.pictures import draw_pictures, picture_files
from imprint.analyses.evaluate.learners.robustness import measure_power, multiverse_rows
from imprint.analyses.evaluate.procedure import Procedure, independent, resampling_rng, stored_tables
from imprint.analyses.findings import findings
from imprint.analyses.latch.decision import judge, undetermined
from imprint.analyses.latch.floor import bounds, twin_shares
from imprint.analyses.latch.pooling import pool
from imprint.analyses.latch.shares import INTERACTION, RESIDUAL
from imprint.analyses.latch.tables import (
    effect_table,
    share_rows,
    share_table,
    twin_rows,
    twin_sentence,
    twin_table,
    verdict_rows,
)
from imprint.analyses.locate.stored import floors_cell, floors_file, readings_file
from imprint.analyses.statistics import Floats, mean_of_all
from imprint.analyses.verdicts import UNDETERMINED, scope
from imprint.models.chance import generator
from imprint.models.errors import ImprintError, NotMeasurableError
from imprint.models.lifetimes.learner import LearnerLifetime, signals_of
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
        setup, world = self.setup, self.setup.make_world(0)
        if setup.decision.edition != EDITION:
            raise ImprintError(
                f"decision.edition is {setup.decision.edition}; expected {EDITION}. Runs under an older rule can be "
                "read, but not made."
            )
        signals_of(setup.make_signals(), world, world.sample(2, rng=generator("rehearsal")), generator("rehearsal"))
        learner = setup.make_learner(frame_of(world), rng=generator("rehearsal"))
        setup.make_assessor(1, int(learner.latents(world.sample(1, rng=generator("rehearsal")).observation).shape[-1]))
        READOUTS.load(setup.evaluation.readout)
        for number in range(setup.schedule.worlds):
            exam_of(setup, number)

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
        pictures = Cell("pictures", draw_pictures, (*common, seeds[0]), picture_files(self.folder))
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

    def _latch(self, exams: Sequence[Exam]) -> pd.DataFrame:
        """Shares and dominance pooled at every age, effects and the verdict at the last, and the rows of every seed."""
        setup, last, exam = self.setup, self.ages[-1], exams[0]
        try:
            designs = [exam_design(each) for each in exams]
        except NotMeasurableError as error:
            row = {"analysis": "latch", "metric": "latch", "concept": setup.intended, "age": last}
            return findings([{**row, "verdict": UNDETERMINED, "why": f"Not measurable: {error}."}])
        files = {seed: files_of(self.folder, seed) for seed in self.seeds}
        numbers = {seed: setup.schedule.world_of(seed) for seed in self.seeds}
        whole = [seed for seed, found in files.items() if all(file.exists() for file in found)]
        records = [record_of(self.folder, seed, designs[numbers[seed]], numbers[seed]) for seed in whole]
        twins = twin_shares(twins_of(self.folder, designs), len(exam.names))
        sign = signal_sign(setup, exam.world)
        tables = [self._at_age(age, records, exam, twins, sign) for age in self.ages]
        tables += [twin_rows(twin_table(twins, exam.names, max(len(records), 1))).assign(age=last)]
        tables += [*(record.findings for record in records), *_means(records)]
        return findings(pd.concat([findings(t) for t in tables], ignore_index=True).assign(analysis="latch"))

    def _at_age(self, age: int, records: Sequence[LatchRecord], exam: Exam, twins: Floats, sign: int) -> pd.DataFrame:
        """What the value of all seeds that reached an age depends on there."""
        setup = self.setup
        reached = [(r.profile(age), r) for r in records if age in r.shares]
        varying = [profile for profile, _ in reached if not profile.cells.constant]
        worlds = [record.world for profile, record in reached if not profile.cells.constant]
        if not varying:
            why = "the value does not vary at this age, or no seed reached it"
            shares = pd.DataFrame({"concept": [*exam.names, INTERACTION, RESIDUAL]})
            rows = share_rows(shares.assign(share=float("nan"), low=float("nan"), high=float("nan")), why=why)
            if age == self.ages[-1]:
                rows = pd.concat([rows, verdict_rows(undetermined(exam.names, f"{why.capitalize()}."), shares)])
            return rows.assign(age=age)
        resamples = setup.evaluation.resamples
        pooled = pool(varying, resamples=resamples, rng=resampling_rng(f"latch {age}"), worlds=worlds)
        floor = bounds(twins, len(varying))
        judged = judge(pooled, floor, setup.decision, sign=sign)
        why = f"{judged.why}{twin_sentence(len(twins))} This holds {scope(pooled.seeds, pooled.worlds)}."
        judged = replace(judged, why=why)
        shares = share_table(pooled)
        tables = [share_rows(shares), verdict_rows(judged, shares)]
        if age == self.ages[-1]:
            tables.append(effect_table(pooled, {}).rename(columns={"effect": "estimate"}).assign(metric="effect"))
            seeds = [record.seed for profile, record in reached if not profile.cells.constant]
            own = {"worlds": worlds, "seeds": seeds}
            tables.append(multiverse_rows(exam, varying, floor, judged.verdict, sign=sign, **own))
        else:
            tables[1] = tables[1][tables[1]["metric"] != "latch"]
        whole = pd.concat(tables, ignore_index=True).assign(age=age, seeds=pooled.seeds)
        return whole.assign(n=whole["n"].fillna(pooled.rows) if "n" in whole else pooled.rows)


def _means(records: Sequence[LatchRecord]) -> list[pd.DataFrame]:
    """Erasure, attribution and residual averaged over seeds, interval by Student's t over seeds or worlds."""
    if not records:
        return []
    table = pd.concat([record.findings for record in records], ignore_index=True)
    table = table[table["metric"].isin(["erasure_loss", "attribution", "residual"])]
    rows = []
    keys = ["metric", "concept", "site", "control", "age"]
    for key, part in table.groupby(keys, dropna=False, sort=False):
        mean = mean_of_all(independent(part))
        about: dict[str, Any] = dict(zip(keys, key, strict=True))
        n = part["n"].sum() if part["n"].notna().any() else None
        rows.append({**about, **mean.row(), "n": n, "seeds": int(part["estimate"].notna().sum())})
    return [findings(rows)]
