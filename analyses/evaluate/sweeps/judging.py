"""Verdicts of the cells of one upbringing, from latents that were read once.

The value of a cell is its assessor on these latents, so that a verdict costs a few matrix products, and the pooling and
the rule of a run: :func:`imprint.analyses.evaluate.learners.pooled.judged_at`. Cells whose assessors are the same at an
age, because their windows close later, have one value there.

Letters: n held-out rows, D width, m twins, C concepts.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from imprint.analyses.engine import Cell, Reporter
from imprint.analyses.evaluate.learners.exam import rows_of_exam, signal_sign
from imprint.analyses.evaluate.learners.pooled import judged_at
from imprint.analyses.evaluate.sweeps.lives import (
    BATCH,
    evaluation_digest,
    examined_alike,
    read_file,
    timed,
    twins_file,
)
from imprint.analyses.evaluate.sweeps.plan import SweptCell, Upbringing
from imprint.analyses.evaluate.sweeps.rows import failed_row, judged_row
from imprint.analyses.latch.effects import EffectSums, rows_to_change, summed_changes
from imprint.analyses.latch.floor import twin_shares
from imprint.analyses.latch.latch import balanced_rows
from imprint.analyses.latch.profile import Profile
from imprint.analyses.latch.shares import CellSums, Design, cell_sums, design_of
from imprint.analyses.statistics import Floats
from imprint.analyses.verdicts import UNDETERMINED
from imprint.models.errors import ImprintError, NotMeasurableError
from imprint.models.files import write_table
from imprint.models.lifetimes.lifetime import read_checkpoint
from imprint.models.lifetimes.shared import Along, Variant
from imprint.models.setup.learner import Setup
from imprint.models.store import RunFolder, part_of, read_tensors
from imprint.probes.door.rows import groups_of

AT_ONCE = 40
"""Cells that are judged in one piece of work; a constant, so that files do not depend on cores."""
Names = tuple[str, ...]


def verdicts_of(upbringing: Upbringing, folder: Path) -> list[Cell]:
    """Cells of work that judge the cells of an upbringing, some at once."""
    home, work = RunFolder(folder / upbringing.name), []
    for setups in examined_alike(upbringing.setups):
        digest = evaluation_digest(setups[0])
        alike = [c for c, s in zip(upbringing.cells, upbringing.setups, strict=True) if evaluation_digest(s) == digest]
        for start in range(0, len(alike), AT_ONCE):
            some = tuple(alike[start : start + AT_ONCE])
            name = f"{upbringing.name} cells {some[0].number}-{some[-1].number}"
            arguments = (upbringing, some, home, Reporter(folder / ".progress", name))
            work.append(timed(folder, Cell(name, judge_cells, arguments, (judged_file(home, some),))))
    return work


def judged_file(home: RunFolder, cells: Sequence[SweptCell]) -> Path:
    """Rows of some cells."""
    return home.cell(f"judged-{cells[0].number}-{cells[-1].number}")


def judge_cells(upbringing: Upbringing, cells: Sequence[SweptCell], home: RunFolder, say: Reporter) -> None:
    """Judge some cells of an upbringing that are examined alike, and write their rows."""
    write_table(judged_file(home, cells), pd.DataFrame(rows_judged(upbringing, cells, home, say)))


def rows_judged(
    upbringing: Upbringing, cells: Sequence[SweptCell], home: RunFolder, say: Callable[[int, int, str], None]
) -> list[dict[str, Any]]:
    """Rows of such cells."""
    variants = dict(zip((c.number for c in upbringing.cells), Along.of(upbringing.setups).variants, strict=True))
    judging, rows = Judging(cells, upbringing.setups[0], home), []
    for done, cell in enumerate(cells, start=1):
        try:
            rows.append(judging.row(cell, variants[cell.number]))
        except ImprintError as error:
            rows.append(failed_row(cell, str(error)))
        say(done, len(cells), "verdicts")
    return rows


class Judging:
    """Some cells of one upbringing that are examined alike, with what they have in common."""

    def __init__(self, cells: Sequence[SweptCell], first: Setup, home: RunFolder) -> None:
        setup = cells[0].setup
        assert isinstance(setup, Setup)
        self.setup, self.home, schedule = setup, home, setup.schedule
        self.exams = [Rows(setup, number) for number in range(schedule.worlds)]
        latches = [Rows(setup, number, latch=True) for number in range(schedule.worlds)]
        seeds = range(schedule.first_seed, schedule.first_seed + schedule.seeds)
        self.seeds = [
            SeedRead(setup, first, home, seed, (self.exams[number], latches[number]))
            for seed, number in ((seed, schedule.world_of(seed)) for seed in seeds)
            if read_file(home, seed, setup).exists()
        ]
        self._signs: dict[str, int] = {}

    def row(self, cell: SweptCell, variant: Variant) -> dict[str, Any]:
        """The row of one cell. Raises :class:`ImprintError` for values that are not finite."""
        setup = cell.setup
        assert isinstance(setup, Setup)
        names, last, by_age = (setup.intended, *setup.proxies), setup.planned[-1], {}
        diverged = sum(last not in seed.ages for seed in self.seeds)
        try:
            floor = self.floor(names)
            for age in setup.planned:
                profiles = [(s, s.profile(names, variant, setup, age)) for s in self.seeds if age in s.ages]
                varying = [(s.world, profile) for s, profile in profiles if not profile.cells.constant]
                if varying:
                    worlds, given = [world for world, _ in varying], [profile for _, profile in varying]
                    by_age[age] = judged_at(age, given, worlds, setup, floor, sign=self.sign(setup))
        except NotMeasurableError as error:
            return failed_row(cell, f"Not measurable: {str(error).rstrip('.')}.", verdict=UNDETERMINED)
        if last not in by_age:
            why = f"{diverged} of {len(self.seeds)} seeds diverged" if diverged else "the value does not vary"
            why = f"{why}: nothing can be judged at the last age."
            return failed_row(cell, why, verdict=UNDETERMINED, diverged=diverged)
        return judged_row(cell, by_age, last, diverged=diverged)

    @cache  # noqa: B019 (as long as the piece of work)
    def floor(self, names: Names) -> Floats:
        """Shares of untrained twins, ``[m, C + 2]``."""
        if not (file := twins_file(self.home, self.setup)).exists():
            return twin_shares([], len(names))
        values = part_of(read_tensors(file)[0], "value|")
        worlds = {t: self.exams[self.setup.schedule.world_of(t)] for t in sorted(map(int, values))}
        return twin_shares([rows.sums(values[str(t)], names) for t, rows in worlds.items()], len(names))

    def sign(self, setup: Setup) -> int:
        """What :func:`imprint.analyses.evaluate.learners.exam.signal_sign` says in the first world."""
        key = json.dumps([setup.steering, setup.scorecard, setup.assessor["signal"], setup.intended], sort_keys=True)
        if key not in self._signs:
            self._signs[key] = signal_sign(setup, self.setup.make_world(0).held_out())
        return self._signs[key]


class Rows:
    """The rows of the exam in one world, or of the latch at the last age, and the designs of concepts on them."""

    def __init__(self, setup: Setup, number: int, *, latch: bool = False) -> None:
        world, batch = rows_of_exam(setup, number)
        batch = balanced_rows(world, setup.evaluation.episodes) if latch else batch
        self.concepts, self.groups, self.number = batch.concepts, batch.groups, number
        self.equal = setup.evaluation.weights == "equal"

    @cached_property
    def group(self) -> NDArray[np.int64]:
        """``[n]`` number of the group of each row."""
        found = groups_of(self.groups, (len(self.groups),), None)
        assert found is not None
        return found

    @cache  # noqa: B019
    def design(self, names: Names) -> tuple[Design, NDArray[np.int64]]:
        """The cells of some concepts, and that of each row. Raises :class:`NotMeasurableError`."""
        return design_of(self.concepts, names, equal=self.equal)

    @cache  # noqa: B019
    def changed(self, concept: str) -> list[NDArray[np.int64]]:
        """Rows that are changed to each level of a concept."""
        return [rows for rows, _ in rows_to_change(self.concepts[concept]) if len(rows)]

    def sums(self, value: Tensor, names: Names) -> CellSums:
        """Sums of a value ``[n]``. Raises :class:`NotMeasurableError`."""
        values = numbers(value)
        if bad := int((~np.isfinite(values)).sum()):
            raise NotMeasurableError(f"{bad} of {len(values)} values are NaN or infinite")
        return cell_sums(values, *self.design(names), self.group)


class SeedRead:
    """One trained seed: its latents, and what every assessor has learned of them."""

    def __init__(self, setup: Setup, first: Setup, home: RunFolder, seed: int, rows: tuple[Rows, Rows]) -> None:
        self.exam, self.latch = rows
        self.world = self.exam.number
        stored = read_tensors(read_file(home, seed, setup))[0]
        tensors = {name: value.clone() for name, value in stored.items()}  # aligned, as products round otherwise
        self.latents = {int(age): latents for age, latents in part_of(tensors, "latents|").items()}
        self.changed = part_of(tensors, "changed|")
        self.ages = sorted(self.latents)
        self.along = {
            age: {k: v for k, v in read_checkpoint(first, home, seed, age).items() if k.startswith(("track", "closed"))}
            for age in self.ages
        }
        self._sums: dict[tuple[int, str, Names], CellSums] = {}
        self._readouts: dict[tuple[int, str], tuple[Tensor, Tensor]] = {}

    def value(self, variant: Variant, setup: Setup, age: int) -> Floats:
        """Value ``[n]`` of a variant on the held-out rows of an age, those of the latch at the last one."""
        return numbers(valued(self.latents[age], self._readout(variant, setup, age)[1]))

    def profile(self, names: Names, variant: Variant, setup: Setup, age: int) -> Profile:
        """What the value of a variant depends on at an age; at the last one with effects, as in a run."""
        name, readout = self._readout(variant, setup, age)
        if (age, name, names) not in self._sums:
            rows = self.latch if age == self.ages[-1] else self.exam
            self._sums[age, name, names] = rows.sums(valued(self.latents[age], readout), names)
        cells = self._sums[age, name, names]
        effects = {} if age != self.ages[-1] or cells.constant else self._effects(names, readout)
        return Profile(cells, effects)

    def _readout(self, variant: Variant, setup: Setup, age: int) -> tuple[str, tuple[Tensor, Tensor]]:
        """Weight and bias of a variant at an age, and a name: variants of one name have the same."""
        name, learned = Along.kept(variant, self.along[age])
        if (age, name) not in self._readouts:
            assessor = setup.make_assessor(1, self.latents[age].shape[-1])
            assessor.load(0, learned)
            self._readouts[age, name] = assessor.linear(0)
        return name, self._readouts[age, name]

    def _effects(self, names: Names, readout: tuple[Tensor, Tensor]) -> dict[str, EffectSums]:
        """Sums of the effect of every concept that the world can change."""
        values, cell = numbers(valued(self.latents[self.ages[-1]], readout)), self.latch.design(names)[1]
        effects = {}
        for name in names:
            levels = sorted(part_of(self.changed, f"{name}|").items(), key=lambda item: int(item[0]))
            if levels:
                there = [numbers(valued(latents, readout)) for _, latents in levels]
                changed = list(zip(self.latch.changed(name), there, strict=True))
                effects[name] = summed_changes(values, changed, self.latch.groups, cell)
        return effects


def valued(latents: Tensor, readout: tuple[Tensor, Tensor]) -> Tensor:
    """Value ``[n]`` of latents ``[n, D]``, in the batches of a run."""
    weight, bias = readout
    return torch.cat([rows @ weight + bias for rows in latents.split(BATCH)])


def numbers(value: Tensor) -> Floats:
    """A value in double precision."""
    return np.asarray(value.double().numpy())
