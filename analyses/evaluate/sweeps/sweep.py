"""Sweeps: every combination of some settings as a cell with a verdict, in one frame.

    runs/<setup>-sweep-<hash>/
        registration.json, sessions.json    as in a run, written before the first result
        sweep.json                          base setup, grid, which keys were shared and which raised, versions
        life-<hash>/                        the lives of one upbringing, what was read of them, verdicts of its cells
        runs/                               cells that are runs of their own: those of agents
        cells.parquet                       one row for each cell (:mod:`imprint.analyses.evaluate.sweeps.rows`)
        seconds.parquet                     CPU seconds of each cell, its part of a shared life included
        record.json                         times, failures, SHA-256 of every file

Learners that live alike are raised once for all cells that steer, examine or judge them differently
(:mod:`imprint.analyses.evaluate.sweeps.plan`). Work is cut into pieces that are skipped when their files exist, so that
a killed sweep goes on where it stopped; all files but the last two, ``sessions.json`` and reports have the same bytes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import pandas as pd

from imprint.analyses.engine import Backend, Cell, Outcome, Progress, Step, available_cores, opened, run_cells
from imprint.analyses.evaluate.evaluate import evaluate, procedure_of
from imprint.analyses.evaluate.learners.procedure import LearnerProcedure, try_parts
from imprint.analyses.evaluate.sweeps.cost import LONG, estimate
from imprint.analyses.evaluate.sweeps.judging import verdicts_of
from imprint.analyses.evaluate.sweeps.lives import cost_file, lives_of, readings_of
from imprint.analyses.evaluate.sweeps.plan import MOST, Plan, SweptCell, Upbringing, life_of, plan_of, spoken
from imprint.analyses.evaluate.sweeps.rows import failed_row, frame_of_cells, row_of_run, written
from imprint.analyses.provenance import software
from imprint.analyses.registration import (
    OF_SWEEPS,
    SESSIONS,
    Session,
    begin,
    ledger,
    require_same,
    results_in,
    source_of,
)
from imprint.models.errors import ImprintError, unknown_name
from imprint.models.files import (
    REGISTRATION,
    StorageError,
    alone_in,
    read_record,
    read_table,
    table_bytes,
    write_bytes,
    write_json,
    write_table,
)
from imprint.models.memory import within_memory
from imprint.models.notebook import card, ranged
from imprint.models.setup.learner import Setup
from imprint.models.setup.load import load_setup
from imprint.models.store import RunFolder

ASKED = 2000
"""Cells from which a sweep asks whether it is meant."""
SWEEP, CELLS, SECONDS, RECORD = "sweep.json", "cells.parquet", "seconds.parquet", "record.json"
RULE = (*LearnerProcedure.rule, *(f"imprint.analyses.evaluate.sweeps.{name}" for name in ("judging", "rows")))


@dataclass(frozen=True)
class Sweep:
    """A sweep on disk."""

    folder: Path
    """Where it is kept."""

    @property
    def path(self) -> Path:
        """Its folder, called as that of a run."""
        return self.folder

    @cached_property
    def about(self) -> dict[str, Any]:
        """What ``sweep.json`` holds."""
        return read_record(self.folder / SWEEP)

    @property
    def setup(self) -> Any:
        """The setup that every cell differs from in the keys of the grid alone."""
        return load_setup(self.about["base"])

    @property
    def grid(self) -> dict[str, list[Any]]:
        """Dotted key -> values."""
        return dict(self.about["grid"])

    @cached_property
    def frame(self) -> pd.DataFrame:
        """One row for each cell: columns of :mod:`imprint.analyses.evaluate.sweeps.rows`, and ``seconds``."""
        frame = read_table(self.folder / CELLS)
        if "seconds" in frame or not (self.folder / SECONDS).exists():
            return frame
        return frame.merge(read_table(self.folder / SECONDS), on="cell", how="left")

    @property
    def failed(self) -> pd.DataFrame:
        """Cells without a verdict that could be trusted, with their reason in ``error``."""
        return self.frame[self.frame["error"] != ""]

    def cells(self, **values: Any) -> pd.DataFrame:
        """Rows of the frame with these values: ``cells(**{"assessor.lag": 1})``. Raises for what the grid lacks."""
        rows = self.frame
        for key, value in values.items():
            if key not in self.grid:
                raise unknown_name("key of the grid", key, self.grid)
            if value not in self.grid[key]:
                raise unknown_name(f"value of {key}", value, self.grid[key])
            rows = rows[rows[key] == written(self.grid[key])[self.grid[key].index(value)]]
        return rows

    def _repr_html_(self) -> str:
        frame = self.frame
        said = frame["verdict"][frame["verdict"].fillna("") != ""].value_counts()
        words = ", ".join(f"{count} “{word}”" for word, count in said.items()) or "none was judged"
        surest = f" (mean probability of the likeliest word {frame['probability'].mean():.2f})" if len(said) else ""
        held = ranged(frame, "dominance", "dominance_low", "dominance_high")
        table = frame[[*self.grid, "verdict", "probability"]].assign(dominance=held)
        lost = f"{len(self.failed)} cells have no verdict that could be trusted." if len(self.failed) else ""
        return card(f"Of {len(frame):,} cells: {words}{surest}.", [lost], table, f"{self.folder.name}, cells in order.")


def sweep(
    setup: Any,
    *,
    grid: Any,
    seeds: int | None = None,
    out: str | Path = "runs",
    backend: str = "local",
    address: str | None = None,
    changes: Mapping[str, Any] | None = None,
    yes: bool = False,
    resume: bool = True,
    progress: Progress | None = None,
) -> Sweep:
    """Judge every combination of the values of a grid.

    What a cell says is what ``imprint.evaluate`` of its setup says, to the bit; lives that cells have in common are
    lived once. Cells that fail stay in the frame with their reason. Raises :class:`ImprintError` before anything is
    written for keys, values and combinations that do not fit, and for a sweep of more than 2,000 cells or 6 hours
    unless ``yes``.

    Arguments:
        setup: shipped name, YAML file, mapping or setup, of learners or agents.
        grid: dotted keys of the setup -> lists of values, such as ``{"assessor.lag": [0, 1]}``.
        seeds: number of training seeds of every cell, if not the setup's own.
        out: folder in which the sweep's folder is made.
        backend: ``local`` processes, or a ``dask`` or ``ray`` cluster.
        address: where that cluster answers; by default the one this process has joined.
        changes: dotted keys -> values that hold for all cells.
        yes: whether a long sweep is meant.
        resume: go on with a sweep that was begun; False starts it afresh.
        progress: called with every :class:`imprint.analyses.engine.Step` of the sweep as a whole.
    """
    plan = plan_of(setup, grid, changes=changes, seeds=seeds, most=MOST if yes else ASKED)
    rehearse(plan)
    if not yes and (cost := estimate(plan)).hours > LONG:
        raise ImprintError(f"the sweep takes {cost.sentence}. Say --yes (yes=True) if that is meant.")
    return carry_out(plan, out, backend=backend, address=address, resume=resume, progress=progress)


@within_memory()
def rehearse(plan: Plan) -> None:
    """Build every part of every kind of cell once; raises :class:`ImprintError` and names the combination."""
    tried = set()
    for cell in plan.cells:
        setup = cell.setup
        if not isinstance(setup, Setup):
            _named(cell, procedure_of(setup, RunFolder(Path())).rehearse)
            continue
        assessor = {k: v for k, v in setup.assessor.items() if k not in ("opens_at", "closes_at")}
        key = (life_of(setup), setup.steering, setup.scorecard, assessor, setup.intended, setup.proxies, setup.concepts)
        if (text := repr((key, setup.decision.edition))) not in tried:
            tried.add(text)
            _named(cell, partial(try_parts, setup))


def _named(cell: SweptCell, work: Callable[[], None]) -> None:
    try:
        work()
    except ImprintError as error:
        raise ImprintError(f"{spoken(cell.values)}: {error}") from None


def carry_out(
    plan: Plan,
    out: str | Path = "runs",
    *,
    backend: str = "local",
    address: str | None = None,
    resume: bool = True,
    progress: Progress | None = None,
) -> Sweep:
    """Do what a plan says, or take up what was begun; arguments as those of :func:`sweep`."""
    began, folder = time.time(), (Path(out) / plan.name).absolute()
    where = {"backend": backend, "address": address}
    with opened(backend, address, folder=folder) as workers, alone_in(folder):
        if _prepare(plan, folder, workers, resume=resume):
            return Sweep(Path(out) / plan.name)
        whole = Whole(progress, plan)
        outcomes, rows = [], []
        for name, work in (("lives", lives_of), ("readings", readings_of), ("verdicts", verdicts_of)):
            cells = [cell for upbringing in plan.upbringings for cell in work(upbringing, folder)]
            watch = folder / ".progress"
            outcomes += run_cells(cells, backend=workers, watch=watch, progress=whole.wave(name, cells))
        for upbringing in plan.upbringings:
            rows += _rows_of(upbringing, folder, [o for o in outcomes if o.cell.startswith(f"{upbringing.name} ")])
        seconds = {}
        for done, cell in enumerate(plan.alone):
            started = time.process_time()
            rows.append(_run_alone(cell, folder, where, resume, whole.run(done, len(plan.alone))))
            seconds[cell.number] = time.process_time() - started
        _write(plan, folder, frame_of_cells(plan, rows), _costs(plan, folder, seconds), outcomes, began)
        whole.end()
    return Sweep(Path(out) / plan.name)


class Whole:
    """Progress of the whole sweep, as one bar: every wave of work takes a part of it."""

    PARTS = {"lives": 0.75, "readings": 0.1, "verdicts": 0.15}

    def __init__(self, report: Progress | None, plan: Plan) -> None:
        self.report = report
        self.shared = len(plan.cells) - len(plan.alone)
        self.before, self.total = 0.0, float(len(plan.cells))

    def wave(self, name: str, cells: Sequence[Cell]) -> Progress | None:
        """What a wave of work reports to."""
        part, done, before = self.PARTS[name] * self.shared, dict.fromkeys((c.name for c in cells), 0.0), self.before
        self.before += part

        def tell(step: Step) -> None:
            done[step.cell] = 1.0 if step.note == "failed" else step.done / max(step.total, 1)
            finished = sum(value >= 1.0 for value in done.values())
            self._say(before + part * sum(done.values()) / len(done), f"{name}: {finished} of {len(done)}")

        return None if self.report is None or not cells else tell

    def run(self, done: int, total: int) -> Progress | None:
        """What a run that is a cell reports to."""
        started = float(self.shared + done)
        return (
            None if self.report is None else lambda step: self._say(started, f"run {done + 1} of {total}: {step.cell}")
        )

    def end(self) -> None:
        """All is done."""
        self._say(self.total, "done")

    def _say(self, done: float, note: str) -> None:
        if self.report is not None:
            self.report(Step("percent of the sweep", int(100 * done / self.total), 100, note))


def _prepare(plan: Plan, folder: Path, workers: Backend, *, resume: bool) -> bool:
    """Make the folder, or check that it is this sweep's own; register. Whether the sweep is finished."""
    rule = source_of(RULE)
    if not resume:
        _clear(folder)
    record = folder / RECORD
    if (folder / CELLS).exists() and record.exists() and not read_record(record).get("failed"):
        require_same(folder, rule, Session.here(workers.machine))
        return True
    begin(folder, plan.settings, rule, empty=not results_in(folder, OF_SWEEPS), computing=workers.machine)
    about = {
        "name": plan.name,
        **plan.settings,
        "seeds": plan.base.schedule.seeds,
        "cells": len(plan.cells),
        "upbringings": len(plan.upbringings),
        "lives": plan.lives,
        "shared": list(plan.shared),
        "raised": list(plan.raised),
        "versions": software(),
    }
    write_json(folder / SWEEP, about)
    return False


