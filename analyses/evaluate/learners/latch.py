"""The latch of one seed, as a cell: shares at every age, and everything at the last; and that of untrained twins.

What is stored are sums over groups, so that seeds can be pooled without running a model again. Tensors of
``cells/latch-seed-<k>.safetensors`` (letters: G groups, K cells, P pairs of levels):

    shares|<age>              float64 [G, K, 3]        :attr:`imprint.analyses.latch.shares.CellSums.sums`
    shares|<age>|scale        float64 [2]              rows, and the largest absolute value
    effect|<concept>          float64 [G, K, 1 + P]    :attr:`imprint.analyses.latch.effects.EffectSums.sums`, last age

and of ``cells/latch-twins.safetensors``: ``shares|<t>`` and ``shares|<t>|scale`` of the t-th untrained twin, which like
the t-th seed is examined in world t modulo their number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import torch
from torch import Tensor

from imprint.analyses.evaluate.learners.exam import Exam, exam_of
from imprint.analyses.evaluate.procedure import reporter
from imprint.analyses.findings import findings
from imprint.analyses.latch.effects import EffectSums
from imprint.analyses.latch.latch import Latch, latch
from imprint.analyses.latch.profile import Profile
from imprint.analyses.latch.shares import CellSums, Design
from imprint.models.chance import generator
from imprint.models.files import read_table, write_table
from imprint.models.lifetimes.learner import LearnerLifetime
from imprint.models.setup.learner import Setup
from imprint.models.store import RunFolder, read_tensors, write_tensors
from imprint.probes.subjects.subject import Subject


class LatchRecord(NamedTuple):
    """What pooling needs of one seed."""

    seed: int
    world: int
    """Number of its world."""
    findings: pd.DataFrame
    """Rows of this seed."""
    shares: dict[int, CellSums]
    """Age -> sums."""
    effects: dict[int, dict[str, EffectSums]]
    """Age at which concepts were changed -> concept -> sums."""

    def profile(self, age: int) -> Profile:
        """What the value depended on at an age."""
        return Profile(self.shares[age], self.effects.get(age, {}))


def files_of(folder: RunFolder, seed: int) -> tuple[Path, Path]:
    """Findings and sums of one seed's latch."""
    return folder.cell(f"latch-seed-{seed}"), folder.path / "cells" / f"latch-seed-{seed}.safetensors"


def twins_file(folder: RunFolder) -> Path:
    """Sums of untrained twins."""
    return folder.path / "cells" / "latch-twins.safetensors"


def judge_latch(setup: Setup, folder: RunFolder, seed: int) -> None:
    """Shares at every age, and at the last age effects, erasure, attribution and the verdict of this seed."""
    exam, cell = exam_of(setup, setup.schedule.world_of(seed)), f"latch-seed-{seed}"
    ages = LearnerLifetime.living_ages(setup, folder, seed)
    tables: list[pd.DataFrame] = []
    tensors: dict[str, Tensor] = {}
    for i, age in enumerate(ages):
        subject = exam.subject(folder, seed, age, whole=False)
        if age == ages[-1]:
            judged = latch_of(subject, exam, subject.declared)
            tables.append(judged.findings.assign(age=age))
            if judged.profile is not None:
                tensors |= packed_sums(f"shares|{age}", judged.profile.cells)
                tensors |= packed_effects(judged.profile.effects)
        else:
            tensors |= packed_sums(f"shares|{age}", exam.cells(subject))
        reporter(folder, cell)(i + 1, len(ages), f"age {age}")
    rows = findings(pd.concat(tables, ignore_index=True)) if tables else findings([])
    table_file, sums_file = files_of(folder, seed)
    write_tensors(sums_file, tensors, cell=cell)
    named = rows.assign(setup=setup.run_name, seed=seed, world=setup.schedule.world_name(seed), seeds=1)
    write_table(table_file, findings(named))


