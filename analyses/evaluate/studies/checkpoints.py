"""Checkpoints of somebody's training in a folder, examined one after another.

seed-<k>/age-<n>.safetensors        the naming rule; another is given as a pattern with ``{seed}`` and ``{age}``
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from imprint.models.errors import DamagedFileError, ImprintError
from imprint.probes.door.arrays import count_of
from imprint.probes.subjects.subject import Subject

PATTERN = "seed-{seed}/age-{age}.safetensors"
FIRST_TWIN = 1_000_000
"""Seed of the first untrained twin, far from seeds that people train with."""


@runtime_checkable
class Adds(Protocol):
    """A study, as far as checkpoints need it."""

    def add(self, subject: Any, *, age: int, seed: int, untrained: bool = False) -> bool:
        """Examine a model."""


def found(folder: Path, pattern: str) -> dict[tuple[int, int], Path]:
    """(seed, age) -> file, ordered. Raises :class:`ImprintError` when no file has such a name, or two have one."""
    if not all(pattern.count(field) == 1 for field in ("{seed}", "{age}")):
        raise ImprintError(f"pattern is {pattern!r}; expected {{seed}} and {{age}} once each, as in {PATTERN!r}.")
    if not folder.is_dir():
        raise ImprintError(f"{folder} is no folder; expected one with files {pattern}.")
    parts = re.split(r"(\{seed\}|\{age\})", pattern)
    named = {"{seed}": r"(?P<seed>\d+)", "{age}": r"(?P<age>\d+)"}
    expression = re.compile("".join(named.get(part) or re.escape(part) for part in parts))
    files: dict[tuple[int, int], Path] = {}
    for file in sorted(folder.rglob("*")):
        match = expression.fullmatch(file.relative_to(folder).as_posix())
        if match and file.is_file():
            key = int(match["seed"]), int(match["age"])
            if key in files:
                raise ImprintError(f"{files[key]} and {file} are both seed {key[0]} at age {key[1]}; keep one of them.")
            files[key] = file
    if not files:
        there = [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*.safetensors"))[:3]]
        seen = f" It holds {', '.join(there)}, ..." if there else " It holds no .safetensors files."
        raise ImprintError(f"{folder} holds no file named {pattern}.{seen} Give the pattern of your names (--pattern).")
    return dict(sorted(files.items()))


def added(
    study: Adds, folder: Path, make: Callable[[], Any], *, pattern: str = PATTERN, untrained: int = 5
) -> Iterator[Path]:
    """Add untrained twins and every checkpoint; each file that was examined now, as soon as it was."""
    files, twins = found(folder, pattern), count_of("untrained", untrained, least=0)
    for twin in range(twins):
        study.add(_made(make, FIRST_TWIN + twin), age=0, seed=twin, untrained=True)
    for (seed, age), file in files.items():
        subject = _made(make, seed)
        _load(subject, file)
        if study.add(subject, age=age, seed=seed):
            yield file


def _made(make: Callable[[], Any], seed: int) -> Subject:
    """A new model; torch's global random state is as it was afterwards."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        made = make()
    if isinstance(made, Subject):
        return made
    return Subject(*made) if isinstance(made, tuple) else Subject(made)


def _load(subject: Subject, file: Path) -> None:
    try:
        weights = load_file(file)
    except (OSError, ValueError, SafetensorError) as error:
        raise DamagedFileError(f"{file} cannot be read as safetensors: {error}") from None
    try:
        subject.model.load_state_dict(weights)
    except RuntimeError as error:
        why = " ".join(str(error).split())
        raise ImprintError(f"{file} does not fit the model that the factory makes: {why}") from None
