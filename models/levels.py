"""Levels in a file: start states of an environment, or anything else that JSON can hold, one entry a level.

    {"format": "imprint levels 1", "environment": "coin", "settings": {...}, "types": {"walls": "bool", ...},
     "levels": [{"level": {"walls": [[...]], "agent": 3, ...}, ...}, ...]}

Reading never runs anything from the file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from imprint.models.errors import DamagedFileError, ImprintError
from imprint.models.files import write_json
from imprint.models.states import State

FORMAT = "imprint levels 1"


def write_levels(path: str | Path, about: Mapping[str, Any], levels: Sequence[Mapping[str, Any]]) -> Path:
    """Write levels with what is needed to make them again; the path. Raises :class:`ImprintError` for other types."""
    try:
        write_json(Path(path), {"format": FORMAT, **about, "levels": list(levels)})
    except TypeError as error:
        raise ImprintError(f"the levels cannot be written as JSON: {error}.") from None
    return Path(path)


def read_levels(path: str | Path) -> dict[str, Any]:
    """What :func:`write_levels` wrote. Raises :class:`DamagedFileError` for anything else."""
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ImprintError(f"{path} does not exist; expected a file of levels.") from None
    except (OSError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise DamagedFileError(f"{path} cannot be read as a file of levels: {error}") from None
    if not isinstance(found, dict) or found.get("format") != FORMAT or not isinstance(found.get("levels"), list):
        raise DamagedFileError(f"{path} is no file of levels; expected JSON with the format {FORMAT!r}.")
    return found


def states_in(path: str | Path, like: State) -> State:
    """The start states in a file, as tensors of the types and shapes of ``like``, a state of the environment.

    Raises :class:`ImprintError` for levels of another environment, and for an empty file.
    """
    levels = read_levels(path)["levels"]
    if not levels:
        raise ImprintError(f"{path} holds no levels.")
    try:
        state = {name: torch.tensor([one["level"][name] for one in levels], dtype=v.dtype) for name, v in like.items()}
    except (KeyError, TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise DamagedFileError(f"{path} holds no levels of this environment: {error}") from None
    for name, value in state.items():
        if value.shape[1:] != like[name].shape[1:]:
            shapes = f"{list(value.shape[1:])}, not {list(like[name].shape[1:])}"
            raise DamagedFileError(f"{path} holds levels of another environment: {name} is {shapes}.")
    return state