def measure_twins(setup: Setup, folder: RunFolder) -> None:
    """Shares of untrained twins."""
    count, schedule = setup.evaluation.latch_twins, setup.schedule
    exams = {number: exam_of(setup, number) for number in range(min(count, schedule.worlds))}
    tensors: dict[str, Tensor] = {}
    for t in range(count):
        exam = exams[schedule.world_of(t)]
        tensors |= packed_sums(f"shares|{t}", exam.cells(untrained_subject(setup, exam, t)))
        reporter(folder, "latch-twins")(t + 1, count, "untrained twins")
    write_tensors(twins_file(folder), tensors, cell="latch-twins")


def untrained_subject(setup: Setup, exam: Exam, number: int) -> Subject:
    """An untrained twin: a newborn learner whose value is a random readout of its latents."""
    learner = LearnerLifetime.twin(setup, number)
    width = int(learner.latents(exam.batch.observation[:1]).shape[-1])
    weight = torch.randn(width, generator=generator("untrained value", number))
    return Subject.of_learner(learner, exam.world, weight, torch.zeros(()), whole=False)


def latch_of(subject: Subject, exam: Exam, sites: Sequence[str] | None, *, rewarded: str | None = None) -> Latch:
    """All that the latch measures of one subject, as the exam's setup says; ``sites``: where concepts are erased."""
    evaluation = exam.setup.evaluation
    return latch(
        subject,
        exam.world,
        intended=exam.setup.intended,
        proxies=exam.setup.proxies,
        sites=sites,
        n=evaluation.episodes,
        decision=exam.setup.decision,
        equal=exam.equal,
        rewarded=rewarded,
        resamples=evaluation.resamples,
        placebos=evaluation.placebos,
    )


def packed_effects(effects: Mapping[str, EffectSums]) -> dict[str, Tensor]:
    """Concept -> sums, as tensors."""
    return {f"effect|{concept}": torch.from_numpy(sums.sums) for concept, sums in effects.items()}


def unpacked_effects(tensors: Mapping[str, Tensor]) -> dict[str, EffectSums]:
    """What :func:`packed_effects` packed; other tensors are left out."""
    return {key[7:]: EffectSums(value.numpy()) for key, value in tensors.items() if key.startswith("effect|")}


def packed_sums(key: str, sums: CellSums) -> dict[str, Tensor]:
    """Sums of a value as tensors; see the module docstring."""
    scale = torch.tensor([float(sums.rows), sums.scale], dtype=torch.float64)
    return {key: torch.from_numpy(sums.sums), f"{key}|scale": scale}


def unpacked_sums(tensors: Mapping[str, Tensor], design: Design) -> dict[int, CellSums]:
    """Age or twin -> sums."""
    sums = {}
    for key, value in tensors.items():
        kind, *rest = key.split("|")
        if kind == "shares" and len(rest) == 1:
            rows, scale = tensors[f"{key}|scale"].tolist()
            sums[int(rest[0])] = CellSums(design, value.numpy(), int(rows), scale)
    return sums


def record_of(folder: RunFolder, seed: int, design: Design, world: int) -> LatchRecord:
    """What :func:`judge_latch` wrote. ``design``: cells of the exam of the seed's ``world``, which every age shares."""
    table_file, sums_file = files_of(folder, seed)
    tensors, _ = read_tensors(sums_file)
    shares = unpacked_sums(tensors, design)
    effects = {max(shares): unpacked_effects(tensors)} if shares else {}
    return LatchRecord(seed, world, read_table(table_file), shares, effects)


def twins_of(folder: RunFolder, designs: Sequence[Design]) -> list[CellSums]:
    """What :func:`measure_twins` wrote; nothing when it failed. ``designs``: of every world."""
    if not twins_file(folder).exists():
        return []
    unpacked = unpacked_sums(read_tensors(twins_file(folder))[0], designs[0])
    return [replace(sums, design=designs[t % len(designs)]) for t, sums in unpacked.items()]
