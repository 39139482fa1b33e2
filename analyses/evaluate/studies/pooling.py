"""The models of a study, pooled over seeds into the findings that a run of our own learners has."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import pandas as pd

from imprint.analyses.engine import Cell
from imprint.analyses.evaluate.learners.cells import check_instruments
from imprint.analyses.evaluate.learners.exam import Examined
from imprint.analyses.evaluate.learners.latch import LatchRecord
from imprint.analyses.evaluate.learners.pooled import latch_findings, not_measurable
from imprint.analyses.evaluate.learners.procedure import PLANTED_SEED, LearnerProcedure
from imprint.analyses.evaluate.learners.robustness import limits_of_size, power_findings
from imprint.analyses.evaluate.procedure import Pooling, stored_tables
from imprint.analyses.evaluate.studies.evidence import Kept, keys_in, read_kept
from imprint.analyses.evaluate.studies.exam import read_exam
from imprint.analyses.findings import findings
from imprint.analyses.latch.arguments import sign_of
from imprint.analyses.latch.shares import Design
from imprint.analyses.locate.stored import Floors, read_floors
from imprint.models.errors import NotMeasurableError
from imprint.models.files import write_table
from imprint.models.setup.study import StudySetup
from imprint.models.store import RunFolder

INPUT = "input"
"""The moment under which the raw input's floor is stored: all sites share one."""
NOT_FINITE = "values of every seed are NaN or infinite in some rows"
NO_VALUE = "no values were given, so what a value depends on was not asked"


