"""Cells on the workers of a Dask scheduler that is already running."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dask
from distributed import Client, KilledWorker, rpc
from distributed.security import Security

from imprint.analyses.backends.addresses import WITHIN, no_address, nobody_answers, require_answer
from imprint.analyses.backends.base import Cluster, Lost, perform_there
from imprint.analyses.backends.cells import Cell, Outcome
from imprint.analyses.backends.census import describe, machine_of, probe_for, program, require_fit
from imprint.models.errors import ImprintError, UnfinishedError

WORKERS_WITHIN = 30
"""Seconds within which a scheduler must have a worker."""


class Dask(Cluster):
    """Workers of a Dask scheduler.

    Dask itself gives a task to other workers when one dies, three times, and then names it the killer of four
    (``distributed.scheduler.allowed-failures``). It blames all tasks that waited at a worker, so those that it names
    are tried once more, alone.
    """

    exact = False
    tries = 2

    def __init__(self, client: Client, machine: dict[str, Any]) -> None:
        super().__init__(machine, _address_of(client))
        self._client = client

    def submit(self, cell: Cell) -> Any:
        """Send a cell to the scheduler."""
        key = f"{cell.name}-{secrets.token_hex(8)}"
        future = self._client.submit(perform_there, cell, program(), key=key, pure=False)
        future.add_done_callback(self.ended.put)
        return future

    def outcome(self, handle: Any) -> Outcome | Lost:
        """What the worker returned; an error that Dask raised in its place is a loss."""
        if handle.status == "finished":
            outcome: Outcome | Lost = handle.result()
            return outcome
        if handle.status == "error":
            error = handle.exception()
            if isinstance(error, KilledWorker):
                return Lost("every worker that ran it was killed (out of memory?)")
            return Lost(f"its worker could not run it ({type(error).__name__}: {error})")
        if self.count() < 0:
            raise UnfinishedError(
                f"the Dask scheduler at {self.address} is gone. What was finished is kept: start it again, then run "
                "the same command."
            )
        return Lost("the scheduler forgot it")

    def count(self) -> int:
        """Number of workers that the scheduler has."""
        try:
            return len(self._client.nthreads()) if self._client.status == "running" else -1
        except (OSError, ValueError, RuntimeError):
            return -1

    def cancel(self, handles: Sequence[Any]) -> None:
        """Take back cells that no worker has begun."""
        if handles and self._client.status == "running":
            self._client.cancel(list(handles))


@contextmanager
def opened(address: str | None, folder: Path) -> Iterator[Dask]:
    """The workers of the scheduler at ``address``, after their census.

    Without an address they are those of the client of this process, or of Dask's own setting ``scheduler-address``.
    """
    with _client(address) as client:
        where = _address_of(client)
        try:
            client.wait_for_workers(1, timeout=WORKERS_WITHIN)
        except TimeoutError:
            raise ImprintError(
                f"the Dask scheduler at {where} has no worker; start one with: dask worker {where} --nthreads 1"
            ) from None
        with probe_for(folder) as probe:
            said = client.run(describe, probe, on_error="return")
            require_fit(said, probe)
        yield Dask(client, machine_of(said))


@contextmanager
def _client(address: str | None) -> Iterator[Client]:
    address = address or dask.config.get("scheduler-address", None)
    if address is None:
        try:
            client = Client.current()
        except ValueError:
            raise no_address("dask") from None
        yield client
        return
    require_answer("dask", address)
    try:
        with ThreadPoolExecutor(1) as aside:  # this process may have an event loop of its own
            kind = aside.submit(asyncio.run, _kind_at(address)).result()
        client = Client(address, timeout=WITHIN, set_as_default=False) if kind == "Scheduler" else None
    except TimeoutError:
        raise nobody_answers("dask", address, f"nothing is said there within {WITHIN:.0f} seconds") from None
    except (OSError, ValueError) as error:
        raise nobody_answers("dask", address, error) from None
    if client is None:
        raise nobody_answers("dask", address, f"a {kind.lower()} answers there, not the scheduler")
    try:
        yield client
    finally:
        client.close()


def _address_of(client: Client) -> str:
    assert client.scheduler is not None  # an open client has one
    return str(client.scheduler.address)


async def _kind_at(address: str) -> str:
    """What kind of Dask server answers. A port of another program would keep a client waiting for ever."""

    async def asked() -> str:
        arguments = Security().get_connection_args("client")
        async with rpc(address, timeout=WITHIN, connection_args=arguments) as server:
            return str((await server.identity())["type"])

    return await asyncio.wait_for(asked(), WITHIN)
