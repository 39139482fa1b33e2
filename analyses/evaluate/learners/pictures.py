"""Counterfactual pairs and attribution overlays for the page, both of one seed at its last living age.

``artefacts/gallery.npz``: the first episodes in which each concept can be changed, whatever the value does.

    before, after                uint8   [E, T, H, W, 3]   the episode, and its counterfactual
    value_before, value_after    float32 [E]
    concept                      text    [E]               what was changed
    from_value, to_value         text    [E]

``artefacts/attribution.npz``: integrated gradients of the first episodes, summed over colours.

    frames                       uint8   [E, T, H, W, 3]
    attribution                  float32 [E, T, H, W]
    value, baseline_value        float32 [E]
    completeness_error           float32 [E]
    mask_<concept>               bool    [E, T, H, W]      pixels that show the concept

and in both ``decision`` (step of the decision moment), ``seed`` and ``age``, int64 []; with several worlds, that
of the seed, ``world``.

Letters: E episodes, T steps, H and W pixels.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imprint.analyses.evaluate.learners.exam import Exam, exam_of
from imprint.models.errors import ImprintError
from imprint.models.files import write_arrays
from imprint.models.lifetimes.learner import LearnerLifetime
from imprint.models.setup.learner import Setup
from imprint.models.store import RunFolder
from imprint.probes.attributions.integrated_gradients import IntegratedGradients
from imprint.probes.subjects.subject import Subject

EXAMPLES = 4
"""Counterfactual pairs shown per concept."""
OVERLAYS = 8
"""Episodes whose attribution is shown."""
Arrays = dict[str, NDArray[Any]]


def picture_files(folder: RunFolder) -> tuple[Path, Path]:
    """What :func:`draw_pictures` writes."""
    return folder.path / "artefacts" / "gallery.npz", folder.path / "artefacts" / "attribution.npz"


def draw_pictures(setup: Setup, folder: RunFolder, seed: int) -> None:
    """Counterfactual pairs and attribution overlays of one seed at its last living age."""
    exam, age = exam_of(setup, setup.schedule.world_of(seed)), LearnerLifetime.living_ages(setup, folder, seed)[-1]
    subject, world = exam.subject(folder, seed, age), exam.world
    decision = world.moments[world.decision] if world.decision else 0
    about = {"decision": np.array(decision), "seed": np.array(seed), "age": np.array(age)}
    if setup.schedule.worlds > 1:
        about["world"] = np.array(exam.number)
    for file, arrays in zip(picture_files(folder), (gallery(exam, subject), overlays(exam, subject)), strict=True):
        write_arrays(file, {**arrays, **about})


def gallery(exam: Exam, subject: Subject) -> Arrays:
    """Counterfactual pairs for every concept that the world can set; empty when there is none."""
    parts: list[Arrays] = []
    for concept in exam.names:
        for value in (True, False):
            rows = np.flatnonzero(exam.batch.concepts[concept].to_numpy() != value)[: EXAMPLES // 2]
            before = exam.batch.rows(rows)
            try:
                after = exam.world.counterfactual(before, concept, value)
            except ImprintError:
                continue
            both = {"before": before.observation, "after": after.observation}
            pictures = {when: exam.world.picture(observation) for when, observation in both.items()}
            values = {f"value_{when}": subject.values(observation).numpy() for when, observation in both.items()}
            labels = {"concept": concept, "from_value": str(not value), "to_value": str(value)}
            columns = {name: np.array([label] * len(rows)) for name, label in labels.items()}
            parts.append({**pictures, **values, **columns})
    return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]} if parts else {}


def overlays(exam: Exam, subject: Subject) -> Arrays:
    """Integrated gradients of the first episodes; colours are summed."""
    first = exam.batch.rows(slice(0, OVERLAYS))
    explained = IntegratedGradients()(subject, first.observation)
    masks = exam.world.masks(first)
    return {
        "frames": exam.world.picture(first.observation),
        "attribution": explained.attributions.sum(2).numpy(),
        "value": explained.value.numpy(),
        "baseline_value": explained.baseline_value.numpy(),
        "completeness_error": explained.completeness_error.numpy(),
        **{f"mask_{concept}": mask.any(2).numpy() for concept, mask in masks.items() if concept in exam.names},
    }
