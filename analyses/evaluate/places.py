"""Where a subject is read, for the page: its sites from input to output, and the moments at which they are read.

``artefacts/sites.npz``:

    site        text   [S]    names of the sites, in the order in which they run
    module      text   [S]    name of the part of the network
    kind        text   [S]    class of that part; empty for a mere hook point
    width       int64  [S]    activations per row; 0 where it was not measured
    moment      text   [M]    moments of the world at which sites are read, the first in time first
    step        int64  [M]    their steps in an episode
    decision    text   []     moment at which the value is read; empty without one

Letters: S sites, M moments.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from imprint.models.files import write_arrays
from imprint.models.store import RunFolder
from imprint.models.worlds.base import World
from imprint.probes.subjects.subject import Subject

FEW = 4
"""Rows that are read to measure widths."""


def places_file(folder: RunFolder) -> Path:
    """Where sites are kept."""
    return folder.path / "artefacts" / "sites.npz"


def write_places(folder: RunFolder, subject: Subject, names: Sequence[str], observation: Tensor, world: World) -> None:
    """Store the sites ``names`` of a subject; ``observation [n, ...]`` of its ``world`` shows how wide they are."""
    modules = [subject.site(name).module for name in names]
    kinds = {name: type(subject.model.get_submodule(name)).__name__ for name in modules if name in _parts(subject)}
    read = subject.activations(observation[:FEW], names)
    moments = sorted(world.moments.items(), key=lambda item: item[1])
    columns = {
        "module": modules,
        "kind": ["" if kinds.get(name) == "HookPoint" else kinds.get(name, "") for name in modules],
        "width": [int(read[name].shape[1]) for name in names],
    }
    _write(folder, names, moments, world.decision or "", columns)


def write_names(folder: RunFolder, names: Sequence[str]) -> None:
    """Store the sites of an agent, which are read at every step."""
    _write(folder, names, (), "", {"module": names, "kind": [""] * len(names), "width": [0] * len(names)})


def _parts(subject: Subject) -> set[str]:
    return {name for name, _ in subject.model.named_modules()}


def _write(
    folder: RunFolder, names: Sequence[str], moments: Sequence[tuple[str, int]], decision: str, columns: dict[str, Any]
) -> None:
    arrays = {"site": np.array(names, dtype=str), **{key: np.array(column) for key, column in columns.items()}}
    arrays |= {"moment": np.array([name for name, _ in moments], dtype=str)}
    arrays |= {"step": np.array([step for _, step in moments], dtype=np.int64), "decision": np.array(decision)}
    write_arrays(places_file(folder), arrays)
