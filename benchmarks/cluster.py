"""Runs on Dask and on Ray against the same run here: are the bytes the same, also when workers are killed?

Each cluster is started on this machine, with two workers in folders of their own. In further runs a worker is killed
with SIGKILL while it trains a seed, while it locates concepts, and while it judges the latch: on Dask all three in one
run, on Ray the first.
"""

from __future__ import annotations

import hashlib
import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.measure import Row, arguments, at_least, show
from imprint.analyses.engine import Step
from imprint.analyses.evaluate.evaluate import evaluate
from imprint.analyses.evaluate.run import Run
from tests.known.clusters import dask_cluster, ray_cluster
from tests.known.tiny import TINY

SETTINGS = {**TINY, "schedule.together": 1, "schedule.experiences": 1280}
WAVES = ("seed", "locate-seed", "latch-seed")
"""How the names of cells begin in which a worker is killed."""


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every table and every checkpoint of a run."""
    files = (path for kind in ("*.parquet", "*.safetensors") for path in folder.rglob(kind))
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


class Killer:
    """Kills one worker that works on a cell of each wave, as soon as the cell reports progress."""

    def __init__(self, waves: tuple[str, ...], marker: str) -> None:
        self.left, self.marker, self.killed = list(waves), marker, 0

    def __call__(self, step: Step) -> None:
        """Called with the progress of cells."""
        wave = next((wave for wave in self.left if step.cell.startswith(wave) and step.done < step.total), None)
        if wave is not None and (process := self._worker()):
            os.kill(process, signal.SIGKILL)
            self.left.remove(wave)
            self.killed += 1

    def _worker(self) -> int | None:
        """A worker process that has used the processor within a moment."""
        before = self._clocks()
        time.sleep(0.2)
        spent = {process: clock - before.get(process, clock) for process, clock in self._clocks().items()}
        busiest = max(spent, key=spent.__getitem__, default=None)
        return busiest if busiest is not None and spent[busiest] else None

    def _clocks(self) -> dict[int, int]:
        """Process whose command line has the marker -> ticks of processor time."""
        clocks = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                words = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if self.marker in words and self._ours(int(folder.name)):
                clocks[int(folder.name)] = int(fields[11]) + int(fields[12])
        return clocks

    @staticmethod
    def _ours(process: int) -> bool:
        """Whether a process descends from this one."""
        while process > 1:
            if process == os.getpid():
                return True
            try:
                process = int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                return False
        return False


def compared(name: str, whole: dict[str, str], run: Run, killer: Killer | None = None) -> list[Row]:
    """What a run on a cluster shows beside the local one."""
    found = digests(run.path)
    same = sum(found.get(file) == digest for file, digest in whole.items())
    rows = [at_least(len(whole), f"{name}: files byte-identical", same, f"of {len(whole)}")]
    if killer is not None:
        rows.append(at_least(killer.killed + len(killer.left), f"{name}: workers killed", killer.killed, ""))
    extra = len(found) - len(whole)
    rows += [Row(f"{name}: cells failed", len(run.record["failed"]), "", "0", not run.record["failed"])]
    return [*rows, Row(f"{name}: files more or less", extra, "", "0", extra == 0)]


def main() -> None:
    """Run here, on Dask and on Ray, and compare."""
    options = arguments(__doc__.splitlines()[0])
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as place:
        scratch = Path(place)
        whole = digests(evaluate("nursery", out=scratch / "local", changes=SETTINGS).path)

        def on(backend: str, address: str | None, waves: tuple[str, ...], marker: str) -> None:
            killer = Killer(waves, marker) if waves else None
            out = scratch / f"{backend}{'-killed' if waves else ''}"
            given: dict[str, Any] = {"backend": backend, "address": address, "progress": killer}
            run = evaluate("nursery", out=out, changes=SETTINGS, **given)
            rows.extend(compared(f"{backend}{', workers killed' if waves else ''}", whole, run, killer))
            print(*rows[-4:], sep="\n", file=sys.stderr, flush=True)

        with dask_cluster(scratch / "cluster") as address:
            if not options.quick:
                on("dask", address, (), "")
            on("dask", address, WAVES, "multiprocessing.spawn")
        with ray_cluster():
            if not options.quick:
                on("ray", None, (), "")
            on("ray", None, WAVES[:1], "ray::")
    show(f"cluster: nursery, {SETTINGS['schedule.seeds']} seeds", rows, as_json=options.json)


if __name__ == "__main__":
    main()
