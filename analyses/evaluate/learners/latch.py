"""The latch of one seed, as a cell: shares at every age, and everything at the last.

What is stored are sums over groups, so that seeds can be pooled without running a model again. Tensors of
``cells/latch-seed-<k>.safetensors`` (letters: G groups, K cells, P pairs of levels):

    shares|<age>              float64 [G, K, 3]    :attr:`imprint.analyses.latch.shares.CellSums.sums`
    shares|<age>|weight       float64 [K]          probability of each cell
    shares|<age>|scale        float64 [2]          rows, and the largest absolute value
    effect|<concept>          float64 [G, 1 + P]   :attr:`imprint.analyses.latch.effects.EffectSums.sums`
    effect scale|<concept>    float64 [2]          standard deviation of the value, and rows
"""

from __future__ import annotations

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
from imprint.analyses.latch.shares import CellSums, Design, shares_only
from imprint.models.files import read_table, write_table
from imprint.models.lifetimes.learner import LearnerLifetime
from imprint.models.setup.learner import Setup
from imprint.models.store import RunFolder, read_tensors, write_tensors
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


def judge_latch(setup: Setup, folder: RunFolder, seed: int) -> None:
    """Shares at every age, and at the last age effects, erasure, attribution and the verdict of this seed."""
    exam, cell, ages = exam_of(setup), f"latch-seed-{seed}", LearnerLifetime.living_ages(setup, folder, seed)
    tables: list[pd.DataFrame] = []
    tensors: dict[str, Tensor] = {}
    for i, age in enumerate(ages):
        subject = exam.subject(folder, seed, age)
        if age == ages[-1]:
            judged = _whole_latch(subject, exam)
            table, sums = judged.findings, judged.group_sums
            for concept, effect in judged.effect_sums.items():
                tensors[f"effect|{concept}"] = torch.from_numpy(effect.sums)
                tensors[f"effect scale|{concept}"] = torch.tensor([effect.sd, float(effect.rows)], dtype=torch.float64)
        else:
            table, sums = _shares_alone(subject, exam)
        tables.append(table.assign(age=age))
        if sums is not None:
            scale = torch.tensor([float(sums.rows), sums.scale], dtype=torch.float64)
            weight = torch.from_numpy(sums.design.weight)
            tensors |= {f"shares|{age}|weight": weight, f"shares|{age}|scale": scale}
            tensors[f"shares|{age}"] = torch.from_numpy(sums.sums)
        reporter(folder, cell)(i + 1, len(ages), f"age {age}")
    rows = findings(pd.concat(tables, ignore_index=True)) if tables else findings([])
    table_file, sums_file = files_of(folder, seed)
    write_tensors(sums_file, tensors, cell=cell)
    write_table(table_file, findings(rows.assign(setup=setup.run_name, seed=seed, seeds=1)))


def _whole_latch(subject: Subject, exam: Exam) -> Latch:
    """The latch with mediation at the sites at or before the decision moment: nothing later can carry the value."""
    evaluation, moments = exam.setup.evaluation, exam.world.moments
    decision = moments[exam.world.decision] if exam.world.decision else max(moments.values())
    return latch(
        subject,
        exam.world,
        intended=exam.setup.intended,
        proxies=exam.setup.proxies,
        sites=[site for site in subject.declared if moments[site.rpartition("@")[2]] <= decision],
        n=evaluation.episodes,
        decision=exam.setup.decision,
        resamples=evaluation.resamples,
        placebos=evaluation.placebos,
    )


def _shares_alone(subject: Subject, exam: Exam) -> tuple[pd.DataFrame, CellSums | None]:
    """Shares as findings, and their sums."""
    batch, (intended, *proxies) = exam.batch, exam.names
    values = subject.values(batch.observation).numpy()
    shares = shares_only(values, batch.concepts, batch.groups, intended=intended, proxies=proxies)
    rows = shares.table.rename(columns={"share": "estimate"})
    return findings(rows.assign(analysis="latch", metric="share", n=len(batch), why=shares.why)), shares.sums


def record_of(folder: RunFolder, seed: int, design: Design) -> LatchRecord:
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
