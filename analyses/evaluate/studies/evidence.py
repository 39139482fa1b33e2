"""What is kept of every model that was added: sums, scores and rows; neither weights nor activations.

Each model leaves two files, written whole, the second last, so that a training that was killed goes on where it was:

    cells/seed-<k>-age-<n>.parquet        findings of this model alone (:mod:`imprint.analyses.findings`)
    cells/seed-<k>-age-<n>.safetensors    what pooling needs

and an untrained twin ``twin-<k>-age-<n>``. Tensors (letters: G groups, K cells, r rows):

    sums|..., nulls|..., noise|..., sequences|...   readings (:mod:`imprint.analyses.locate.stored`)
    shares|<age>, shares|<age>|scale                sums of the value, where there is one
    effect|<concept>                                sums of its changes, where the world can change the concept
    print|<site>, print|(value)                     float64 [r]  mean activation and value of the first rows, by which
                                                    the same model is known again

The header holds ``sites`` (JSON list), ``subject`` (class of the model) and, of a model whose values are not finite,
``diverged``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from torch import Tensor

from imprint.analyses.evaluate.learners.latch import packed_effects, packed_sums, unpacked_effects, unpacked_sums
from imprint.analyses.findings import findings
from imprint.analyses.latch.profile import Profile
from imprint.analyses.latch.shares import Design
from imprint.analyses.locate.stored import packed_readings, unpacked_readings
from imprint.analyses.locate.targets import SiteReadings
from imprint.analyses.statistics import Floats
from imprint.models.errors import ImprintError
from imprint.models.files import read_table, write_table
from imprint.models.store import RunFolder, read_tensors, write_tensors

NAME = re.compile(r"(seed|twin)-(\d+)-age-(\d+)")
SAME, NEARLY = 1e-4, 1e-6
"""Fingerprints of one model agree within these parts of their own size and of the largest number among them."""


@dataclass(frozen=True, order=True)
class Key:
    """Which model it is."""

    seed: int
    age: int
    untrained: bool = False

    @property
    def name(self) -> str:
        """Name of its files."""
        return f"{'twin' if self.untrained else 'seed'}-{self.seed}-age-{self.age}"

    def __str__(self) -> str:
        return f"{'the untrained twin of ' if self.untrained else ''}seed {self.seed} at age {self.age}"


@dataclass(frozen=True)
class Kept:
    """Evidence of one model."""

    key: Key
    sites: tuple[str, ...]
    subject: str
    """Class of the model."""
    fingerprint: Mapping[str, Tensor]
    """Site or ``(value)`` -> ``[r]`` of the first rows."""
    readings: SiteReadings = field(default_factory=dict)
    profile: Profile | None = None
    """What the value depends on; None without a value, and where it could not be counted."""
    rows: pd.DataFrame = field(default_factory=lambda: findings([]))
    diverged: bool = False

    def same_model(self, other: Mapping[str, Tensor]) -> bool:
        """Whether another fingerprint is that of this model."""
        if other.keys() != self.fingerprint.keys():
            return False
        return all(nearly(self.fingerprint[name].numpy(), other[name].numpy()) for name in other)


def apart(key: Key, other: Key) -> bool:
    """Whether two must be separate training runs: other seeds at one age, after birth."""
    return (
        other.untrained == key.untrained
        and other.age == key.age
        and other.seed != key.seed
        and (key.age > 0 or key.untrained)
    )


def another_as(key: Key) -> ImprintError:
    """What is said of another model in a known place."""
    return ImprintError(
        f"another model was added as {key} before. Give this one its own seed or age; to train and examine anew, begin "
        "the study in another folder."
    )


def same_as(key: Key, other: Key) -> ImprintError:
    """What is said of a model that was added as another seed."""
    return ImprintError(
        f"{key} is the same model as {other}; expected models of separate training runs, since seeds are what is "
        "counted."
    )


def nearly(a: Floats, b: Floats) -> bool:
    """Whether two fingerprints differ by rounding alone."""
    size = float(np.abs(a[np.isfinite(a)]).max(initial=0.0))
    return a.shape == b.shape and np.allclose(a, b, rtol=SAME, atol=NEARLY * size, equal_nan=True)


def sums_file(folder: RunFolder, key: Key) -> Path:
    """What pooling needs of a model; it exists when the model was examined."""
    return folder.path / "cells" / f"{key.name}.safetensors"


def write_kept(folder: RunFolder, kept: Kept) -> None:
    """Store the evidence of one model."""
    key, tensors = kept.key, packed_readings({kept.key.age: kept.readings})
    if kept.profile is not None:
        tensors |= packed_sums(f"shares|{key.age}", kept.profile.cells) | packed_effects(kept.profile.effects)
    tensors |= {f"print|{name}": values for name, values in kept.fingerprint.items()}
    header = {"sites": json.dumps(kept.sites), "subject": kept.subject} | ({"diverged": "1"} if kept.diverged else {})
    write_table(folder.cell(key.name), findings(kept.rows))
    write_tensors(sums_file(folder, key), tensors, cell=key.name, **header)


def read_kept(folder: RunFolder, key: Key, regression: Mapping[str, bool], design: Design | None) -> Kept:
    """What :func:`write_kept` stored.

    ``regression``: concept -> whether it is a number. ``design``: cells of the exam; None when it has none.
    """
    tensors, header = read_tensors(sums_file(folder, key))
    shares = {} if design is None else unpacked_sums(tensors, design)
    return Kept(
        key,
        tuple(json.loads(header["sites"])),
        header["subject"],
        {name[6:]: value for name, value in tensors.items() if name.startswith("print|")},
        dict(unpacked_readings(tensors, regression).get(key.age, {})),
        Profile(shares[key.age], unpacked_effects(tensors)) if shares else None,
        read_table(folder.cell(key.name)),
        "diverged" in header,
    )


def keys_in(folder: RunFolder) -> Sequence[Key]:
    """The models that were examined, twins included, by seed and age."""
    return sorted(_keys(folder.path / "cells"))


def _keys(cells: Path) -> Iterator[Key]:
    for file in cells.glob("*.safetensors"):
        if match := NAME.fullmatch(file.stem):
            yield Key(int(match[2]), int(match[3]), match[1] == "twin")
