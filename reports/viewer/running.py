"""Work that goes on: whether it does, how far it is, and about how long it still takes.

A folder is worked on while a process of this machine holds its lock or, when the work is done elsewhere, while its
journal (:mod:`imprint.analyses.journal`) changes. What is left of the present stage follows from the part that is done
since the stage began; pieces count by what pieces of that name took in a finished run of the same setup, and alike
without one. What comes after the present stage is foretold from such a run, or not at all.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from imprint.analyses.journal import FOLDER, WAVE, Report, Wave, report_in, wave_in
from imprint.models.errors import ImprintError
from imprint.reports.viewer.entry import finite
from imprint.reports.viewer.places import Place

FRESH = 60.0
"""Seconds since the last change of a journal within which work on another machine is taken to go on."""
SOON = 2.0
"""Seconds of a stage before which nothing is foretold."""
LEAST = 0.01
"""Part of a stage that has to be done before anything is foretold."""
LONGEST = 1e9
"""Seconds beyond which a piece's time is taken for a mistake."""
SHOWN = 12
"""Running pieces that are listed at most."""
STAGES = {
    "run": {"training": r"^seeds? ", "examination": r""},
    "question": {"work": r""},
    "sweep": {"training": r" seeds ", "reading": r" read | twins ", "judging": r""},
}
"""Kind -> stages in their order, each with what is in the name of one of its pieces at least."""
Took = Mapping[str, tuple[int, float]]
"""Name of pieces without its numbers -> how many there were in a finished run, and seconds they took together."""


@dataclass(frozen=True)
class Piece:
    """A piece of work that is running."""

    name: str
    part: float
    note: str


@dataclass(frozen=True)
class Standing:
    """How far work is."""

    stage: str
    """Name of the present stage."""
    number: int
    """Which stage that is, from 1 on."""
    stages: int
    done: int
    """Pieces of the stage that have ended."""
    pieces: int
    part: float
    """Part of the stage's work that is done, 0 to 1."""
    left: float | None
    """Seconds until the stage ends; None while nothing can be foretold."""
    left_in_all: float | None
    """Seconds until all ends; None where no finished run of the same setup tells what comes after this stage."""
    running: tuple[Piece, ...]
    failed: int = 0

    def data(self) -> dict[str, Any]:
        """In the types of JSON."""
        return asdict(self)


def kind_of_piece(name: str) -> str:
    """The name of a piece without its numbers."""
    return re.sub(r"[0-9]+", "#", name)


def took_in(cell_seconds: Mapping[str, Any]) -> dict[str, tuple[int, float]]:
    """How long pieces of each name took, from the record of a finished run."""
    took: dict[str, tuple[int, float]] = {}
    for name, seconds in cell_seconds.items():
        if (known := finite(seconds)) is not None and 0 < known < LONGEST:
            count, total = took.get(kind := kind_of_piece(name), (0, 0.0))
            took[kind] = (count + 1, total + known)
    return took


def worked_on(place: Place, *, finished: bool) -> bool:
    """Whether somebody works in a folder; ``finished``: whether it holds a result already."""
    return _locked(place.path / ".lock") or (not finished and time.time() - _changed(place) < FRESH)


def _locked(path: Path) -> bool:
    """Whether a process of this machine has the lock: by the system's table of locks, else by the process's number."""
    try:
        inode = os.lstat(path).st_ino
        table = Path("/proc/locks").read_text(encoding="ascii", errors="replace")
    except OSError:
        return _alive(path)
    held = (line.split() for line in table.splitlines() if "FLOCK" in line and "->" not in line)
    return any(words[5].endswith(f":{inode}") for words in held if len(words) > 5)


def _alive(path: Path) -> bool:
    """Whether the process that wrote its number into a lock is there."""
    if os.name != "posix":  # where a signal 0 is not only a question
        return False
    with suppress(OSError, ValueError):
        number = int(path.read_text(encoding="ascii"))
        os.kill(number, 0)
        return number > 0
    return False


