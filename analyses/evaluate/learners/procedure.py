"""How a setup of learners is evaluated."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from imprint.analyses.engine import Cell
from imprint.analyses.evaluate.learners.cells import check_instruments, measure_floors, read_seed
from imprint.analyses.evaluate.learners.exam import Exam, exam_of, sites_of
from imprint.analyses.evaluate.learners.latch import LatchRecord, files_of, judge_latch, record_of
from imprint.analyses.evaluate.learners.pictures import draw_pictures, picture_files
from imprint.analyses.evaluate.procedure import Procedure, resampling_rng, stored_tables
from imprint.analyses.findings import findings
from imprint.analyses.latch.decision import decide
from imprint.analyses.latch.latch import pool_effects, pool_shares
from imprint.analyses.latch.shares import design_of
from imprint.analyses.locate.stored import floors_file, readings_file
from imprint.analyses.statistics import mean_of_all
from imprint.analyses.verdicts import UNDETERMINED
from imprint.models.chance import generator
from imprint.models.errors import NotMeasurableError
from imprint.models.lifetimes.learner import LearnerLifetime, signals_of
from imprint.models.setup.learner import Setup, frame_of
from imprint.probes.readouts.base import READOUTS

PLANTED_SEED = 0


class LearnerProcedure(Procedure[Setup]):
    """Learners are located, and their value is latched, on one set of held-out episodes."""

    lifetime = LearnerLifetime
    rule = ("imprint.analyses.latch.decision",)

    def rehearse(self) -> None:
        """Build every part and show it two episodes."""
        setup, world = self.setup, self.setup.make_world()
        signals_of(setup.make_signals(), world, world.sample(2, rng=generator("rehearsal")), generator("rehearsal"))
        learner = setup.make_learner(frame_of(world), rng=generator("rehearsal"))
        setup.make_assessor(1, int(learner.latents(world.sample(1, rng=generator("rehearsal")).observation).shape[-1]))
        READOUTS.load(setup.evaluation.readout)
        exam_of(setup)

    def raising(self) -> list[Cell]:
        """The seeds."""
        return self.raising_cells(self.setup, self.folder, self.seeds, name="seeds")

    def examining(self, seeds: Sequence[int]) -> list[Cell]:
        """The floors, the planted controls, readings and latch of every seed, and pictures of the first."""
        common, planted = (self.setup, self.folder), self.folder.cell("planted")
        floors = Cell("floors", measure_floors, common, (floors_file(self.folder),))
        controls = Cell("planted controls", check_instruments, (planted, PLANTED_SEED), (planted,))
        readings = [Cell(f"locate-seed-{s}", read_seed, (*common, s), (readings_file(self.folder, s),)) for s in seeds]
        latches = [Cell(f"latch-seed-{s}", judge_latch, (*common, s), files_of(self.folder, s)) for s in seeds]
        pictures = Cell("pictures", draw_pictures, (*common, seeds[0]), picture_files(self.folder))
        return [floors, controls, *readings, *latches, pictures]

    def pooling(self) -> Iterator[pd.DataFrame]:
        """Diverged seeds, what can be read, the latch, and the planted controls."""
        exam = exam_of(self.setup)
        yield self.diverged()
        yield self.located(exam.targets, sites=sites_of(self.setup), concepts=self.setup.located)
        yield self._latch(exam)
        yield from stored_tables([self.folder.cell("planted")])

    def _latch(self, exam: Exam) -> pd.DataFrame:
        """Shares pooled at every age, effects and the verdict pooled at the last, and the rows of every seed."""
        setup, last, resamples = self.setup, self.ages[-1], self.setup.evaluation.resamples
        verdict: dict[str, Any] = {"metric": "latch", "concept": setup.intended}
        try:
            design, _ = design_of(exam.batch.concepts, exam.names)
        except NotMeasurableError as error:
            return findings([{**verdict, "analysis": "latch", "verdict": UNDETERMINED, "why": str(error)}])
        records = [
            record_of(self.folder, seed, design)
            for seed in self.seeds
            if all(file.exists() for file in files_of(self.folder, seed))
        ]
        rows: list[dict[str, Any]] = []
        shares = pd.DataFrame()
        for age in self.ages:
            sums = [r.shares[age] for r in records if age in r.shares and not r.shares[age].constant]
            shares = pool_shares(sums, exam.names, resamples=resamples, rng=resampling_rng(f"shares {age}"))
            why = "" if sums else "the value does not vary at this age, or no seed reached it"
            rows += [{"metric": "share", "age": age, "why": why, **row} for row in _renamed(shares, "share")]
        finished = [r for r in records if last in r.shares]
        measured = {c: [r.effects[c] for r in finished if c in r.effects] for c in exam.names}
        effects = pool_effects(measured, resamples=resamples, rng=resampling_rng("effects"))
        rows += [{"metric": "effect", "age": last, **row} for row in _renamed(effects, "effect")]
        word, why = decide(shares, effects, setup.decision, intended=setup.intended)
        top = _renamed(shares.iloc[:1], "share")[0]
        rows.append({**top, **verdict, "age": last, "verdict": word, "why": why})
        tables = [findings(rows), *(r.findings for r in records), *_means(records)]
        return findings(pd.concat(tables, ignore_index=True).assign(analysis="latch"))


def _renamed(table: pd.DataFrame, name: str) -> list[dict[str, Any]]:
    """Rows of a table, with the column ``name`` as the estimate."""
    return [{str(k): v for k, v in row.items()} for row in table.rename(columns={name: "estimate"}).to_dict("records")]


def _means(records: Sequence[LatchRecord]) -> list[pd.DataFrame]:
    """Erasure and attribution averaged over seeds, interval by Student's t over seeds."""
    if not records:
        return []
    table = pd.concat([record.findings for record in records], ignore_index=True)
    table = table[table["metric"].isin(["erasure_loss", "attribution"])]
    rows = []
    keys = ["metric", "concept", "site", "control", "age"]
    for key, part in table.groupby(keys, dropna=False, sort=False):
        mean = mean_of_all(part["estimate"].dropna())
        about: dict[str, Any] = dict(zip(keys, key, strict=True))
        n = part["n"].sum() if part["n"].notna().any() else None
        rows.append({**about, **mean.row(), "n": n})
    return [findings(rows)]
