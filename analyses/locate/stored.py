"""Readings and floors on disk: one format, written and read here."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from imprint.analyses.locate.reading import Reading
from imprint.models.setup.learner import Setup
from imprint.models.store import RunFolder, read_tensors


def floors_file(folder: RunFolder) -> Path:
    """Where :func:`floors` writes."""
    return folder.path / "cells" / "floors.safetensors"


def readings_file(folder: RunFolder, seed: int) -> Path:
    """Where :func:`look` writes."""
    return folder.path / "cells" / f"locate-seed-{seed}.safetensors"


def readings_of(folder: RunFolder, seed: int, regression: dict[str, bool]) -> dict[tuple[int, str, str], Reading]:
    """What :func:`look` wrote: (age, site, concept) -> reading."""
    tensors, _ = read_tensors(readings_file(folder, seed))
    out = {}
    for key, value in tensors.items():
        part, age, site, concept = key.split("|")
        if part == "sums":
            nulls = tensors[f"nulls|{age}|{site}|{concept}"].numpy()
            noise = float(tensors[f"noise|{age}|{site}|{concept}"])
            out[int(age), site, concept] = Reading(value.numpy(), nulls, regression[concept], noise=noise)
    return out


def read_floors(folder: RunFolder, setup: Setup) -> dict[str, np.ndarray]:
    """The stored floors; none when they could not be measured."""
    if not floors_file(folder).exists():
        return {}
    tensors, _ = read_tensors(floors_file(folder))
    out = {key: value.numpy() for key, value in tensors.items() if key.startswith("inputs|")}
    twins = range(setup.evaluation.twins)
    for key in dict.fromkeys(k.rpartition("|")[0] for k in tensors if k.startswith("untrained|")):
        out[key] = np.stack([tensors[f"{key}|{t}"].numpy() for t in twins])
    return out
