"""Progress of one long call: how far it is, how much time is left, and what it will take before it starts.

A call says what it will do in units of work (floating-point operations, or edits of a model) and how much of that is
done. ``progress=True`` draws a bar; a callable gets every :class:`Step`. Before anything that
is expected to take more than :data:`LONG` seconds a warning says how long and how much memory, and before anything that
does not fit into memory the call is refused.

Letters: n rows, D width.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch

from imprint.models.errors import ImprintError
from imprint.models.memory import free_memory


@dataclass(frozen=True)
class Step:
    """Progress of one cell of work, or of one call."""

    cell: str
    done: int
    total: int
    note: str


Report = Callable[[Step], None]
LONG = 60.0
"""Seconds from which a call says beforehand what it will take."""
UNITS = 1000
"""Parts in which progress is counted."""
PART_OF_MEMORY = 0.9
"""A call is refused when it needs more than this part of the memory that is free."""
FEW = 1e10
"""Operations that no machine takes long for; its speed is not measured for fewer."""
TRIAL = 768
"""Size of the matrix product from which the speed of this machine is taken."""


class LongCallWarning(UserWarning):
    """Says how long a call will take, and how much memory."""


@dataclass(frozen=True)
class Cost:
    """What a call is expected to take."""

    operations: float
    """Floating-point operations, in float32 matrix products."""
    memory: float
    """Bytes beyond what the caller holds already."""

    @property
    def seconds(self) -> float:
        """On this machine, with the threads that a call uses."""
        return self.operations / speed()

    def announce(self, what: str, advice: str) -> None:
        """See :func:`announced`."""
        announced(what, self.seconds if self.operations > FEW else 0.0, self.memory, advice)


def announced(what: str, seconds: float, memory: float, advice: str) -> None:
    """Refuse what does not fit, and say what takes long. ``advice``: what to do about the size."""
    free = free_memory()
    if memory > PART_OF_MEMORY * free:
        raise ImprintError(
            f"{what} needs about {amount(memory)} of memory and {amount(free)} are free; nothing was started. {advice}"
        )
    if seconds > LONG:
        warnings.warn(
            f"{what} will take about {duration(seconds)} and {amount(memory)} of memory; progress=True shows how far "
            "it is.",
            LongCallWarning,
            stacklevel=5,
        )


class Progress:
    """Counts units of work of one call, and reports them."""

    def __init__(self, what: str, total: float, report: Report) -> None:
        self._what, self._total, self._report = what, max(total, 1e-9), report
        self._done, self._began = 0.0, time.monotonic()

    def add(self, units: float, note: str = "") -> None:
        """Say that ``units`` more are done."""
        self._done = min(self._done + units, self._total)
        part = self._done / self._total
        left = (time.monotonic() - self._began) * (1 - part) / part if part > 0 else float("inf")
        note = f"{note}  {duration(left)} left" if 0 < part < 1 else note
        self._report(Step(self._what, int(UNITS * part), UNITS, note.strip()))

    def end(self) -> None:
        """Say that all is done."""
        self._done = self._total
        self.add(0.0)


_current: ContextVar[Progress | None] = ContextVar("progress", default=None)


def worked(units: float, note: str = "") -> None:
    """Say, from anywhere inside a call that reports its progress, that ``units`` of its work are done."""
    progress = _current.get()
    if progress is not None:
        progress.add(units, note)


@contextmanager
def reported(what: str, total: float, wanted: Any) -> Iterator[None]:
    """Reports what is :func:`worked` inside, of ``total`` units, as a user's ``progress`` argument wants it.

    ``wanted``: True for a bar, a function of a :class:`Step`, False or None. Raises :class:`ImprintError` for others.
    """
    if wanted is not None and not isinstance(wanted, bool) and not callable(wanted):
        raise ImprintError(f"progress is {wanted!r}; expected True, False, None or a function of a step.")
    if not wanted:
        yield
        return
    with _bar(what) if wanted is True else nullcontext(wanted) as report:
        progress = Progress(what, total, report)
        token = _current.set(progress)
        try:
            yield
        finally:
            _current.reset(token)
        progress.end()


@contextmanager
def _bar(what: str) -> Iterator[Report]:
    """A bar on the terminal, beside what the program prints."""
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Bar(*columns, TextColumn("{task.fields[note]}", markup=False), console=Console(stderr=True)) as bar:
        task = bar.add_task(what, total=UNITS, note="")
        yield lambda step: bar.update(task, completed=step.done, note=step.note)


@cache
def speed() -> float:
    """Floating-point operations a second of a float32 matrix product; measured once, in about 20 ms."""
    a = torch.ones(TRIAL, TRIAL)
    a @ a
    began = time.perf_counter()
    a @ a
    return 2 * TRIAL**3 / max(time.perf_counter() - began, 1e-6)


def amount(size: float) -> str:
    """Bytes in words: ``1.2 GB``."""
    for unit, bytes_ in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if size >= bytes_:
            return f"{size / bytes_:.1f} {unit}"
    return f"{size / 1e3:.0f} kB"


def duration(seconds: float) -> str:
    """Seconds in words: ``3 min``."""
    if not seconds < float("inf"):
        return "an unknown time"
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
