"""Kill runs with SIGKILL at random times, resume them, and compare their findings with those of an undisturbed run.

The runs are small versions of a setup of learners and one of agents. Of each, one run is not disturbed; the others are
killed once with all their processes, at a time drawn uniformly from the duration of the undisturbed run, and then
finished by the same command. In one more run ten local workers are killed, one by one, while the main process goes on.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

from benchmarks.measure import Row, arguments, at_least, show
from imprint.analyses.engine import run_cells
from imprint.analyses.evaluate.learners.procedure import LearnerProcedure
from imprint.models.setup.learner import Setup
from imprint.models.setup.load import load_setup
from imprint.models.store import RunFolder

WORKERS = 10
"""Local workers that are killed, each once."""

SMALL = {"schedule.ages": 3, "schedule.seeds": 2, "evaluation.twins": 2, "evaluation.placebos": 2}
SMALL |= {"evaluation.resamples": 100, "evaluation.nulls": 5}
SETTINGS = {
    "nursery": {
        **SMALL,
        "schedule.worlds": 2,
        "schedule.together": 1,
        "schedule.experiences": 1280,
        "evaluation.episodes": 600,
        "evaluation.latch_twins": 5,
    },
    "coin": {
        **SMALL,
        "agent.widths": [48, 48],
        "learning.copies": 32,
        "learning.minibatches": 2,
        "schedule.experiences": 2048,
        "evaluation.levels": 60,
        "evaluation.states": 400,
    },
}


def command(setup: str, out: Path) -> list[str]:
    """The command line of the run."""
    changes = [part for key, value in SETTINGS[setup].items() for part in ("--set", f"{key}={value}")]
    return [sys.executable, "-m", "imprint", "run", setup, "--out", str(out), *changes]


def findings(out: Path) -> bytes:
    """Content of the findings of the only run in a folder."""
    (path,) = out.glob("*/findings.parquet")
    return path.read_bytes()


def run(setup: str, out: Path) -> None:
    """Run to the end without output."""
    subprocess.run(command(setup, out), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def killed(setup: str, out: Path, after: float) -> bool:
    """Start a run and kill its process group after ``after`` seconds; whether it was still running."""
    process = subprocess.Popen(
        command(setup, out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    time.sleep(after)
    alive = process.poll() is None
    if alive:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return alive


def rows_of(setup: str, repeats: int, scratch: Path) -> list[Row]:
    """Kill and resume runs of one setup."""
    rng, started = random.Random(0), time.perf_counter()
    run(setup, scratch / "whole")
    duration = time.perf_counter() - started
    reference, alive, same = findings(scratch / "whole"), 0, 0
    for i in range(repeats):
        out = scratch / f"killed-{i}"
        alive += killed(setup, out, rng.uniform(0, duration))
        run(setup, out)
        same += findings(out) == reference
        print(f"{setup}: {same} of {i + 1} resumed to the same bytes", file=sys.stderr, flush=True)
    return [
        Row(f"{setup}: still running when killed", alive, f"of {repeats}", note=f"a run takes {duration:.0f} s"),
        at_least(repeats, f"{setup}: findings.parquet byte-identical to the undisturbed run", same, f"of {repeats}"),
    ]


def killed_at_first(marker: Path, function: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    """A cell that kills its own process at the first try."""
    if not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    function(*arguments)


def checkpoints(out: Path, *, kill: bool) -> dict[str, str]:
    """SHA-256 of the checkpoints of as many seeds as workers are killed; each in a cell, in local processes."""
    changes = {**SETTINGS["nursery"], "schedule.seeds": WORKERS, "schedule.experiences": 64, "schedule.ages": 2}
    procedure = LearnerProcedure(cast("Setup", load_setup("nursery", changes=changes)), RunFolder(out))
    cells = procedure.raising_cells(procedure.setup, procedure.folder, procedure.seeds, name="seeds")
    if kill:
        out.mkdir()
        marked = ((cell, out / f"killed-{cell.name}") for cell in cells)
        cells = [replace(c, function=killed_at_first, arguments=(mark, c.function, c.arguments)) for c, mark in marked]
    run_cells(cells, watch=out / ".progress", jobs=2 if kill else 1)
    return {str(p.relative_to(out)): sha256(p.read_bytes()).hexdigest() for p in out.rglob("*.safetensors")}


def worker_rows(scratch: Path) -> list[Row]:
    """Kill every local worker once, while the main process goes on."""
    whole, found = checkpoints(scratch / "whole", kill=False), checkpoints(scratch / "killed", kill=True)
    killed_workers = len(list((scratch / "killed").glob("killed-*")))
    same = sum(found.get(name) == digest for name, digest in whole.items())
    return [
        at_least(WORKERS, "local workers killed in one run", killed_workers, ""),
        at_least(len(whole), "local workers: checkpoints byte-identical", same, f"of {len(whole)}"),
    ]


def main() -> None:
    """Run, kill, resume and compare."""
    options = arguments(__doc__.splitlines()[0])
    with tempfile.TemporaryDirectory() as scratch:
        workers = worker_rows(Path(scratch))
    print(*workers, sep="\n", file=sys.stderr, flush=True)
    repeats, rows = 2 if options.quick else 50, list[Row]()
    for setup in SETTINGS:
        with tempfile.TemporaryDirectory() as scratch:
            rows += rows_of(setup, repeats, Path(scratch))
    rows = workers + rows
    show(f"kills: runs killed at {repeats} random times each and resumed", rows, as_json=options.json)


if __name__ == "__main__":
    main()