def _clear(folder: Path) -> None:
    """Remove what an earlier sweep left; only files of names that it writes."""
    patterns = (*OF_SWEEPS, ".costs/*.json", SWEEP, SECONDS, RECORD, REGISTRATION, SESSIONS, "report.html")
    for path in (path for pattern in patterns for path in folder.glob(pattern)):
        try:
            path.unlink()
        except OSError as error:
            raise StorageError(f"cannot remove {path}: {error.strerror}.") from error


def _rows_of(upbringing: Upbringing, folder: Path, outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """Rows of the cells of an upbringing; where a piece of work failed they say so, and are judged anew next time."""
    failed = [outcome for outcome in outcomes if outcome.error is not None]
    reason = "; ".join(f"{outcome.cell.partition(' ')[2]}: {outcome.error}" for outcome in failed)
    rows: dict[int, dict[str, Any]] = {}
    for work in verdicts_of(upbringing, folder):
        for file in (file for file in work.results if file.exists()):
            rows |= {row["cell"]: _present(row) for row in read_table(file).to_dict("records")}
            if failed:
                file.unlink()
    for row in rows.values():
        row["error"] = "; ".join(text for text in (row.get("error"), reason) if text)
    missing = [cell for cell in upbringing.cells if cell.number not in rows]
    return [*rows.values(), *(failed_row(cell, reason or "it was not judged") for cell in missing)]


def _present(row: Mapping[Any, Any]) -> dict[str, Any]:
    """The entries of a row that are not missing."""
    return {str(name): value for name, value in row.items() if not pd.isna(value)}


def _run_alone(
    cell: SweptCell, folder: Path, where: Mapping[str, Any], resume: bool, progress: Progress | None
) -> dict[str, Any]:
    """Row of a cell that is a run of its own."""
    try:
        run = evaluate(cell.setup, out=folder / "runs", resume=resume, progress=progress, **where)
        return row_of_run(cell, run)
    except StorageError:
        raise
    except ImprintError as error:
        return failed_row(cell, str(error))


def _costs(plan: Plan, folder: Path, alone: Mapping[int, float]) -> pd.DataFrame:
    """cell, seconds: CPU time of every cell, with its part of what it shared."""
    seconds = dict(alone)
    for upbringing in plan.upbringings:
        for work in (lives_of(upbringing, folder), readings_of(upbringing, folder)):
            for cell in upbringing.cells:
                took = sum(_took(folder, piece.name) for piece in work)
                seconds[cell.number] = seconds.get(cell.number, 0.0) + took / len(upbringing.cells)
        numbers = [cell.number for cell in upbringing.cells]
        for piece in verdicts_of(upbringing, folder):
            judged = [cell.number for cell in piece.arguments[1][1]]
            for number in set(judged) & set(numbers):
                seconds[number] += _took(folder, piece.name) / len(judged)
    return pd.DataFrame({"cell": sorted(seconds), "seconds": [seconds[number] for number in sorted(seconds)]})


def _took(folder: Path, name: str) -> float:
    file = cost_file(folder, name)
    return float(read_record(file)["seconds"]) if file.exists() else 0.0


def _write(
    plan: Plan, folder: Path, frame: pd.DataFrame, costs: pd.DataFrame, outcomes: Sequence[Outcome], began: float
) -> None:
    """Record, then the cells, which come last, so that they stand for a whole sweep."""
    content = table_bytes(folder / CELLS, frame)
    write_table(folder / SECONDS, costs)
    failed = frame[frame["error"] != ""]
    files = ledger(folder, OF_SWEEPS, cells=content)
    record = {
        "sweep": plan.name,
        "versions": software(),
        "machine": {**files.pop("machine"), "cores": available_cores()},
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(began)),
        "seconds": round(time.time() - began, 1),
        "failed": failed[["cell", "error"]].to_dict("records"),
        "cell_seconds": {outcome.cell: outcome.seconds for outcome in outcomes},
        **files,
    }
    write_json(folder / RECORD, record)
    write_bytes(folder / CELLS, content)
