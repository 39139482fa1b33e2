"""The latch of one seed, as a cell: shares at every age, the whole latch at the last, and pictures to look at.

What is stored are sums over groups, so that seeds can be pooled without running a model again.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import torch
from torch import Tensor

from imprint.analyses import engine
from imprint.analyses.evaluate.learners.exam import Exam, exam_of
from imprint.analyses.findings import findings
from imprint.analyses.latch.effects import EffectSums
from imprint.analyses.latch.latch import latch
from imprint.analyses.latch.shares import CellSums, Design, design_of, shares_only
from imprint.models.files import read_table, write_table
from imprint.models.lifetimes.learner import LearnerLifetime
from imprint.models.setup.learner import Setup
from imprint.models.store import RunFolder, read_tensors, write_tensors
from imprint.models.worlds.base import World
from imprint.probes.subjects.subject import Subject


class LatchRecord(NamedTuple):
    """What pooling needs of one seed."""

    findings: pd.DataFrame
    """Rows of this seed."""
    shares: dict[int, CellSums]
    """Age -> sums."""
    effects: dict[str, EffectSums]
    """Concept -> sums, last age."""


def files_of(folder: RunFolder, seed: int) -> tuple[Path, Path]:
    """Findings and sums of one seed's latch."""
    return folder.cell(f"latch-seed-{seed}"), folder.path / "cells" / f"latch-seed-{seed}.safetensors"


def judge_latch(data: dict[str, Any], path: Path, seed: int) -> None:
    """Shares at every age, and at the last age effects, erasure, attribution and the verdict of this seed."""
    torch.set_num_threads(1)
    setup, folder = Setup(**data), RunFolder(path)
    exam, name = exam_of(setup), f"latch-seed-{seed}"
    tables: list[pd.DataFrame] = []
    tensors: dict[str, Tensor] = {}
    ages = LearnerLifetime.living_ages(setup, folder, seed)
    for i, age in enumerate(ages[:-1]):
        values = subject_at(setup, folder, exam.world, seed, age).values(exam.batch.observation).numpy()
        shares = shares_only(
            values, exam.batch.concepts, exam.batch.groups, intended=setup.intended, proxies=setup.proxies
        )
        tables.append(_share_rows(shares.table, age, len(exam.batch), shares.why))
        if shares.sums is not None:
            tensors |= _packed(f"shares|{age}", shares.sums)
        engine.say(path / ".progress", name, i + 1, len(ages), f"age {age}")
    if ages:
        subject = subject_at(setup, folder, exam.world, seed, ages[-1])
        evaluation = setup.evaluation
        found = latch(
            subject, exam.world, intended=setup.intended, proxies=setup.proxies, sites=_sites(subject, exam),
            n=evaluation.episodes, decision=setup.decision, resamples=evaluation.resamples,
            placebos=evaluation.placebos,
        )  # fmt: skip
        tables.append(found.findings.assign(age=ages[-1]))
        if found.group_sums is not None:
            tensors |= _packed(f"shares|{ages[-1]}", found.group_sums)
        for concept, sums in found.effect_sums.items():
            tensors[f"effect|{concept}"] = torch.from_numpy(sums.sums)
            tensors[f"effect scale|{concept}"] = torch.tensor([sums.sd, float(sums.rows)], dtype=torch.float64)
    engine.say(path / ".progress", name, len(ages), len(ages), "writing")
    rows = findings(pd.concat(tables, ignore_index=True)) if tables else findings([])
    table_file, sums_file = files_of(folder, seed)
    write_tensors(sums_file, tensors, cell=name)
    write_table(table_file, findings(rows.assign(setup=setup.run_name, seed=seed, seeds=1)))


def subject_at(setup: Setup, folder: RunFolder, world: World, seed: int, age: int) -> Subject:
    """A lifetime at an age, ready to be examined."""
    kept = LearnerLifetime.revive(setup, folder, seed, age)
    return Subject.of_learner(kept.learner, world, kept.weight, kept.bias)


def _sites(subject: Subject, exam: Exam) -> list[str]:
    """Sites at or before the decision moment: nothing later can carry the value."""
    moments = exam.world.moments
    decision = moments[exam.world.decision] if exam.world.decision else max(moments.values())
    return [site for site in subject.declared if moments[site.rpartition("@")[2]] <= decision]


def _share_rows(table: pd.DataFrame, age: int, n: int, why: str) -> pd.DataFrame:
    rows = table.rename(columns={"share": "estimate"})
    return findings(rows.assign(analysis="latch", metric="share", age=age, n=n, why=why))


def _packed(key: str, sums: CellSums) -> dict[str, Tensor]:
    return {
        key: torch.from_numpy(sums.sums),
        f"{key}|weight": torch.from_numpy(sums.design.weight),
        f"{key}|scale": torch.tensor([float(sums.rows), sums.scale], dtype=torch.float64),
    }


def record_of(setup: Setup, folder: RunFolder, seed: int, design: Design) -> LatchRecord:
    """What :func:`judge_latch` wrote. ``design``: the exam's cells, whose levels every age shares."""
    table_file, sums_file = files_of(folder, seed)
    tensors, _ = read_tensors(sums_file)
    shares, effects = {}, {}
    for key, value in tensors.items():
        kind, *rest = key.split("|")
        if kind == "shares" and len(rest) == 1:
            rows, scale = tensors[f"{key}|scale"].tolist()
            own = replace(design, weight=tensors[f"{key}|weight"].numpy())
            shares[int(rest[0])] = CellSums(own, value.numpy(), int(rows), scale)
        elif kind == "effect":
            sd, rows = tensors[f"effect scale|{rest[0]}"].tolist()
            effects[rest[0]] = EffectSums(value.numpy(), sd, int(rows))
    return LatchRecord(read_table(table_file), shares, effects)


def exam_design(setup: Setup, exam: Exam) -> Design:
    """The cells of the run's concepts on the exam."""
    return design_of(exam.batch.concepts, (setup.intended, *setup.proxies))[0]


# -- pictures --------------------------------------------------------------------------------------------------------
