"""``imprint run`` and ``imprint compare``: progress while the work is done, and a closing table."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self, cast

import yaml
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from imprint._cli_text import console, interval, number, plain, say, table
from imprint.models.errors import ImprintError

if TYPE_CHECKING:
    from imprint.analyses.evaluate.run import AnySetup

EVERY = 10.0
"""Seconds between two log lines about the same cell, when the output is not a terminal."""


class Step(Protocol):
    """What the engine reports."""

    @property
    def cell(self) -> str:
        """Which piece of work."""

    @property
    def done(self) -> int:
        """Units finished."""

    @property
    def total(self) -> int:
        """Units in all."""

    @property
    def note(self) -> str:
        """A few words about it."""


class Bars:
    """One bar a cell, with the time left; on a plain page, a line when a cell begins, ends, and now and then."""

    def __init__(self, out: Console) -> None:
        self.out = out
        self._tasks: dict[str, TaskID] = {}
        self._units: dict[str, int] = {}
        self._last: dict[str, float] = {}
        self._ended: set[str] = set()
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}", markup=False),
            console=out,
            disable=not out.is_terminal,
        )

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
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
        self._progress.update(task, completed=completed, total=units, note=plain(step.note))

    def _log(self, step: Step) -> None:
        now, ended = time.monotonic(), step.done >= step.total
        if step.cell in self._ended or (not ended and now - self._last.get(step.cell, -EVERY) < EVERY):
            return
        self._last[step.cell] = now
        if ended:
            self._ended.add(step.cell)
        say(self.out, f"{step.cell}: {step.done:,} of {step.total:,}{'  ' + step.note if step.note else ''}")


def parse_changes(given: Sequence[str]) -> dict[str, Any]:
    """``key=value`` words as a mapping; values are read as YAML, so numbers are numbers and ``[0, 640]`` is a list."""
    changes: dict[str, Any] = {}
    for word in given:
        key, equals, text = word.partition("=")
        if not equals or not key.strip():
            raise ImprintError(f"--set {word!r}: expected KEY=VALUE, for example --set schedule.ages=5.")
        try:
            changes[key.strip()] = yaml.safe_load(text)
        except yaml.YAMLError:
            raise ImprintError(f"--set {word!r}: {text!r} is not a YAML value.") from None
    return changes


def _load(setup: str, seeds: int | None, changes: Mapping[str, Any]) -> AnySetup:
    from imprint.models.setup.load import load_setup

    whole = dict(changes) if seeds is None else {**changes, "schedule.seeds": seeds}
    return cast("AnySetup", load_setup(setup, changes=whole))


def _announce(out: Console, setup: AnySetup, folder: Path, resume: bool) -> None:
    from imprint.analyses.evaluate.run import planned_ages

    schedule, ages = setup.schedule, planned_ages(setup)
    say(out, f"{setup.run_name}: {schedule.seeds} seeds, {len(ages)} ages, {ages[-1]:,} experiences")
    if setup.question:
        say(out, setup.question, "italic")
    if not folder.exists():
        return
    if not resume:
        say(out, f"{folder} exists; --no-resume: done again from birth.")
    elif (folder / "findings.parquet").exists():
        say(out, f"{folder} is finished and this is the same setup: reusing it. (--no-resume does it again.)")
    else:
        say(out, f"{folder} was begun before: going on from what is finished. (--no-resume begins again.)")


def run_setup(setup: str, *, seeds: int | None, changes: Sequence[str], out: Path, backend: str, resume: bool) -> None:
    """Run one setup and print how it ended."""
    page = console()
    loaded = _load(setup, seeds, parse_changes(changes))
    _announce(page, loaded, out / loaded.run_name, resume)
    run = _evaluate(page, loaded, out, backend, resume)
    _close(page, run)


def _evaluate(page: Console, setup: AnySetup, out: Path, backend: str, resume: bool) -> Any:
    from imprint.analyses.evaluate.evaluate import evaluate

    with Bars(page) as bars:
        progress: Callable[[Any], None] = bars
        return evaluate(setup, out=str(out), backend=backend, resume=resume, progress=progress)


def _close(page: Console, run: Any) -> None:
    from imprint._cli_findings import closing
    from imprint.reports.page import report
    from imprint.reports.run_data import load_run

    path = report(run.path)
    page.print()
    closing(page, load_run(run.path), verdict=str(run.verdict), sentence=str(run.sentence))
    page.print(Text(f"report  {plain(path)}", style="bold"), soft_wrap=True)


def compare_runs(names: Sequence[str], *, seeds: int | None, out: Path, resume: bool, csv: Path | None = None) -> None:
    """Run what is not a run folder yet, then print the comparison."""
    from imprint.models.store import open_run

    page = console()
    folders = [name for name in names if Path(name).is_dir()]
    if seeds is not None and folders:
        raise ImprintError(
            f"--seeds only applies to setups, and {folders[0]} is a run folder, whose seeds have been trained. "
            "Leave --seeds out, or name the setups."
        )
    known = {name: open_run(name).path for name in folders}
    loaded = {name: _load(name, seeds, {}) for name in names if name not in known}
    if len(set(names)) < 2:
        raise ImprintError(f"compare needs two or more different runs or setups; it was given {len(set(names))}.")
    paths = dict(known)
    for name, setup in loaded.items():
        _announce(page, setup, out / setup.run_name, resume)
        paths[name] = Path(_evaluate(page, setup, out, "local", resume).path)
    _print_comparison(page, [paths[name] for name in dict.fromkeys(names)], csv)


def _print_comparison(page: Console, paths: Sequence[Path], csv: Path | None) -> None:
    from imprint._cli_findings import write_csv
    from imprint.analyses.evaluate.compare import compare

    frame = compare(list(paths))
    if csv is not None:
        write_csv(csv, frame)
    rows = [
        (
            row.rank,
            row.setup,
            row.verdict,
            row.concept,
            row.role,
            interval(row.share, row.low, row.high, 3),
            row.seeds,
            interval(row.difference, row.difference_low, row.difference_high, 3),
            number(row.p_value, 3),
            number(row.pairs, 0),
        )
        for row in frame.itertuples()
    ]
    versus = next((name for name in frame["versus"] if isinstance(name, str)), "the first")
    columns = ("rank", "setup", "verdict", "concept", "role", "share", "seeds", f"minus {versus}", "p", "pairs")
    page.print(table(f"{frame.attrs['what']}, paired by seed", columns, rows, right=("rank", "seeds", "p", "pairs")))
