"""Cells in processes of this machine, through joblib's loky."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager

from joblib import Parallel, delayed, parallel_config

from imprint.analyses.backends.base import TRIES, Backend, Remark
from imprint.analyses.backends.cells import Cell, Outcome, perform


class Local(Backend):
    """Processes of this machine. With one process, cells run in this very one."""

    def __init__(self, jobs: int) -> None:
        self.jobs = jobs

    def run(self, cells: Sequence[Cell], remark: Remark) -> Generator[Outcome, None, None]:
        """Outcomes in the order of the cells.

        When a process is killed, nobody knows which cell killed it. The cells that are not finished are then run again
        one by one, and only one whose process is killed at every try has failed.
        """
        jobs = min(self.jobs, len(cells))
        if jobs == 1:
            yield from [perform(cell, generation=1) for cell in cells]
            return
        try:
            with _replaced_in_silence(), parallel_config(backend="loky", n_jobs=jobs, inner_max_num_threads=1):
                outcomes = list(Parallel(batch_size=1)(delayed(_perform)(cell) for cell in cells))
        except BrokenExecutor:
            outcomes = [Outcome(cell.name, None, 0.0) if cell.done else _alone(cell) for cell in cells]
        yield from outcomes


def _perform(cell: Cell) -> Outcome:
    """Run a cell in a process that does nothing else; what is imported by then is not searched for garbage again."""
    gc.freeze()
    return perform(cell)


def _alone(cell: Cell) -> Outcome:
    """Run a cell in a process of its own, again when that is killed."""
    for _ in range(TRIES - 1):
        try:
            with _replaced_in_silence(), parallel_config(backend="loky", n_jobs=2, inner_max_num_threads=1):
                outcome: Outcome = Parallel(batch_size=1)([delayed(_perform)(cell)])[0]
                return outcome
        except BrokenExecutor:
            continue
    return Outcome(cell.name, f"its process was killed {TRIES} times, also when it ran alone (out of memory?)", 0.0)


@contextmanager
def _replaced_in_silence() -> Iterator[None]:
    """Let loky replace an idle process that left just as work came.

    Its warning says nothing to a user; where warnings are errors it would end the thread that hands out the work, and
    the caller would wait for ever.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "A worker stopped while some jobs were given", UserWarning)
        yield
