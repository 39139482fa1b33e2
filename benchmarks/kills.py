"""Kill runs with SIGKILL at random times, resume them, and compare their findings with those of an undisturbed run.

The runs are small versions of a setup of learners, one of agents, and a sweep. Of each, one run is not disturbed; the
others are killed once with all their processes, at a time drawn uniformly from the duration of the undisturbed run, and
then finished by the same command. A second run that is started in the folder of one that goes on has to refuse. In one
more run ten local workers are killed, one by one, while the main process goes on.
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
SETTINGS["sweep"] = {key: value for key, value in SETTINGS["nursery"].items() if key != "evaluation.twins"}
VERBS = {
    "nursery": ["run", "nursery"],
    "coin": ["run", "coin"],
    "sweep": ["sweep", "nursery", "--grid", "world.colour_cue=0.4,0.9", "--grid", "steering.0.miss=0,0.4"],
}
RESULTS = {"nursery": "findings.parquet", "coin": "findings.parquet", "sweep": "cells.parquet"}


def command(job: str, out: Path) -> list[str]:
    """The command line of the run."""
    changes = [part for key, value in SETTINGS[job].items() for part in ("--set", f"{key}={value}")]
    return [sys.executable, "-m", "imprint", *VERBS[job], "--out", str(out), *changes]


def result(job: str, out: Path) -> bytes:
    """Content of the findings, or of the cells, of the only run in a folder."""
    (path,) = out.glob(f"*/{RESULTS[job]}")
    return path.read_bytes()


def run(job: str, out: Path) -> None:
    """Run to the end without output."""
    subprocess.run(command(job, out), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def started(job: str, out: Path, *, errors: int = subprocess.DEVNULL) -> subprocess.Popen[str]:
    """A run in a process group of its own; ``errors``: where its standard error goes."""
    return subprocess.Popen(
        command(job, out), start_new_session=True, text=True, stdout=subprocess.DEVNULL, stderr=errors
    )


def killed(job: str, out: Path, after: float) -> bool:
    """Start a run and kill its process group after ``after`` seconds; whether it was still running."""
    process = started(job, out)
    time.sleep(after)
    alive = process.poll() is None
    if alive:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return alive


def refused(job: str, out: Path) -> bool:
    """Whether a second run in the folder of one that goes on ends with one sentence and exit code 2."""
    first = started(job, out)
    while not list(out.glob("*/registration.json")) and first.poll() is None:
        time.sleep(0.05)
    second = started(job, out, errors=subprocess.PIPE)
    words = second.communicate()[1]
    first.wait()
    print(f"{job}: second run: {words.strip()}", file=sys.stderr, flush=True)
    return (first.returncode, second.returncode) == (0, 2) and "Traceback" not in words


def rows_of(job: str, repeats: int, scratch: Path) -> list[Row]:
    """Kill and resume runs of one job, and start one twice."""
    rng, began = random.Random(0), time.perf_counter()
    run(job, scratch / "whole")
    duration = time.perf_counter() - began
    reference, alive, same = result(job, scratch / "whole"), 0, 0
    for i in range(repeats):
        out = scratch / f"killed-{i}"
        alive += killed(job, out, rng.uniform(0, duration))
        run(job, out)
        same += result(job, out) == reference
        print(f"{job}: {same} of {i + 1} resumed to the same bytes", file=sys.stderr, flush=True)
    refusals = refused(job, scratch / "twice") and result(job, scratch / "twice") == reference
    return [
        Row(f"{job}: still running when killed", alive, f"of {repeats}", note=f"a run takes {duration:.0f} s"),
        at_least(repeats, f"{job}: {RESULTS[job]} byte-identical to the undisturbed run", same, f"of {repeats}"),
        at_least(1, f"{job}: a second run in the folder is refused, the first one ends as if alone", refusals, ""),
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
    repeats, rows = 2 if options.quick else 34, list[Row]()
    for job in VERBS:
        with tempfile.TemporaryDirectory() as scratch:
            rows += rows_of(job, repeats, Path(scratch))
    rows = workers + rows
    show(f"kills: runs killed at {repeats} random times each and resumed", rows, as_json=options.json)


if __name__ == "__main__":
    main()
