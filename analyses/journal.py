"""How far work is, on disk: written by the processes that do it, read by whoever looks on. Imports nothing heavy.

A folder ``.progress`` beside the work holds one file for each cell that is running, ``done<tab>total<tab>note``, and
:data:`WAVE`, which is written anew for every wave of cells: a first line ``{"began": seconds since 1970, "cells":
[names], "before": [names of those that were done before]}``, then a line ``{"cell": name, "seconds": s, "failed":
bool}`` whenever one has ended. All of it is written as well as it can be: a full disk costs the look, not the work.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

FOLDER, WAVE = ".progress", ".wave"
WRONG = (ValueError, KeyError, TypeError, RecursionError, OverflowError)
"""What reading a text that is no journal raises."""
DIGITS = 16
"""Digits of a count from which a report is taken for something else."""


class Report(NamedTuple):
    """How far one cell is."""

    done: int
    total: int
    note: str


@dataclass(frozen=True)
class Reporter:
    """Writes a cell's progress where the main process, and anybody else, looks for it."""

    folder: Path
    cell: str

    def __call__(self, done: int, total: int, note: str = "") -> None:
        """``done`` of ``total``; a failed write is ignored."""
        with suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True)
            temporary = self.folder / f".{self.cell}.{os.getpid()}"
            temporary.write_text(f"{done}\t{total}\t{note}", encoding="utf-8")
            os.replace(temporary, self.folder / self.cell)


def report_in(text: str) -> Report | None:
    """What a :class:`Reporter` wrote, or nothing when it is no such text."""
    done, _, rest = text.partition("\t")
    total, tab, note = rest.partition("\t")
    with suppress(ValueError):
        return Report(int(done), int(total), note) if tab and max(len(done), len(total)) < DIGITS else None
    return None


class Journal:
    """Writes which cells of a wave there are and which have ended."""

    def __init__(self, folder: Path, cells: Sequence[str], before: Iterable[str]) -> None:
        self._file = folder / WAVE
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            first = json.dumps({"began": time.time(), "cells": list(cells), "before": list(before)})
            temporary = folder / f"{WAVE}.{os.getpid()}"
            temporary.write_text(f"{first}\n", encoding="utf-8")
            os.replace(temporary, self._file)

    def ended(self, cell: str, seconds: float, *, failed: bool) -> None:
        """Note the end of a cell."""
        line = json.dumps({"cell": cell, "seconds": seconds, "failed": failed})
        with suppress(OSError), self._file.open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")


@dataclass(frozen=True)
class Wave:
    """A wave of cells as its journal tells it."""

    began: float
    """Seconds since 1970."""
    cells: tuple[str, ...]
    before: frozenset[str]
    """Cells that were done before it began."""
    ended: dict[str, float] = field(default_factory=dict)
    """Cell -> seconds that it took."""
    failed: frozenset[str] = frozenset()


def wave_in(text: str) -> Wave | None:
    """What a :class:`Journal` wrote, or nothing when it is no such text; a line that is half written is left out."""
    first, *lines = text.split("\n")
    with suppress(*WRONG):
        about = json.loads(first)
        ended: dict[str, float] = {}
        failed: set[str] = set()
        for line in lines:
            with suppress(*WRONG):
                one = json.loads(line)
                if one["failed"]:
                    failed.add(str(one["cell"]))
                ended[str(one["cell"])] = _finite(one["seconds"])
        cells, before = (tuple(map(str, about[name])) for name in ("cells", "before"))
        return Wave(_finite(about["began"]), cells, frozenset(before), ended, frozenset(failed))
    return None


def _finite(value: Any) -> float:
    """A number of seconds. Raises ``ValueError`` for NaN and infinities."""
    if not math.isfinite(number := float(value)):
        raise ValueError(f"{number} is no time")
    return number
