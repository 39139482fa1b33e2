"""The census of a cluster: every worker must run this very program and see the folder of the run.

Before anything of a run is written, the main process leaves a small file with a secret text beside the place where the
run will lie. Every worker reads it and writes one of its own beside it. What a worker says of itself is plain data,
because it may run another version of this program.
"""

from __future__ import annotations

import os
import secrets
import socket
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from imprint.analyses.provenance import machine, software, source_digest, spoken
from imprint.models.errors import ImprintError
from imprint.models.files import StorageError

SEEN_WITHIN = 5.0
"""Seconds within which a new file must be seen through the shared file system."""


@cache
def program() -> dict[str, str]:
    """Versions of what numbers depend on, of packages that offer parts of setups, and the digest of our source."""
    points = metadata.entry_points()
    ours = [point for group in points.groups if group.startswith("imprint.") for point in points.select(group=group)]
    offered = {point.dist.name: point.dist.version for point in ours if point.dist is not None}
    versions = software()
    return {**offered, **versions, "python": versions["python"].rpartition(".")[0], "source": source_digest()}


def differing(expected: Mapping[str, str], found: Mapping[str, str]) -> str:
    """How the program of a worker differs from what is expected, in words; empty when it does not."""
    other = [name for name in expected if name != "source" and found.get(name) != expected[name]]
    if other:
        listed = ", ".join(f"{name} {found.get(name, 'missing')} instead of {expected[name]}" for name in other)
        return f"it has {listed}; install the same versions there"
    if found.get("source") != expected["source"]:
        return "its source files of imprint are others; install the same commit there and start the workers again"
    return ""


@dataclass(frozen=True)
class Probe:
    """A file that the main process wrote where the run will lie."""

    path: Path
    secret: str

    def answered(self, name: str) -> bool:
        """Whether the file that a worker says it wrote is there."""
        return appeared([self.path.with_name(name)], within=SEEN_WITHIN)


@contextmanager
def probe_for(folder: Path) -> Iterator[Probe]:
    """A probe in the nearest existing folder at or above ``folder``, which is an absolute path; removed afterwards.

    Raises :class:`StorageError` when it cannot be written.
    """
    there = next(place for place in (folder, *folder.parents) if place.is_dir())
    probe = Probe(there / f".imprint-{secrets.token_hex(8)}", secrets.token_hex(16))
    try:
        probe.path.write_text(probe.secret, encoding="utf-8")
    except OSError as error:
        raise StorageError(f"cannot write {there}: {error.strerror}. Choose another folder (--out).") from error
    try:
        yield probe
    finally:
        for file in (probe.path, *there.glob(f"{probe.path.name}-*")):  # answers of workers that came late, too
            with suppress(OSError):
                file.unlink()


def describe(probe: Probe) -> dict[str, Any]:
    """What a worker says of itself: host, program, machine, whether it reads the probe, and the file that it wrote."""
    about = {"host": socket.gethostname(), "process": os.getpid(), "program": program(), "machine": machine()}
    sees, wrote = appeared([probe.path], within=SEEN_WITHIN), ""
    if sees:
        sees = probe.path.read_text(encoding="utf-8") == probe.secret
        answer = f"{probe.path.name}-{secrets.token_hex(8)}"
        with suppress(OSError):
            probe.path.with_name(answer).write_text(probe.secret, encoding="utf-8")
            wrote = answer
    return {**about, "sees": sees, "wrote": wrote}


def appeared(files: list[Path], *, within: float) -> bool:
    """Whether all files are there, or appear in time.

    A network file system may remember for a while that a file was missing; opening its folder makes it ask again.
    """
    latest = time.monotonic() + within
    while True:
        for folder in {file.parent for file in files}:
            with suppress(OSError):
                os.listdir(folder)
        if all(file.exists() for file in files):
            return True
        if time.monotonic() > latest:
            return False
        time.sleep(0.2)


def require_fit(workers: Mapping[str, dict[str, Any] | BaseException], probe: Probe) -> None:
    """Raise :class:`ImprintError` unless every worker runs this program and shares the folder of the probe.

    ``workers``: name -> what it said of itself, or what it raised.
    """
    unfit = {name: fault for name, said in workers.items() if (fault := _fault(said, probe))}
    if unfit:
        name, fault = next(iter(unfit.items()))
        raise ImprintError(f"{len(unfit)} of {len(workers)} workers cannot be used. Worker {name}: {fault}.")


def _fault(said: dict[str, Any] | BaseException, probe: Probe) -> str:
    if isinstance(said, TimeoutError):
        return f"it did not answer in time ({said}); is its machine overloaded? Start the run again when it is not"
    if isinstance(said, BaseException):
        return (
            f"this version of imprint cannot be imported there ({type(said).__name__}: {said}); "
            "install the same commit there and start the workers again"
        )
    if fault := differing(program(), said["program"]):
        return fault
    if not said["sees"]:
        return (
            f"it does not see {probe.path.parent}, where a file of this process cannot be read by it; choose a folder "
            "that all machines share (--out)"
        )
    if not (said["wrote"] and probe.answered(said["wrote"])):
        return f"it can read {probe.path.parent}, but what it writes there does not arrive; make it writable there"
    return ""


def machine_of(workers: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """The machine that a run's numbers depend on.

    Where the CPUs of workers and of this process differ, a warning says so, and the entries on which numbers depend
    name all kinds, so that no single machine is like it.
    """
    here = machine()
    kinds = sorted({spoken(one) for one in (here, *(said["machine"] for said in workers.values()))})
    if len(kinds) == 1:
        return here
    warnings.warn(
        f"the CPUs of workers and of this process are of {len(kinds)} kinds, so sums round differently and bytes may "
        f"differ from those of other runs: {'; '.join(kinds)}.",
        stacklevel=2,
    )
    return {**here, "capability": " and ".join(kinds), "instructions": []}
