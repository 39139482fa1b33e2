"""What lives cost on a cluster: a model of time, disk and network, from the record of any finished run of learners.

    python -m benchmarks.cluster_costs runs/nursery-b044f7be [--json]

Without a run, a small one is made on Dask with one worker; its model then predicts a run with two, which is measured.

A life is a training seed; a verdict of it costs what examining the seed and its world costs. Lives are trained and
examined in cells that share nothing but the folder, so their time is divided by the number of workers. Opening the
cluster, and pooling over seeds in the main process, are not divided.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import Row, show
from imprint.analyses.engine import available_cores, opened
from imprint.analyses.evaluate.evaluate import evaluate
from tests.known.clusters import dask_cluster
from tests.known.tiny import TINY

SETTINGS = {**TINY, "schedule.together": 1}
LIVES, WORKERS = (10, 1_000, 100_000), (1, 100, 1_000)
CELL_OVERHEAD = 0.01
"""Seconds of the scheduler and of the main process per cell: an assumption, not measured."""
MESSAGE = 20e3
"""Bytes over the scheduler per cell, for the setup and the outcome: an assumption, not measured."""


@dataclass(frozen=True)
class Costs:
    """Costs of a run, in seconds of one worker and in bytes."""

    seeds: int
    raising: float
    """Seconds of training one life."""
    examining: float
    """Seconds of examining one life: its world's floors, what can be read, and the latch."""
    common: float
    """Seconds of cells that a run has once, whatever its number of seeds."""
    pooling: float
    """Seconds per seed in the main process, which no worker shares."""
    cells: int
    """Cells for each seed."""
    checkpoints: float
    """Bytes of checkpoints per seed."""
    evidence: float
    """Bytes of everything else per seed."""

    @classmethod
    def of(cls, run: Path, *, workers: int) -> Costs:
        """Costs of a finished run of learners that had so many workers."""
        record = json.loads((run / "run.json").read_text(encoding="utf-8"))
        seconds, seeds = record["cell_seconds"], record["seeds"]
        raised = sum(spent for cell, spent in seconds.items() if cell.startswith(("seed ", "seeds ")))
        each = ("locate-seed", "latch-seed", "floors")
        examined = {cell: spent for cell, spent in seconds.items() if cell.startswith(each)}
        total = sum(seconds.values())
        stored = {path: path.stat().st_size for path in run.rglob("*") if path.is_file()}
        kept = sum(size for path, size in stored.items() if path.parent.name.startswith("seed-"))
        return cls(
            seeds=seeds,
            raising=raised / seeds,
            examining=sum(examined.values()) / seeds,
            common=total - raised - sum(examined.values()),
            pooling=max(record["seconds"] - total / workers, 0.0) / seeds,
            cells=math.ceil(len(seconds) / seeds),
            checkpoints=kept / seeds,
            evidence=(sum(stored.values()) - kept) / seeds,
        )

    def wall(self, lives: int, workers: int) -> float:
        """Seconds from start to verdicts, when every worker has a core of its own."""
        runs = math.ceil(lives / self.seeds)
        work = lives * (self.raising + self.examining) + runs * self.common
        return work / min(workers, lives) + lives * (self.pooling + self.cells * CELL_OVERHEAD)

    def rows(self, lives: int, workers: int) -> list[Row]:
        """Time, disk and network of so many lives."""
        hours, what = self.wall(lives, workers) / 3600, f"{lives:,} lives, {workers:,} workers"
        disk = lives * (self.checkpoints + self.evidence)
        # Checkpoints are written once, and read to locate and to judge; evidence is read when it is pooled.
        network = lives * (3 * self.checkpoints + 2 * self.evidence + self.cells * MESSAGE)
        pooled = lives * self.pooling / 3600
        return [
            Row(f"{what}: time", hours, "h", note=f"of which the main process pools {pooled:.3g} h"),
            Row(f"{what}: disk", disk / 1e9, "GB"),
            Row(f"{what}: network", network / 1e9, "GB", note=f"{network / 1e6 / (hours * 3600):.3g} MB a second"),
        ]

    def unit_rows(self) -> list[Row]:
        """Costs of one life and of one verdict."""
        return [
            Row("a life: training", self.raising, "s"),
            Row("a verdict: examining one life", self.examining, "s"),
            Row("cells that a run has once", self.common, "s", note=f"in a run of {self.seeds} seeds"),
            Row("main process, per life", self.pooling, "s", note="rehearsal, pooling, and what the cluster costs"),
            Row("checkpoints of a life", self.checkpoints / 1e6, "MB"),
            Row("evidence of a life", self.evidence / 1e6, "MB"),
        ]


def measured(scratch: Path, workers: int) -> tuple[Path, float, float]:
    """Folder, seconds, and CPU seconds of all processes, the cluster's start included, of a small run on Dask."""
    before = _processor_time()
    with dask_cluster(scratch / f"cluster-{workers}", workers=workers) as address:
        with opened("dask", address, folder=scratch):  # workers import torch once
            started = time.perf_counter()
        run = evaluate("nursery", out=scratch / str(workers), changes=SETTINGS, backend="dask", address=address)
        took = time.perf_counter() - started
    return run.path, took, _processor_time() - before


def _processor_time() -> float:
    """CPU seconds of this process and of those that it started and that have ended."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def main() -> None:
    """Print the model, and what it predicted where nothing was given."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", nargs="?", type=Path, help="folder of a finished run of learners")
    parser.add_argument("--workers", type=int, default=1, help="number of processes that this run had")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")
    options = parser.parse_args(sys.argv[1:])
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as place:
        if options.run is not None:
            costs = Costs.of(options.run, workers=options.workers)
        else:
            one = measured(Path(place), 1)
            costs = Costs.of(one[0], workers=1)
            for workers, (_, took, spent) in ((1, one), (2, measured(Path(place), 2))):
                predicted = costs.wall(costs.seeds, workers)
                note = f"predicted {predicted:.1f} s from the cells of the run with one worker, if each has a core; "
                note += f"{os.getloadavg()[1]:.1f} processes wanted {available_cores()} cores"
                rows.append(Row(f"measured with {workers} workers", took, "s", note=note))
                rows.append(Row(f"processor time with {workers} workers", spent, "CPU s", note="starts included"))
    rows += costs.unit_rows()
    rows += [row for lives, workers in zip(LIVES, WORKERS, strict=True) for row in costs.rows(lives, workers)]
    show("cluster costs", rows, as_json=options.json)


if __name__ == "__main__":
    main()
