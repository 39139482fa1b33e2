"""Cells of work, and how one is run in whatever process it came to."""

from __future__ import annotations

import ctypes
import gc
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imprint.models.errors import ImprintError
from imprint.models.files import StorageError


@dataclass(frozen=True)
class Cell:
    """A piece of work: ``function(*arguments)`` writes ``results``."""

    name: str
    function: Callable[..., None]
    arguments: tuple[Any, ...]
    results: tuple[Path, ...]

    @property
    def done(self) -> bool:
        """Whether everything it writes is there."""
        return all(path.exists() for path in self.results)


@dataclass(frozen=True)
class Outcome:
    """How a cell ended."""

    cell: str
    error: str | None
    """Why it could not be finished, or nothing."""
    seconds: float
    """Wall time; 0 when its result was there already."""
    fatal: StorageError | None = None
    """An error that ends the whole run."""
    cpu: float = 0.0
    """CPU time of the process while it did the work; where others want the processor, less than the wall time."""


def perform(cell: Cell, *, generation: int = 2) -> Outcome:
    """Run a cell on one thread; an error in it becomes its outcome.

    ``generation``: the oldest that is searched for garbage afterwards. All of them (2) takes half a second where much
    is imported, so that a process which does other work besides searches the young ones (1).
    """
    import torch

    torch.set_num_threads(1)
    started, worked = time.perf_counter(), time.process_time()
    error, fatal = None, None
    try:
        cell.function(*cell.arguments)
    except StorageError as problem:
        error, fatal = str(problem), problem
    except ImprintError as problem:
        error = str(problem)
    except Exception as problem:  # noqa: BLE001 (a defect in one cell must not hold up the others; the report shows it)
        place = traceback.extract_tb(problem.__traceback__)[-1]
        error = f"{type(problem).__name__}: {problem} ({Path(place.filename).name}, line {place.lineno})"
    _give_back_memory(generation)
    took = [round(now - then, 2) for now, then in ((time.perf_counter(), started), (time.process_time(), worked))]
    return Outcome(cell.name, error, took[0], fatal, took[1])


def _give_back_memory(generation: int) -> None:
    """Return freed memory to the system: loky takes a process that keeps it for a leak and replaces it, in seconds."""
    gc.collect(generation)
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)
