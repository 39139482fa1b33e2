"""A lifetime: live to every planned age, keep it, go on after a kill."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from imprint.models.errors import DamagedFileError
from imprint.models.setup.alignment import AlignmentSetup
from imprint.models.store import RunFolder, read_tensors


@dataclass(frozen=True)
class Progress:
    """What a lifetime reports while it runs."""

    age: int
    """Experiences so far."""
    total: int
    """Experiences planned."""
    loss: tuple[float, ...]
    """Objective per seed."""


def header_of(setup: AlignmentSetup, seed: int, age: int) -> dict[str, str]:
    """What a checkpoint says it is."""
    return {"setup": setup.run_name, "seed": str(seed), "age": str(age)}


def read_checkpoint(setup: AlignmentSetup, folder: RunFolder, seed: int, age: int) -> dict[str, Tensor]:
    """A checkpoint's tensors, refused when the file is another seed's, age's or setup's."""
    path = folder.checkpoint(seed, age)
    tensors, header = read_tensors(path)
    for name, expected in header_of(setup, seed, age).items():
        if header.get(name) != expected:
            raise DamagedFileError(
                f"{path} says it is of {name} {header.get(name)}; expected {expected}. "
                "Delete it and run again with --resume."
            )
    return tensors
