"""The rows on which all models of a study are examined: held out by its world, or labels that were given.

They are stored with the run, without the observations, so that a verdict can be derived anew where neither the world's
code nor the arrays are at hand.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from imprint.analyses.evaluate.learners.exam import Exam, Examined, exam_targets
from imprint.models.chance import generator
from imprint.models.errors import DamagedFileError, ImprintError
from imprint.models.files import read_table, write_table
from imprint.models.setup.study import StudySetup
from imprint.models.store import RunFolder, digest_of
from imprint.models.worlds.base import Batch, World

GROUP = "(group)"
"""Column of the stored rows that holds their groups."""
CHECKED = 64
"""Rows of a world that are compared whenever a model is added."""


def world_digest(world: World) -> str:
    """16 hexadecimal digits of some held-out observations and their concepts.

    Raises :class:`ImprintError` for a world whose rows do not follow from ``rng`` alone.
    """
    first, again = _digest(world), _digest(world)
    if first != again:
        raise ImprintError(
            f"{type(world).__name__} gives other rows when it is asked again with the same rng, so models added at "
            "different times would not be examined alike; draw everything in draw_factors and draw_noise from rng."
        )
    return first


def _digest(world: World) -> str:
    batch = world.held_out().sample(CHECKED, rng=generator("study world"), design="balanced")
    if not isinstance(batch.observation, torch.Tensor) or len(batch.observation) != CHECKED:
        got = getattr(batch.observation, "shape", type(batch.observation).__name__)
        raise ImprintError(
            f"{type(world).__name__}.render gave {got} for {CHECKED} rows; expected a tensor [{CHECKED}, ...]."
        )
    return _joined(digest_of({"observation": batch.observation}), batch.concepts, batch.groups)


def labels_digest(concepts: pd.DataFrame, groups: NDArray[np.integer]) -> str:
    """16 hexadecimal digits of labels and groups."""
    return _joined("", concepts, groups)


def _joined(observation: str, concepts: pd.DataFrame, groups: NDArray[np.integer]) -> str:
    text = f"{observation}|{concepts.to_csv(index=False)}|{np.asarray(groups).tolist()}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def world_exam(setup: StudySetup, world: World) -> Exam:
    """Held-out rows of a world, with the concepts that are read from them."""
    held_out = world.held_out()
    batch: Batch = held_out.sample(setup.evaluation.episodes, rng=generator("exam"), design="balanced")
    targets = exam_targets(setup, batch.concepts, batch.groups, sequences=False)
    return Exam(setup, batch.concepts, batch.groups, targets, held_out, batch)


def labels_exam(setup: StudySetup, concepts: pd.DataFrame, groups: NDArray[np.int64]) -> Examined:
    """Given rows, with the concepts that are read from them."""
    return Examined(setup, concepts, groups, exam_targets(setup, concepts, groups, sequences=True))


def write_exam(folder: RunFolder, exam: Examined) -> None:
    """Store concepts and groups."""
    located = exam.concepts[list(dict.fromkeys(exam.setup.located))]
    write_table(folder.cell("exam"), located.assign(**{GROUP: exam.groups}))


def read_exam(folder: RunFolder, setup: StudySetup) -> Examined:
    """What :func:`write_exam` stored. Raises :class:`DamagedFileError` when it is not there."""
    if not folder.cell("exam").exists():
        raise DamagedFileError(f"{folder.cell('exam')} is missing, so what the study was examined on is not known.")
    table: Any = read_table(folder.cell("exam"))
    concepts, groups = table.drop(columns=GROUP), table[GROUP].to_numpy(dtype=np.int64)
    return Examined(setup, concepts, groups, exam_targets(setup, concepts, groups, sequences=setup.study == "labels"))
