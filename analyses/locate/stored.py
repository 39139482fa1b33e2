"""Readings and floors on disk: one format, written and read here.

Tensors of ``cells/locate-seed-<k>.safetensors``, for every age, site and concept that could be read:

    sums|<age>|<site>|<concept>         float64 [G, M]   sums per group of the labels' score
    nulls|<age>|<site>|<concept>        float64 [J]      scores of the label shuffles
    sequences|<age>|<site>|<concept>    float64 [P]      scores of permuted label sequences, where there are any
    noise|<age>|<site>|<concept>        float64 []       :attr:`imprint.analyses.locate.reading.Reading.noise`

and of ``cells/floors.safetensors``, for world k > 0 of ``cells/floors-world-<k>.safetensors``:

    untrained|<site>|<concept>|<t>      float64 [G, M]   sums of the randomly initialised twin with number t
    inputs|<moment>|<concept>           float64 [G, M]   sums of the raw input up to a moment

Sites are ``hook@moment``; where all sites belong to one moment, as in agents, they are ``hook`` and each is its own
moment. Letters: G groups, M sums per score, J shuffles, P permuted
sequences.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from imprint.analyses.locate.floors import Evidence
from imprint.analyses.locate.reading import Reading
from imprint.analyses.locate.targets import SiteReadings
from imprint.analyses.statistics import Floats
from imprint.models.store import RunFolder, read_tensors, write_tensors

Readings = Mapping[int, SiteReadings]
"""Age -> readings of one seed."""


@dataclass(frozen=True)
class Floors:
    """Sums of what every seed of a world is compared with; both empty when the floors could not be measured."""

    untrained: Mapping[tuple[str, str], Mapping[int, Floats]] = field(default_factory=dict)
    """(site, concept) -> number of a twin -> ``[G, M]``."""
    inputs: Mapping[tuple[str, str], Floats] = field(default_factory=dict)
    """(moment, concept) -> ``[G, M]``."""

    def __bool__(self) -> bool:
        return bool(self.untrained or self.inputs)

    def beside(self, reading: Reading, site: str, concept: str) -> Evidence:
        """A reading with its floors."""
        moment, twins = site.rpartition("@")[2], self.untrained.get((site, concept), {})
        untrained = np.stack(list(twins.values())) if twins else None
        return Evidence(reading, untrained, self.inputs.get((moment, concept)), tuple(twins))


def floors_cell(world: int) -> str:
    """Name of the piece of work that measures the floors of a world."""
    return f"floors-world-{world}" if world else "floors"


def floors_file(folder: RunFolder, world: int) -> Path:
    """Where :func:`write_floors` writes."""
    return folder.path / "cells" / f"{floors_cell(world)}.safetensors"


def readings_file(folder: RunFolder, seed: int) -> Path:
    """Where :func:`write_readings` writes."""
    return folder.path / "cells" / f"locate-seed-{seed}.safetensors"


def write_readings(folder: RunFolder, seed: int, readings: Readings, *, cell: str) -> None:
    """Store the readings of one seed; ``cell``: name of the piece of work, kept in the header."""
    write_tensors(readings_file(folder, seed), packed_readings(readings), cell=cell)


def packed_readings(readings: Readings) -> dict[str, Tensor]:
    """Readings as tensors; see the module docstring."""
    tensors: dict[str, Tensor] = {}
    for age, of_age in readings.items():
        for (site, concept), reading in of_age.items():
            where = f"{age}|{site}|{concept}"
            tensors[f"sums|{where}"], tensors[f"nulls|{where}"] = _tensor(reading.sums), _tensor(reading.nulls)
            tensors[f"noise|{where}"] = _tensor(reading.noise)
            if reading.sequences is not None:
                tensors[f"sequences|{where}"] = _tensor(reading.sequences)
    return tensors


def read_readings(folder: RunFolder, seed: int, regression: Mapping[str, bool]) -> Readings:
    """The readings of one seed; ``regression``: concept -> whether it is a number."""
    return unpacked_readings(read_tensors(readings_file(folder, seed))[0], regression)


def unpacked_readings(tensors: Mapping[str, Tensor], regression: Mapping[str, bool]) -> Readings:
    """The readings that :func:`packed_readings` packed; other tensors are left out."""
    readings: dict[int, dict[tuple[str, str], Reading]] = {}
    for key, sums in tensors.items():
        part, where = key.split("|", 1)
        if part == "sums":
            age, site, concept = where.split("|", 2)
            nulls, noise = tensors[f"nulls|{where}"].numpy(), float(tensors[f"noise|{where}"])
            sequences = tensors[f"sequences|{where}"].numpy() if f"sequences|{where}" in tensors else None
            reading = Reading(sums.numpy(), nulls, regression[concept], sequences=sequences, noise=noise)
            readings.setdefault(int(age), {})[site, concept] = reading
    return readings


def write_floors(
    folder: RunFolder, world: int, untrained: Mapping[int, SiteReadings], inputs: Mapping[tuple[str, str], Reading]
) -> None:
    """Store the readings of the twins in a world by number, and of the input, (moment, concept) -> reading."""
    tensors: dict[str, Tensor] = {}
    for t, twin in untrained.items():
        tensors |= {f"untrained|{site}|{concept}|{t}": _tensor(r.sums) for (site, concept), r in twin.items()}
    tensors |= {f"inputs|{moment}|{concept}": _tensor(r.sums) for (moment, concept), r in inputs.items()}
    write_tensors(floors_file(folder, world), tensors, cell=floors_cell(world))


def read_floors(folder: RunFolder, world: int) -> Floors:
    """The stored floors of a world; empty when they could not be measured."""
    if not floors_file(folder, world).exists():
        return Floors()
    tensors, _ = read_tensors(floors_file(folder, world))
    twins: dict[tuple[str, str], dict[int, Floats]] = {}
    inputs: dict[tuple[str, str], Floats] = {}
    for key, value in tensors.items():
        part, place, concept = key.split("|", 2)
        if part == "inputs":
            inputs[place, concept] = value.numpy()
        else:
            concept, _, twin = concept.rpartition("|")
            twins.setdefault((place, concept), {})[int(twin)] = value.numpy()
    return Floors({cell: dict(sorted(of.items())) for cell, of in twins.items()}, inputs)


def _tensor(value: Floats | float) -> Tensor:
    return torch.tensor(value, dtype=torch.float64)
