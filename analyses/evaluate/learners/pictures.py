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
from torch import Tensor

from imprint.analyses.evaluate.learners.exam import Exam, exam_of
from imprint.analyses.evaluate.places import write_places
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
    """Counterfactual pairs and attribution overlays of one seed at its last living age, and where it is read."""
    exam, age = exam_of(setup, setup.schedule.world_of(seed)), LearnerLifetime.living_ages(setup, folder, seed)[-1]
    about = {"seed": seed, "age": age} | ({"world": exam.number} if setup.schedule.worlds > 1 else {})
    subject = exam.subject(folder, seed, age)
    for file, arrays in zip(picture_files(folder), (gallery(exam, subject), overlays(exam, subject)), strict=True):
        write_pictures(file, arrays, exam, **about)
    write_places(folder, subject, subject.declared, exam.batch.observation, exam.world)


def write_pictures(file: Path, arrays: Arrays, exam: Exam, **about: int) -> None:
    """Store arrays with ``about``: the seed, the age, and the world if there are several."""
    decision = exam.world.moments[exam.world.decision] if exam.world.decision else 0
    write_arrays(file, {**arrays, **{key: np.array(value) for key, value in {"decision": decision, **about}.items()}})


def gallery(exam: Exam, subject: Subject) -> Arrays:
    """Counterfactual pairs for every concept that the world can set; empty when there is none."""
    parts: list[Arrays] = []
    for concept in exam.names:
        for value in reversed(exam.world.values(concept)[-2:]):
            rows = np.flatnonzero(exam.concepts[concept].to_numpy() != value)[: EXAMPLES // 2]
            before = exam.batch.rows(rows)
            try:
                after = exam.world.counterfactual(before, concept, value)
            except ImprintError:
                continue
            both = {"before": before.observation, "after": after.observation}
            pictures = {when: exam.world.picture(observation) for when, observation in both.items()}
            values = {f"value_{when}": subject.values(observation).numpy() for when, observation in both.items()}
            labels = {"concept": [concept] * len(rows), "to_value": [str(value)] * len(rows)}
            labels["from_value"] = [str(old) for old in before.concepts[concept]]
            columns = {name: np.array(label) for name, label in labels.items()}
            parts.append({**pictures, **values, **columns})
    return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]} if parts else {}


def overlays(exam: Exam, subject: Subject) -> Arrays:
    """Integrated gradients of the first episodes; colours are summed."""
    first = exam.batch.rows(slice(0, OVERLAYS))
    explained = IntegratedGradients()(subject, first.observation)
    masks = {concept: mask for concept, mask in exam.world.masks(first).items() if concept in exam.names}
    return {
        "frames": exam.world.picture(first.observation),
        "attribution": _in_time(explained.attributions).sum(2).numpy(),
        "value": explained.value.numpy(),
        "baseline_value": explained.baseline_value.numpy(),
        "completeness_error": explained.completeness_error.numpy(),
        **{
            f"mask_{concept}": _in_time(mask).any(2).numpy() for concept, mask in masks.items() if concept in exam.names
        },
    }


def _in_time(observation: Tensor) -> Tensor:
    """``[n, T, C, H, W]``; observations without time are one frame."""
    return observation[:, None] if observation.dim() == 4 else observation
