"""Progress of cells: bars in a terminal, lines in a log."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Self

from rich import progress
from rich.console import Console

from imprint.commands.text import plain, say

if TYPE_CHECKING:
    from imprint.models.progress import Step

EVERY = 10.0
"""Seconds between two log lines about the same cell, when the output is not a terminal."""
TOLD_FROM = 30.0
"""Seconds of work on a cell from which a log says how much time is left."""


class Bars:
    """One bar a cell, with the time left; in a log, a line when a cell begins, when it ends, and now and then.

    In a log, a cell that has been worked on for half a minute is given the time that is left at its speed so far.
    """

    def __init__(self, out: Console) -> None:
        self.out = out
        self._tasks: dict[str, progress.TaskID] = {}
        self._units: dict[str, int] = {}
        self._last: dict[str, float] = {}
        self._first: dict[str, tuple[float, int]] = {}
        self._ended: set[str] = set()
        self._progress = progress.Progress(
            progress.TextColumn("{task.description}", markup=False),
            progress.BarColumn(bar_width=24),
            progress.MofNCompleteColumn(),
            progress.TimeElapsedColumn(),
            progress.TimeRemainingColumn(),
            progress.TextColumn("{task.fields[note]}", markup=False),
            console=out,
            disable=not out.is_terminal,
        )

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._progress.stop()

    def __call__(self, step: Step) -> None:
        """Show one report of the engine."""
        if self.out.is_terminal:
            self._draw(step)
        else:
            self._log(step)

    def _draw(self, step: Step) -> None:
        if step.cell not in self._tasks:
            self._tasks[step.cell] = self._progress.add_task(plain(step.cell), total=step.total, note="")
            self._units[step.cell] = step.total
        task = self._tasks[step.cell]
        # The last report of a cell counts the cell as one unit; its bar keeps the units it was drawn with.
        units = self._units[step.cell] = max(self._units[step.cell], step.total)
        completed = units if step.done >= step.total else step.done
        note, _, last = step.note.rpartition("  ")  # the bar says how much time is left by itself
        note = note if last.endswith(" left") else step.note
        self._progress.update(task, completed=completed, total=units, note=plain(note))

    def _log(self, step: Step) -> None:
        now, ended = time.monotonic(), step.done >= step.total
        if step.cell in self._ended or (not ended and now - self._last.get(step.cell, -EVERY) < EVERY):
            return
        self._last[step.cell] = now
        if ended:
            self._ended.add(step.cell)
        note = ", ".join(word for word in (step.note, self._left(step, now)) if word)
        say(self.out, f"{step.cell}: {step.done:,} of {step.total:,}{'  ' + note if note else ''}")

    def _left(self, step: Step, now: float) -> str:
        """Time left in words, from what was done since the first report of a cell; empty where a note says it."""
        began, before = self._first.setdefault(step.cell, (now, step.done))
        took, done = now - began, step.done - before
        if done <= 0 or took < TOLD_FROM or step.done >= step.total or step.note.endswith(" left"):
            return ""
        from imprint.models.progress import duration

        return f"{duration(took / done * (step.total - step.done))} left"
