"""Cells on the workers of a Ray cluster that is already running."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, NodeDiedError, OutOfMemoryError, RayError, WorkerCrashedError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from imprint.analyses.backends.addresses import no_address, nobody_answers, require_answer
from imprint.analyses.backends.base import TRIES, Cluster, Lost, perform_there
from imprint.analyses.backends.cells import Cell, Outcome
from imprint.analyses.backends.census import Probe, describe, machine_of, probe_for, program, require_fit
from imprint.models.errors import ImprintError

ASKED_WITHIN = 60.0
"""Seconds within which the head of a cluster must answer; the question costs the start of a Python process."""
CENSUS_WITHIN = 90.0
"""Seconds within which every machine must answer the census; a new worker process imports torch first."""


class Ray(Cluster):
    """Workers of a Ray cluster. A process runs one cell at a time, so the cell that was lost with it is known."""

    exact = True
    tries = TRIES

    def __init__(self, machine: dict[str, Any], address: str) -> None:
        super().__init__(machine, address)
        self._perform = ray.remote(perform_there)

    def submit(self, cell: Cell) -> Any:
        """Send a cell to the cluster."""
        handle = self._perform.options(name=cell.name, num_cpus=1, max_retries=0).remote(cell, program())
        handle.future().add_done_callback(lambda done: self.ended.put(handle))
        return handle

    def outcome(self, handle: Any) -> Outcome | Lost:
        """What the worker returned; an error that Ray raised in its place is a loss."""
        try:
            outcome: Outcome | Lost = ray.get(handle)
        except (WorkerCrashedError, NodeDiedError, OutOfMemoryError):
            return Lost("its worker was killed (out of memory?)")
        except RayError as error:
            return Lost(f"its worker could not run it ({type(error).__name__}: {_first_line(error)})")
        return outcome

    def count(self) -> int:
        """Number of machines of the cluster."""
        try:
            return len(_nodes())
        except (RayError, RuntimeError, ConnectionError):
            return -1

    def cancel(self, handles: Sequence[Any]) -> None:
        """Take back cells, and end the processes that run them."""
        for handle in handles:
            ray.cancel(handle, force=True)


@contextmanager
def opened(address: str | None, folder: Path) -> Iterator[Ray]:
    """The workers of the cluster at ``address``, after a census of one worker of every machine.

    Without an address it is the cluster that this process has joined, or that of the environment's ``RAY_ADDRESS``.
    """
    with _joined(address) as where:
        with probe_for(folder) as probe:
            said = _census(probe)
            require_fit(said, probe)
        yield Ray(machine_of(said), where)


@contextmanager
def _joined(address: str | None) -> Iterator[str]:
    """Join a cluster, unless this process has; the address. Signals are handled as before."""
    if ray.is_initialized():
        where = ray.get_runtime_context().gcs_address
        if address not in (None, "auto", where):
            raise ImprintError(f"this process has joined the Ray cluster at {where}; leave it first (ray.shutdown()).")
        yield where
        return
    address = address or os.environ.get("RAY_ADDRESS")
    if address is None:
        raise no_address("ray")
    if address != "auto":
        require_answer("ray", address)
        _require_ray(address)
    on_term = signal.getsignal(signal.SIGTERM)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # announcements of changes in Ray's own defaults
            ray.init(address, log_to_driver=False, configure_logging=False)
    except (RayError, RuntimeError, ValueError, OSError) as error:
        raise nobody_answers("ray", address, _first_line(error)) from None
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, on_term)
    try:
        yield address
    finally:
        ray.shutdown()


def _require_ray(address: str) -> None:
    """Raise :class:`ImprintError` for a port of another program: there Ray itself would wait for minutes."""
    if "://" in address:
        return
    command = [sys.executable, "-m", "ray.scripts.scripts", "status", "--address", address]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=ASKED_WITHIN, check=False)
    except subprocess.TimeoutExpired:
        raise nobody_answers("ray", address, f"its port says nothing within {ASKED_WITHIN:.0f} seconds") from None
    if done.returncode:
        last = (done.stderr or done.stdout).strip().splitlines()[-1:]
        raise nobody_answers("ray", address, "".join(last))


def _nodes() -> list[dict[str, Any]]:
    nodes: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    return [node for node in nodes if node["Alive"] and node["Resources"].get("CPU")]


def _census(probe: Probe) -> dict[str, Any]:
    """Machine -> what a worker of it said of itself, or what it raised."""
    ask = ray.remote(describe)
    asked = {}
    for node in _nodes():
        there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        name = f"{node['NodeManagerAddress']} ({node['NodeID'][:8]})"
        asked[name] = ask.options(num_cpus=0, scheduling_strategy=there).remote(probe)
    if not asked:
        raise ImprintError("the Ray cluster has no machine with a CPU for tasks; start one with: ray start --address")
    said: dict[str, Any] = {}
    latest = time.monotonic() + CENSUS_WITHIN
    for name, handle in asked.items():
        try:
            said[name] = ray.get(handle, timeout=max(latest - time.monotonic(), 0.0))
        except GetTimeoutError:
            said[name] = TimeoutError(f"{CENSUS_WITHIN:.0f} seconds for all machines")
        except RayError as error:
            said[name] = error
    return said


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
