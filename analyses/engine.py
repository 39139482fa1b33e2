"""The engine: pure cells run side by side, resumable, with one failure never holding up the rest.

A cell is a function of plain data that writes its result under its own name, whole or not at all, and is skipped when
that result exists. Cells run through joblib: loky processes here, Dask or Ray on a cluster, unchanged. Every process
computes with one thread (two threads beside a neighbour were slower than one, see ``docs/decisions.md``).

While a cell runs it writes its progress to a small file, which the main process reads twice a second.
"""

from __future__ import annotations

import ctypes
import gc
import os
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imprint.models.errors import ImprintError, unknown_name
from imprint.models.files import StorageError
from imprint.models.progress import Step as Step

BACKENDS = ("local", "dask", "ray")
WATCHED_EVERY = 0.5
"""Seconds between two looks at the progress of cells."""


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


Progress = Callable[[Step], None]
Say = Callable[[int, int, str], None]
"""Reports how far a piece of work is: ``say(done, total, note)``."""


@dataclass(frozen=True)
class Reporter:
    """Writes a cell's progress where the main process looks for it."""

    folder: Path
    cell: str

    def __call__(self, done: int, total: int, note: str = "") -> None:
        """``done`` of ``total``; a failed write is ignored."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            temporary = self.folder / f".{self.cell}.{os.getpid()}"
            temporary.write_text(f"{done}\t{total}\t{note}", encoding="utf-8")
            os.replace(temporary, self.folder / self.cell)
        except OSError:
            return


def run_cells(
    cells: Sequence[Cell],
    *,
    backend: str = "local",
    jobs: int | None = None,
    watch: Path,
    progress: Progress | None = None,
) -> list[Outcome]:
    """Run the cells that are not done.

    One that fails does not hold up the rest; a folder that cannot be written to does. When a local process is killed,
    the cells that are not finished are run again one by one, and only the one that is killed again has failed.
    """
    report = progress or (lambda step: None)
    todo = [cell for cell in cells if not cell.done]
    for cell in cells:
        if cell.done:
            report(Step(cell.name, 1, 1, "done before"))
    if not todo:
        return []
    jobs = min(jobs or available_cores(), len(todo)) if backend == "local" else -1
    stop = threading.Event()
    watcher = threading.Thread(target=_watch, args=(todo, watch, report, stop), daemon=True)
    watcher.start()
    try:
        outcomes = _run(todo, backend, jobs)
    finally:
        stop.set()
        watcher.join(timeout=2.0)
    for outcome in outcomes:
        if outcome.fatal is not None:
            raise outcome.fatal
        report(Step(outcome.cell, 0 if outcome.error else 1, 1, "failed" if outcome.error else "done"))
    return outcomes


def available_cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _run(cells: Sequence[Cell], backend: str, jobs: int) -> list[Outcome]:
    from joblib import Parallel, delayed, parallel_config

    if backend not in BACKENDS:
        raise unknown_name("backend", backend, BACKENDS)
    if jobs == 1:
        return [_guarded(cell) for cell in cells]
    options: dict[str, Any] = {"inner_max_num_threads": 1} if backend == "local" else {}
    try:
        name = "loky" if backend == "local" else _cluster(backend)
        with _replaced_in_silence(), parallel_config(backend=name, n_jobs=jobs, **options):
            return list(Parallel(batch_size=1)(delayed(_guarded)(cell) for cell in cells))
    except BrokenExecutor:
        return [Outcome(cell.name, None, 0.0) if cell.done else _alone(cell) for cell in cells]
    except (ImportError, ValueError) as error:
        if backend == "local":
            raise
        raise ImprintError(
            f"backend {backend!r} is not ready: {error}. Install imprint[{backend}] and start its cluster."
        ) from None


def _alone(cell: Cell) -> Outcome:
    """Run a cell in a process of its own: after one process of a wave was killed, nobody knows which cell killed it."""
    from joblib import Parallel, delayed, parallel_config

    try:
        with _replaced_in_silence(), parallel_config(backend="loky", n_jobs=2, inner_max_num_threads=1):
            outcome: Outcome = Parallel(batch_size=1)([delayed(_guarded)(cell)])[0]
            return outcome
    except BrokenExecutor:
        return Outcome(cell.name, "its process was killed, also when it ran alone (out of memory?)", 0.0)


@contextmanager
def _replaced_in_silence() -> Iterator[None]:
    """Let loky replace an idle process that left just as work came.

    Its warning says nothing to a user; where warnings are errors it would end the thread that hands out the work, and
    the caller would wait for ever.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "A worker stopped while some jobs were given", UserWarning)
        yield


def _cluster(backend: str) -> str:
    if backend == "dask":
        from distributed import Client

        Client.current()
    else:
        from ray.util.joblib import register_ray

        register_ray()
    return backend


def _guarded(cell: Cell) -> Outcome:
    import torch

    torch.set_num_threads(1)
    started = time.perf_counter()
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
    _give_back_memory()
    return Outcome(cell.name, error, round(time.perf_counter() - started, 2), fatal)


def _give_back_memory() -> None:
    """Return freed memory to the system: loky takes a process that keeps it for a leak and replaces it, in seconds."""
    gc.collect()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


def _watch(cells: Sequence[Cell], folder: Path, report: Progress, stop: threading.Event) -> None:
    """Report what cells write of their progress, until told to stop."""
    seen: dict[str, str] = {}
    while not stop.wait(WATCHED_EVERY):
        for cell in cells:
            try:
                text = (folder / cell.name).read_text(encoding="utf-8")
            except OSError:
                continue
            if seen.get(cell.name) != text and text.count("\t") == 2:
                seen[cell.name] = text
                done, total, note = text.split("\t")
                report(Step(cell.name, int(done), int(total), note))
