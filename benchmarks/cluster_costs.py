"""What lives cost on a cluster: a model of time, disk and network, from the record of any finished run of learners.

    python -m benchmarks.cluster_costs runs/nursery-b044f7be [--cpu 512] [--json]

Without a run, small ones are made on Dask with one worker and with two, in turn. The model of those with one worker
predicts those with two, which are measured: in wall time, which says little while others use the machine, and in
processor time, as the seconds of the main process and of the busiest worker, which is what a run takes when each has a
core of its own and nobody waits.

A life is a training seed; a verdict of it costs what examining the seed and its world costs. Lives are trained and
examined in cells that share nothing but the folder, so their time is divided by the number of workers. Opening the
cluster, and pooling over seeds in the main process, are not divided.
"""

from __future__ import annotations

import argparse
import importlib
import itertools
import json
import math
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from dask.distributed import Client

from benchmarks.measure import Row, show
from imprint.analyses.engine import available_cores, opened
from imprint.analyses.evaluate.evaluate import evaluate
from tests.known.clusters import dask_cluster
from tests.known.tiny import TINY

SETTINGS = {**TINY, "schedule.together": 1, "schedule.worlds": 2}
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
    def of(cls, run: Path, *, workers: int = 1, cpu: float | None = None) -> Costs:
        """Costs of a finished run of learners that had so many workers, in wall time.

        ``cpu``: processor time of the main process and of all cells; then costs are in processor time.
        """
        record = json.loads((run / "run.json").read_text(encoding="utf-8"))
        seconds, seeds = record["cell_seconds" if cpu is None else "cell_cpu"], record["seeds"]
        raised = sum(spent for cell, spent in seconds.items() if cell.startswith(("seed ", "seeds ")))
        each = ("locate-seed", "latch-seed", "floors")
        examined = {cell: spent for cell, spent in seconds.items() if cell.startswith(each)}
        total = sum(seconds.values())
        main = cpu - total if cpu is not None else record["seconds"] - total / workers
        stored = {path: path.stat().st_size for path in run.rglob("*") if path.is_file()}
        kept = sum(size for path, size in stored.items() if path.parent.name.startswith("seed-"))
        return cls(
            seeds=seeds,
            raising=raised / seeds,
            examining=sum(examined.values()) / seeds,
            common=total - raised - sum(examined.values()),
            pooling=max(main, 0.0) / seeds,
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


def imported() -> None:
    """Import what cells need, so that the first of each worker are not charged with it."""
    for name in ("evaluate", "learners.cells", "learners.latch", "learners.pooled"):
        importlib.import_module(f"imprint.analyses.evaluate.{name}")


@dataclass(frozen=True)
class Measured:
    """What a run on Dask took; without the start of the cluster."""

    path: Path
    wall: float
    """Seconds."""
    main: float
    """Processor seconds of the main process."""
    each: tuple[float, ...]
    """Processor seconds of each worker."""
    start: float
    """Processor seconds of a worker from its birth until it has imported all that cells need; in none of the above."""

    @classmethod
    def of(cls, scratch: Path, workers: int) -> Measured:
        """A small run with so many workers."""
        with dask_cluster(scratch / "cluster", workers=workers) as address, Client(address) as client:
            client.wait_for_workers(workers)
            with opened("dask", address, folder=scratch):
                client.run(imported)
                before, wall, main = client.run(time.process_time), time.perf_counter(), time.process_time()
            run = evaluate("nursery", out=scratch / "run", changes=SETTINGS, backend="dask", address=address)
            wall, main = time.perf_counter() - wall, time.process_time() - main
            spent = client.run(time.process_time)
        each = tuple(spent[worker] - before[worker] for worker in before)
        return cls(run.path, wall, main, each, max(before.values()))

    @property
    def busiest(self) -> float:
        """Processor seconds of the main process and the busiest worker, one after another."""
        return self.main + max(self.each)

    def costs(self) -> tuple[Costs, Costs]:
        """In wall time and in processor time, of a run with one worker."""
        return Costs.of(self.path), Costs.of(self.path, cpu=self.main + sum(self.each))


def checked(scratch: Path, repeats: int) -> tuple[Costs, list[Row]]:
    """Costs in processor time by the first run with one worker; what one and two workers took, beside the model."""
    runs: dict[int, list[Measured]] = {1: [], 2: []}
    for i, workers in itertools.product(range(repeats), runs):
        one = Measured.of(scratch / f"{workers}-{i}", workers)
        runs[workers].append(one)
        print(
            f"{workers} workers: {one.wall:.1f} s; {parts([one])}; start {one.start:.1f}", file=sys.stderr, flush=True
        )
    by_wall, by_cpu = zip(*(one.costs() for one in runs[1]), strict=True)
    rows = []
    for workers, made in runs.items():
        wall, busiest = (statistics.mean(c.wall(c.seeds, workers) for c in costs) for costs in (by_wall, by_cpu))
        note = f"predicted {wall:.1f} from the runs with one worker; each: {listed(one.wall for one in made)}; "
        note += f"{os.getloadavg()[1]:.1f} processes wanted {available_cores()} cores"
        rows.append(Row(f"{workers} workers: wall time", statistics.mean(one.wall for one in made), "s", note=note))
        spent, note = statistics.mean(one.busiest for one in made), f"predicted {busiest:.1f}; {parts(made)}"
        rows.append(Row(f"{workers} workers: main process and busiest worker", spent, "CPU s", note=note))
    start = statistics.mean(one.start for made in runs.values() for one in made)
    return by_cpu[0], [*rows, Row("start of a worker, in none of these", start, "CPU s")]


def parts(made: Sequence[Measured]) -> str:
    """Processor seconds of main processes and workers, in words."""
    return "; ".join(f"main process {one.main:.1f}, workers {listed(one.each)}" for one in made)


def listed(numbers: Iterable[float]) -> str:
    """Numbers as text."""
    return ", ".join(f"{number:.1f}" for number in numbers)


def main() -> None:
    """Print the model, and what it predicted where nothing was given."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", nargs="?", type=Path, help="folder of a finished run of learners")
    parser.add_argument("--workers", type=int, default=1, help="number of processes that this run had")
    parser.add_argument("--cpu", type=float, help="processor seconds of all processes of this run, as `time` says them")
    parser.add_argument("--repeats", type=int, default=2, help="small runs with one worker, and with two")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")
    options = parser.parse_args(sys.argv[1:])
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as place:
        if options.run is not None:
            costs = Costs.of(options.run, workers=options.workers, cpu=options.cpu)
        else:
            costs, rows = checked(Path(place), options.repeats)
    rows += costs.unit_rows()
    rows += [row for lives, workers in zip(LIVES, WORKERS, strict=True) for row in costs.rows(lives, workers)]
    show("cluster costs", rows, as_json=options.json)


if __name__ == "__main__":
    main()
