"""Counterfactual pairs and attribution overlays for the page."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from imprint.analyses.evaluate.learners.exam import exam_of
from imprint.analyses.evaluate.learners.latch import subject_at
from imprint.models.errors import ImprintError
from imprint.models.files import write_bytes
from imprint.models.lifetimes.learner import LearnerLifetime
from imprint.models.setup.learner import Setup
from imprint.models.store import RunFolder
from imprint.models.worlds.base import Batch, World
from imprint.probes.attributions.integrated_gradients import IntegratedGradients
from imprint.probes.subjects.subject import Subject

EXAMPLES = 4
"""Counterfactual pairs shown per concept."""

OVERLAYS = 8
"""Episodes whose attribution is shown."""


def pictures(data: dict[str, Any], path: Path, seed: int) -> None:
    """Counterfactual pairs and attribution overlays of one seed at its last living age."""
    torch.set_num_threads(1)
    setup, folder = Setup(**data), RunFolder(path)
    exam = exam_of(setup)
    ages = LearnerLifetime.living_ages(setup, folder, seed)
    subject = subject_at(setup, folder, exam.world, seed, ages[-1])
    names = (setup.intended, *setup.proxies)
    _write_arrays(
        folder.path / "artefacts" / "gallery.npz", _gallery(subject, exam.world, exam.batch, names, seed, ages[-1])
    )
    _write_arrays(
        folder.path / "artefacts" / "attribution.npz", _overlays(subject, exam.world, exam.batch, names, seed, ages[-1])
    )


def picture_files(folder: RunFolder) -> tuple[Path, Path]:
    """What :func:`pictures` writes."""
    return folder.path / "artefacts" / "gallery.npz", folder.path / "artefacts" / "attribution.npz"


def _gallery(
    subject: Subject, world: World, batch: Batch, names: Sequence[str], seed: int, age: int
) -> dict[str, NDArray[Any]]:
    """The first few episodes in which each concept can be changed, whatever the value does."""
    parts: list[dict[str, Any]] = []
    for concept in names:
        for value in (True, False):
            rows = np.flatnonzero(batch.concepts[concept].to_numpy() != value)[: EXAMPLES // 2]
            before = batch.rows(rows)
            try:
                after = world.counterfactual(before, concept, value)
            except ImprintError:
                continue
            parts.append(
                {
                    "before": world.picture(before.observation), "after": world.picture(after.observation),
                    "value_before": subject.values(before.observation).numpy(),
                    "value_after": subject.values(after.observation).numpy(),
                    "concept": np.array([concept] * len(rows)),
                    "from_value": np.array([str(not value)] * len(rows)),
                    "to_value": np.array([str(value)] * len(rows)),
                }
            )  # fmt: skip
    whole = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]} if parts else {}
    return {**whole, **_about(world, seed, age)}


def _overlays(
    subject: Subject, world: World, batch: Batch, names: Sequence[str], seed: int, age: int
) -> dict[str, NDArray[Any]]:
    """Integrated gradients of the first episodes; colours are summed."""
    some = batch.rows(slice(0, OVERLAYS))
    found = IntegratedGradients()(subject, some.observation)
    masks = {f"mask_{c}": m.any(2).numpy() for c, m in world.masks(some).items() if c in names}
    return {
        "frames": world.picture(some.observation),
        "attribution": found.attributions.sum(2).numpy(),
        "value": found.value.numpy(),
        "baseline_value": found.baseline_value.numpy(),
        "completeness_error": found.completeness_error.numpy(),
        **masks,
        **_about(world, seed, age),
    }


def _about(world: World, seed: int, age: int) -> dict[str, NDArray[Any]]:
    decision = world.moments[world.decision] if world.decision else 0
    return {"decision": np.array(decision), "seed": np.array(seed), "age": np.array(age)}


def _write_arrays(path: Path, arrays: dict[str, Any]) -> None:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    write_bytes(path, buffer.getvalue())
