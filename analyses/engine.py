"""The engine: pure cells run side by side, resumable, with one failure never holding up the rest.

A cell is a function of plain data that writes its result under its own name, whole or not at all, and is skipped when
that result exists. Cells run in processes of this machine or on the workers of a Dask or Ray cluster
(:mod:`imprint.analyses.backends`). Every process computes with one thread (two threads beside a neighbour were slower
than one, see ``docs/decisions.md``).

While a cell runs it writes its progress to a small file, which the main process reads twice a second.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from functools import partial
from pathlib import Path

from imprint.analyses.backends.addresses import require_answer
from imprint.analyses.backends.base import Backend as Backend
from imprint.analyses.backends.cells import Cell as Cell
from imprint.analyses.backends.cells import Outcome as Outcome
from imprint.analyses.journal import Journal, report_in
from imprint.analyses.journal import Reporter as Reporter
from imprint.models.errors import ImprintError, unknown_name
from imprint.models.progress import Step as Step

BACKENDS = ("local", "dask", "ray")
WATCHED_EVERY = 0.5
"""Seconds between two looks at the progress of cells."""

Progress = Callable[[Step], None]
Say = Callable[[int, int, str], None]
"""Reports how far a piece of work is: ``say(done, total, note)``."""


def require_backend(backend: str, address: str | None = None) -> None:
    """Raise :class:`ImprintError` for an unknown backend, with the near miss, and for an address nobody answers at."""
    if backend not in BACKENDS:
        raise unknown_name("backend", backend, BACKENDS)
    if address is not None and backend == "local":
        raise ImprintError(f"the address {address!r} goes with --backend dask or ray; local processes have none.")
    if address is not None:
        require_answer(backend, address)


@contextmanager
def opened(backend: str, address: str | None = None, *, folder: Path, jobs: int | None = None) -> Iterator[Backend]:
    """A backend that is ready for a run in ``folder``; nothing of the run is written.

    Raises :class:`ImprintError` when nobody answers at the address, and when a worker runs another version of this
    program or does not see the folder.

    Arguments:
        backend: one of :data:`BACKENDS`.
        address: where the scheduler of Dask or the head of Ray answers; by default, the cluster of this process.
        folder: where the run lies, or will.
        jobs: number of local processes; by default one for every core.
    """
    require_backend(backend, address)
    if backend == "local":
        from imprint.analyses.backends.local import Local

        yield Local(jobs or available_cores())
        return
    try:
        if backend == "dask":
            from imprint.analyses.backends import dask

            open_cluster: Callable[[str | None, Path], AbstractContextManager[Backend]] = dask.opened
        else:
            from imprint.analyses.backends import ray

            open_cluster = ray.opened
    except ImportError as error:
        raise ImprintError(f"backend {backend!r} is not installed ({error}). Install imprint[{backend}].") from None
    with open_cluster(address, folder.absolute()) as cluster:
        yield cluster


def run_cells(
    cells: Sequence[Cell],
    *,
    backend: Backend | str = "local",
    address: str | None = None,
    jobs: int | None = None,
    watch: Path,
    progress: Progress | None = None,
) -> list[Outcome]:
    """Run the cells that are not done, and return their outcomes in the same order.

    One that fails does not hold up the rest; a folder that cannot be written to does. A cell whose process is killed
    is tried again, three times in all.

    Arguments:
        cells: whose paths are absolute, unless they run locally.
        backend: an open one, or the name of one that is opened for these cells alone.
        address: of a cluster, as for :func:`opened`.
        jobs: number of local processes.
        watch: folder in which cells write their progress, inside the folder of the run.
        progress: called with every :class:`Step`.
    """
    report = progress or (lambda step: None)
    todo: list[Cell] = []
    before: list[Cell] = []
    for cell in cells:
        (before if cell.done else todo).append(cell)
    for cell in before:
        report(Step(cell.name, 1, 1, "done before"))
    journal = partial(Journal, watch, [cell.name for cell in cells], [cell.name for cell in before])
    if isinstance(backend, str):
        require_backend(backend, address)
        if not todo:
            return []
        with opened(backend, address, folder=watch.parent, jobs=jobs) as workers:
            return _run(todo, workers, watch, report, journal())
    return _run(todo, backend, watch, report, journal()) if todo else []


def available_cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _run(cells: Sequence[Cell], backend: Backend, watch: Path, report: Progress, journal: Journal) -> list[Outcome]:
    stop = threading.Event()
    watcher = threading.Thread(target=_watch, args=({cell.name for cell in cells}, watch, report, stop), daemon=True)
    watcher.start()
    ended: dict[str, Outcome] = {}
    try:
        with closing(backend.run(cells, lambda cell, note: report(Step(cell, 0, 1, note)))) as outcomes:
            for outcome in outcomes:
                if outcome.fatal is not None:
                    raise outcome.fatal
                ended[outcome.cell] = outcome
                journal.ended(outcome.cell, outcome.seconds, failed=outcome.error is not None)
                with suppress(OSError):
                    (watch / outcome.cell).unlink()
                report(Step(outcome.cell, 0 if outcome.error else 1, 1, "failed" if outcome.error else "done"))
    finally:
        stop.set()
        watcher.join(timeout=2.0)
    return [ended[cell.name] for cell in cells]


def _watch(cells: set[str], folder: Path, report: Progress, stop: threading.Event) -> None:
    """Report what cells write of their progress, until told to stop."""
    seen: dict[str, str] = {}
    while not stop.wait(WATCHED_EVERY):
        with suppress(OSError):
            for name in cells.intersection(os.listdir(folder)):
                text = (folder / name).read_text(encoding="utf-8")
                if seen.get(name) != text and (said := report_in(text)) is not None:
                    seen[name] = text
                    report(Step(name, *said))
