"""Small clusters of this machine, whose workers live in folders of their own."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from imprint.models.files import write_bytes

ROOT = Path(__file__).resolve().parents[2]


def written_after_kills(path: Path, times: int) -> None:
    """A cell that kills its own process in as many tries as ``times`` says, then writes a file."""
    if len(list(path.parent.glob(f"tries-{path.name}-*"))) < times:
        (path.parent / f"tries-{path.name}-{secrets.token_hex(4)}").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    write_bytes(path, b"done")


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def dask_cluster(scratch: Path, *, workers: int = 1) -> Iterator[str]:
    """Address of a Dask scheduler with worker processes that are started again when they are killed."""
    address = f"tcp://127.0.0.1:{free_port()}"
    scratch.mkdir(parents=True, exist_ok=True)
    scheduler = ["scheduler", "--host", "127.0.0.1", "--port", address.rpartition(":")[2], "--no-dashboard"]
    worker = ["worker", address, "--nthreads", "1", "--no-dashboard", "--local-directory", str(scratch)]
    started = [_dask(scheduler, scratch)]
    try:
        for number in range(workers):
            (scratch / f"worker-{number}").mkdir()
            started.append(_dask(worker, scratch / f"worker-{number}"))
        _await(address)
        yield address
    finally:
        for process in reversed(started):
            process.terminate()
        for process in started:
            process.wait(timeout=60)


def _await(address: str) -> None:
    """Wait until the scheduler takes connections."""
    host, port = address.removeprefix("tcp://").split(":")
    latest = time.monotonic() + 60
    while True:
        try:
            socket.create_connection((host, int(port)), timeout=1).close()
            return
        except OSError:
            if time.monotonic() > latest:
                raise
            time.sleep(0.2)


def _dask(arguments: list[str], folder: Path) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "dask", *arguments]
    nowhere = subprocess.DEVNULL
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=nowhere, stderr=nowhere)


@contextmanager
def ray_cluster(*, workers: int = 1) -> Iterator[None]:
    """A Ray cluster that this process has joined."""
    import warnings

    import ray

    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    environment = {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ray.init(
            num_cpus=workers,
            include_dashboard=False,
            log_to_driver=False,
            configure_logging=False,
            runtime_env={"env_vars": environment},
        )
    try:
        yield
    finally:
        ray.shutdown()