def _changed(place: Place) -> float:
    """When the journal changed last; 0 without one."""
    latest = 0.0
    with suppress(OSError), os.scandir(place.path / FOLDER) as files:
        for file in files:
            latest = max(latest, file.stat(follow_symlinks=False).st_mtime)
    return latest


def standing_of(place: Place, took: Took | None = None, *, now: float | None = None) -> Standing | None:
    """How far the work in a folder is, or nothing where its journal tells nothing.

    ``took``: of a finished run of the same setup. ``now``: seconds since 1970.
    """
    try:
        wave = wave_in(place.text(f"{FOLDER}/{WAVE}"))
    except ImprintError:
        return None
    if wave is None or not wave.cells:
        return None
    reports = _reports(place, wave)
    todo = [name for name in wave.cells if name not in wave.before]
    weights = _weights(todo, took or {})
    parts = {name: 1.0 if name in wave.ended else _part(reports.get(name)) for name in todo}
    work, done = sum(weights.values()), sum(weights[name] * parts[name] for name in todo)
    elapsed = max((time.time() if now is None else now) - wave.began, 0.0)
    known = elapsed >= SOON and work > 0 and done / work >= LEAST
    left = elapsed * (work - done) / done if known else None
    stages = STAGES.get(place.kind, STAGES["question"])
    number = _number(stages, wave.cells)
    return Standing(
        stage=list(stages)[number - 1],
        number=number,
        stages=len(stages),
        done=len(wave.before) + len(wave.ended),
        pieces=len(wave.cells),
        part=done / work if work > 0 else 1.0,
        left=left,
        left_in_all=left if number == len(stages) or left is None else _with_later(left, elapsed, wave, took or {}),
        running=tuple(
            Piece(name, parts[name], reports[name].note) for name in todo if name in reports and name not in wave.ended
        )[:SHOWN],
        failed=len(wave.failed),
    )


def _reports(place: Place, wave: Wave) -> dict[str, Report]:
    """What the cells of a wave wrote since it began; a cell that was killed in an earlier one is left out."""
    found: dict[str, Report] = {}
    there: set[str] = set()
    with suppress(OSError):
        there = set(os.listdir(place.path / FOLDER))
    for name in (cell for cell in wave.cells if cell in there):
        file = place.file(f"{FOLDER}/{name}")
        with suppress(OSError, ImprintError):
            if file is not None and file.stat().st_mtime >= wave.began - 1.0:
                report = report_in(place.text(f"{FOLDER}/{name}"))
                found |= {} if report is None else {name: report}
    return found


def _part(report: Report | None) -> float:
    return 0.0 if report is None or report.total <= 0 else min(max(report.done / report.total, 0.0), 1.0)


def _weights(names: list[str], took: Took) -> dict[str, float]:
    """What each piece counts: its mean seconds, or the mean of all where those are not known."""
    means = {kind: total / count for kind, (count, total) in took.items()}
    known = [means[kind_of_piece(name)] for name in names if kind_of_piece(name) in means]
    usual = sum(known) / len(known) if known else 1.0
    return {name: means.get(kind_of_piece(name), usual) for name in names}


def _number(stages: Mapping[str, str], cells: tuple[str, ...]) -> int:
    """Which stage the cells are of."""
    for number, pattern in enumerate(stages.values(), start=1):
        if not pattern or any(re.search(pattern, cell) for cell in cells):
            return number
    return len(stages)


def _with_later(left: float, elapsed: float, wave: Wave, took: Took) -> float | None:
    """Seconds until the end of all: later stages take the time that their work needs at the pace of this one."""
    stage = {kind_of_piece(name) for name in wave.cells}
    todo = {kind_of_piece(name) for name in wave.cells if name not in wave.before}
    now = sum(total for kind, (_, total) in took.items() if kind in todo)
    later = sum(total for kind, (_, total) in took.items() if kind not in stage)
    return left + later / now * (elapsed + left) if now > 0 else None
