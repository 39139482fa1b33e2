"""The contract of a backend: it runs cells of work, whatever becomes of the processes that they run in."""

from __future__ import annotations

import queue
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any, ClassVar

from imprint.analyses.backends.cells import Cell, Outcome, perform
from imprint.analyses.backends.census import appeared, differing, program
from imprint.models.errors import UnfinishedError

TRIES = 3
"""Times that a cell is tried whose process is killed."""
PATIENCE = 300.0
"""Seconds without any worker after which a run gives up."""
ARRIVED_WITHIN = 60.0
"""Seconds within which the results of a cell must be seen here; network file systems remember absence for so long."""

Remark = Callable[[str, str], None]
"""Says what happened to a cell that has not ended: ``remark(cell, note)``."""


class Backend(ABC):
    """Runs cells. It is open for as long as somebody uses it."""

    machine: dict[str, Any] | None = None
    """What the numbers depend on (as :func:`imprint.analyses.provenance.machine`), unless it is this very machine."""

    @abstractmethod
    def run(self, cells: Sequence[Cell], remark: Remark) -> Generator[Outcome, None, None]:
        """The outcome of every cell, as they end."""


@dataclass(frozen=True)
class Lost:
    """A cell came back without an outcome."""

    why: str


class Cluster(Backend):
    """Workers in other processes, most on other machines, which share the folder of the run.

    A subclass submits cells, says what became of them, and counts its workers. ``ended`` receives the handle of every
    submitted cell that came to an end.
    """

    exact: ClassVar[bool]
    """Whether a lost cell was the only one in its process. If not, lost cells are run again one by one."""
    tries: ClassVar[int]
    """Times that a lost cell is submitted in all."""

    def __init__(self, machine: dict[str, Any], address: str) -> None:
        self.machine, self.address = machine, address
        self.ended: queue.Queue[Any] = queue.Queue()

    @abstractmethod
    def submit(self, cell: Cell) -> Any:
        """Send a cell to the cluster; its handle, which arrives in ``ended``."""

    @abstractmethod
    def outcome(self, handle: Any) -> Outcome | Lost:
        """What became of a cell whose handle has arrived. Raises :class:`UnfinishedError` when the cluster is gone."""

    @abstractmethod
    def count(self) -> int:
        """Number of workers there are now; -1 when the cluster does not answer."""

    @abstractmethod
    def cancel(self, handles: Sequence[Any]) -> None:
        """Take back cells that were submitted."""

    def run(self, cells: Sequence[Cell], remark: Remark) -> Generator[Outcome, None, None]:
        """The outcome of every cell, as they end; a cell whose worker died is tried again."""
        pending = {self.submit(cell): cell for cell in cells}
        tried, alone = Counter(cell.name for cell in cells), list[Cell]()
        try:
            while pending:
                handle = self._next()
                if handle not in pending:
                    continue
                cell = pending.pop(handle)
                outcome = _checked(cell, self.outcome(handle))
                if isinstance(outcome, Outcome):
                    yield outcome
                elif tried[cell.name] == self.tries:
                    yield Outcome(cell.name, f"{outcome.why}, at each of {self.tries} tries", 0.0)
                else:
                    remark(cell.name, f"tried again: {outcome.why}")
                    alone.append(cell)
                if alone and (self.exact or not pending):
                    again = alone.pop(0)
                    tried[again.name] += 1
                    pending[self.submit(again)] = again
        finally:
            self.cancel(list(pending))

    def _next(self) -> Any:
        """The next handle that arrives. Raises :class:`UnfinishedError` when nobody is left to work."""
        since: float | None = None
        while True:
            try:
                return self.ended.get(timeout=2.0)
            except queue.Empty:
                workers = self.count()
            since = None if workers > 0 else since or time.monotonic()
            if since is not None and time.monotonic() - since > PATIENCE:
                raise UnfinishedError(
                    f"{self.address} has had no worker for {PATIENCE:.0f} seconds. What was finished is kept: "
                    "start workers, then run the same command again."
                )


def _checked(cell: Cell, outcome: Outcome | Lost) -> Outcome | Lost:
    """An outcome whose results lie where they must, seen from here; a lost cell may have left them, too."""
    if isinstance(outcome, Lost):
        return Outcome(cell.name, None, 0.0) if cell.done else outcome
    if outcome.error is None and not appeared(list(cell.results), within=ARRIVED_WITHIN):
        missing = next(path for path in cell.results if not path.exists())
        return Lost(f"its worker wrote {missing}, which cannot be seen from here (not a shared folder?)")
    return outcome


_working = Lock()
"""Held by the cell that a worker process runs: threads and warning filters belong to the whole process."""


def perform_there(cell: Cell, expected: Mapping[str, str]) -> Outcome | Lost:
    """Run a cell in a worker, unless the worker joined after the census and runs another program.

    A cell that comes again, because its worker died before the outcome was heard of, is not run twice. Of several
    threads of one process, one works at a time.
    """
    from imprint.models.threads import scoped

    if other := differing(expected, program()):
        return Lost(f"a worker that joined later cannot be used: {other}")
    if cell.done:
        return Outcome(cell.name, None, 0.0)
    with _working, scoped():
        return perform(cell)