class StudyPooling(Pooling[StudySetup]):
    """Seeds and ages are those that were added."""

    rule = LearnerProcedure.rule

    def __init__(self, setup: StudySetup, folder: RunFolder) -> None:
        trained = [key for key in keys_in(folder) if not key.untrained]
        self.twins = [key for key in keys_in(folder) if key.untrained]
        self.trained = trained
        ages, seeds = sorted({key.age for key in trained}), sorted({key.seed for key in trained})
        super().__init__(setup, folder, ages=ages, seeds=seeds)

    @property
    def reached(self) -> list[int]:
        """Seeds that were added at the last age."""
        return [key.seed for key in self.trained if key.age == self.ages[-1]]

    def raising(self) -> list[Cell]:
        """Nothing: the models were trained elsewhere."""
        return []

    def examining(self, seeds: Sequence[int]) -> list[Cell]:
        """The planted controls, and what a study of this size could show; the models were examined when added."""
        planted, power = self.folder.cell("planted"), self.folder.cell(f"power-{len(seeds)}")
        return [
            Cell("planted controls", check_instruments, (planted, PLANTED_SEED), (planted,)),
            Cell("power", measure_power, (self.setup, self.folder, len(seeds)), (power,)),
        ]

    def pooling(self) -> Iterator[pd.DataFrame]:
        """Diverged models, what can be read, the latch, controls and limits."""
        exam, design = read_exam(self.folder, self.setup), None
        regression = {target.name: target.regression for target in exam.targets.concepts}
        try:
            design, problem = exam.design, ""
        except NotMeasurableError as error:
            problem = str(error)
        kept = [read_kept(self.folder, key, regression, design) for key in self.trained]
        twins = [read_kept(self.folder, key, regression, design) for key in self.twins]
        yield self.diverged(kept)
        yield self._located(exam, kept, twins)
        yield self._latch(exam, kept, twins, design, problem)
        yield self._limits(exam, kept)
        names = ("planted", f"power-{len(self.reached)}", "limits")
        yield from stored_tables(self.folder.cell(name) for name in names)

    def diverged(self, kept: Sequence[Kept]) -> pd.DataFrame:
        """A row for every seed whose values stopped being finite, with its last good age."""
        rows = []
        for seed in sorted({one.key.seed for one in kept if one.diverged}):
            bad = min(one.key.age for one in kept if one.diverged and one.key.seed == seed)
            good = [one.key.age for one in kept if one.key.seed == seed and one.key.age < bad]
            why = f"its values are not finite at age {bad}"
            about = {"age": max(good) if good else None, "seed": seed, "seeds": 1, "verdict": "diverged", "why": why}
            rows.append({"analysis": "lifetime", "metric": "diverged", "estimate": 1.0, **about})
        return findings(rows)

    def _located(self, exam: Examined, kept: Sequence[Kept], twins: Sequence[Kept]) -> pd.DataFrame:
        """Which concepts can be read where and since when, beside twins and input."""
        sites = kept[0].sites
        inputs = {concept: sums for (_, concept), sums in read_floors(self.folder, 0).inputs.items()}
        whole = [twin.readings for twin in twins if not twin.diverged]
        cells = set.intersection(*(set(readings) for readings in whole)) if whole else set()
        untrained = {cell: {t: readings[cell].sums for t, readings in enumerate(whole)} for cell in sorted(cells)}
        moments = {site.rpartition("@")[2] for site in sites}
        floors = Floors(untrained, {(moment, concept): sums for moment in moments for concept, sums in inputs.items()})
        return self.grid(
            {seed: {k.key.age: k.readings for k in kept if k.key.seed == seed} for seed in self.seeds},
            dict.fromkeys(self.seeds, floors),
            [exam.targets],
            [(age, site, concept) for age in self.ages for site in sites for concept in self.setup.located],
        )

    def _latch(
        self, exam: Examined, kept: Sequence[Kept], twins: Sequence[Kept], design: Design | None, problem: str
    ) -> pd.DataFrame:
        """What the value depends on, pooled at every age."""
        if design is None:
            return not_measurable(exam, problem, age=self.ages[-1])
        records = []
        for seed in self.seeds:
            own = [one for one in kept if one.key.seed == seed and one.profile is not None]
            shares = {one.key.age: one.profile.cells for one in own if one.profile is not None}
            effects = {one.key.age: dict(one.profile.effects) for one in own if one.profile is not None}
            rows = [one.rows for one in kept if one.key.seed == seed and len(one.rows)]
            if shares or rows:
                table = findings(pd.concat(rows, ignore_index=True)) if rows else findings([])
                records.append(LatchRecord(seed, 0, table, shares, effects))
        if not records:
            why = NOT_FINITE if any(one.diverged for one in kept) else NO_VALUE
            return not_measurable(exam, why, age=self.ages[-1])
        floor = [twin.profile.cells for twin in twins if twin.profile is not None]
        sign = sign_of(design.levels[0], self.setup.rewarded)
        return latch_findings(exam, records, floor, ages=self.ages, sign=sign)

    def _limits(self, exam: Examined, kept: Sequence[Kept]) -> pd.DataFrame:
        """What the verdict can never say, and what is lacking, in sentences."""
        last, reached = self.ages[-1], self.reached
        limits = limits_of_size(exam, len(self.seeds))
        if late := [seed for seed in self.seeds if seed not in reached]:
            ended = ", ".join(f"seed {s} ends at {max(k.age for k in self.trained if k.seed == s):,}" for s in late)
            limits.append(f"The verdict at age {last:,} rests on {len(reached)} of {len(self.seeds)} seeds: {ended}.")
        if len({one.sites for one in kept}) > 1:
            limits.append("Not all models were read at the same sites.")
        row = {"analysis": "latch", "metric": "limit", "concept": self.setup.intended, "estimate": 1.0}
        return findings([{**row, "why": text} for text in limits])


def measure_power(setup: StudySetup, folder: RunFolder, seeds: int) -> None:
    """What words a study of ``seeds`` training seeds says when the truth is known."""
    nothing: Callable[[int, int, str], None] = lambda done, total, what: None  # noqa: E731
    table = power_findings(read_exam(folder, setup), seeds, [], say=nothing)
    write_table(folder.cell(f"power-{seeds}"), table)
