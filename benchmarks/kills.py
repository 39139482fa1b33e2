"""Kill runs with SIGKILL at random times, resume them, and compare their findings with those of an undisturbed run.

The runs are small versions of a setup of learners, one of agents, and a sweep. Of each, one run is not disturbed; the
others are killed once with all their processes, at a time drawn uniformly from the duration of the undisturbed run, and
then finished by the same command. A second run that is started in the folder of one that goes on has to refuse. In one
more run ten local workers are killed, one by one, while the main process goes on.

Every run is the command line in a process group of its own, forked from a process that has imported the package, so
that a kill costs a run and not its imports, and falls into the run and not into its imports. Most run their cells in
that process; the first ``WITH_WORKERS`` of each kind have two local workers. All files of a run carry the commit of the
program: a commit that is made meanwhile makes other bytes.

    python -m benchmarks.kills --place kills --minutes 60

With ``--place``, what came of each kill is written there as it comes, and the same command goes on after the last one.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from hashlib import sha256
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from benchmarks.measure import Row, at_least, show
from imprint.analyses.engine import run_cells
from imprint.analyses.evaluate.learners.procedure import LearnerProcedure
from imprint.cli import main as imprint
from imprint.models.setup.learner import Setup
from imprint.models.setup.load import load_setup
from imprint.models.store import RunFolder

WORKERS = 10
"""Local workers that are killed, each once."""
WITH_WORKERS = 2
"""Runs of each kind that have two local workers when they are killed."""
PRELOADED = ["commands.app", "analyses.evaluate.evaluate", "analyses.evaluate.sweeps.sweep"]
PRELOADED += ["analyses.evaluate.agents.procedure", "reports.pages.run", "reports.pages.sweep"]
"""Modules of the package that the process imports from which runs are forked, with all that they use."""

SMALL = {"schedule.ages": 3, "schedule.seeds": 2, "evaluation.twins": 2, "evaluation.placebos": 2}
SMALL |= {"evaluation.resamples": 100, "evaluation.nulls": 5}
SETTINGS: dict[str, dict[str, Any]] = {
    "nursery": {
        **SMALL,
        "schedule.worlds": 2,
        "schedule.together": 1,
        "schedule.experiences": 640,
        "evaluation.episodes": 600,
        "evaluation.latch_twins": 5,
    },
    "coin": {
        **SMALL,
        "agent.widths": [32, 32],
        "learning.copies": 32,
        "learning.minibatches": 2,
        "schedule.experiences": 1024,
        "evaluation.levels": 40,
        "evaluation.states": 200,
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
    """Arguments of the command line of the run."""
    changes = [part for key, value in SETTINGS[job].items() for part in ("--set", f"{key}={value}")]
    return [*VERBS[job], "--out", str(out), *changes]


def in_own_group(words: list[str], errors: Path, cores: set[int]) -> None:
    """Be the command line in a process group of its own, on these cores; ``errors`` holds what it says of errors."""
    os.setsid()
    os.sched_setaffinity(0, cores)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.dup2(os.open(errors, os.O_WRONLY | os.O_CREAT), 2)
    imprint(words)


def result(job: str, out: Path) -> bytes:
    """Content of the findings, or of the cells, of the only run in a folder.

    Raises:
        RuntimeError: the folder has several runs, or none.
    """
    found = list(out.glob(f"*/{RESULTS[job]}"))
    if len(found) != 1:
        raise RuntimeError(f"{out} holds {len(found)} finished runs, not one: after a commit, take a new --place.")
    return found[0].read_bytes()


def started(job: str, out: Path, *, workers: int = 1) -> BaseProcess:
    """A run in a process group of its own; what it says of errors goes to the file that it is named after."""
    cores = set(sorted(os.sched_getaffinity(0))[:workers])
    errors = out.parent / f"errors-{out.name}-{time.monotonic_ns()}.txt"
    context = multiprocessing.get_context("forkserver")
    process = context.Process(target=in_own_group, args=(command(job, out), errors, cores), name=str(errors))
    process.start()
    return process


def ended(process: BaseProcess) -> tuple[int, str]:
    """Exit code of a run that is waited for, and what it said of errors."""
    process.join()
    assert process.exitcode is not None
    return process.exitcode, Path(process.name).read_text(encoding="utf-8").strip()


def run(job: str, out: Path) -> None:
    """Run to the end.

    Raises:
        RuntimeError: the run failed; with what it said.
    """
    code, words = ended(started(job, out))
    if code:
        raise RuntimeError(f"{job} ended with {code}: {words}")


def killed(job: str, out: Path, after: float, *, workers: int) -> bool:
    """Start a run and kill its process group after ``after`` seconds; whether it was still running."""
    process = started(job, out, workers=workers)
    process.join(after)
    alive = process.is_alive()
    if alive and process.pid is not None:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:  # killed before it had a group of its own
            process.kill()
    process.join()
    return alive


def refused(job: str, out: Path) -> bool:
    """Whether a second run in the folder of one that goes on ends with one sentence and exit code 2."""
    first = started(job, out)
    while not list(out.glob("*/registration.json")) and first.is_alive():
        time.sleep(0.02)
    code, words = ended(started(job, out))
    print(f"{job}: second run: {words}", file=sys.stderr, flush=True)
    return (ended(first)[0], code) == (0, 2) and "Traceback" not in words


@dataclass
class Count:
    """What became of the killed runs of one kind."""

    job: str
    scratch: Path
    reference: bytes
    duration: float
    """Seconds of the undisturbed run."""
    runs: int = 0
    alive: int = 0
    same: int = 0

    @classmethod
    def of(cls, job: str, scratch: Path) -> Count:
        """With a run that is not disturbed, and the kills that an earlier start of the benchmark left in the folder."""
        began, clock = time.perf_counter(), scratch / "seconds.txt"
        run(job, scratch / "whole")
        if not clock.exists():
            clock.write_text(f"{time.perf_counter() - began}", encoding="utf-8")
        seconds = float(clock.read_text(encoding="utf-8"))
        count = cls(job, scratch, result(job, scratch / "whole"), seconds)
        if count.log.exists():
            past = [json.loads(line) for line in count.log.read_text(encoding="utf-8").splitlines()]
            count.runs = len(past)
            count.alive, count.same = (sum(one[key] for one in past) for key in ("alive", "same"))
        return count

    @property
    def log(self) -> Path:
        """A line for each kill."""
        return self.scratch / "kills.jsonl"

    def kill(self, share: float) -> None:
        """Kill one more run after this share of its duration, and resume it; folders that differ are kept."""
        out = Path(tempfile.mkdtemp(prefix=f"killed-{self.runs}-", dir=self.scratch)) / "runs"
        workers = 2 if self.runs < WITH_WORKERS else 1
        alive = killed(self.job, out, share * self.duration, workers=workers)
        run(self.job, out)
        equal = result(self.job, out) == self.reference
        self.runs, self.alive, self.same = self.runs + 1, self.alive + alive, self.same + equal
        with self.log.open("a", encoding="utf-8") as log:
            print(json.dumps({"share": share, "workers": workers, "alive": alive, "same": equal}), file=log)
        if equal:
            shutil.rmtree(out.parent)
        else:
            kept = Path(tempfile.mkdtemp(prefix=f"kills-{self.job}-"))
            shutil.copytree(self.scratch, kept, dirs_exist_ok=True)
            print(f"{self.job}: killed at {share:.3f} of a run, resumed to other bytes: {kept}", file=sys.stderr)
        print(f"{self.job}: {self.same} of {self.runs} resumed to the same bytes", file=sys.stderr, flush=True)

    def rows(self) -> list[Row]:
        """What is printed in the end; a second run is started now."""
        job, twice = self.job, Path(tempfile.mkdtemp(prefix="twice-", dir=self.scratch)) / "runs"
        refusals, same = refused(job, twice) and result(job, twice) == self.reference, f"of {self.runs}"
        what = f"{job}: {RESULTS[job]} byte-identical to the undisturbed run"
        return [
            Row(f"{job}: still running when killed", self.alive, same, note=f"a run takes {self.duration:.0f} s"),
            at_least(self.runs, what, self.same, same),
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
    procedure = LearnerProcedure(load_setup("nursery", changes=changes, expect=Setup), RunFolder(out))
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
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repeats", type=int, default=34, help="runs of each kind that are killed")
    parser.add_argument("--seed", type=int, default=0, help="of the times at which they are killed")
    parser.add_argument("--place", type=Path, help="folder that keeps what came of each kill, to go on from")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="after which no further run is killed")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")
    options = parser.parse_args()
    modules = [f"imprint.{name}" for name in PRELOADED]
    multiprocessing.get_context("forkserver").set_forkserver_preload(modules)
    rng, end = random.Random(options.seed), time.monotonic() + 60 * options.minutes
    with nullcontext(options.place) if options.place else tempfile.TemporaryDirectory() as place:
        for job in VERBS:
            (Path(place) / job).mkdir(parents=True, exist_ok=True)
        counts = [Count.of(job, Path(place) / job) for job in VERBS]
        print(*(f"{one.job}: {one.duration:.0f} s" for one in counts), sep="\n", file=sys.stderr, flush=True)
        for turn in range(options.repeats):
            for one in counts:
                share = rng.random()
                if one.runs == turn and time.monotonic() < end:
                    one.kill(share)
        rows = [row for one in counts for row in one.rows()]
        print(*rows, sep="\n", file=sys.stderr, flush=True)
        rows += worker_rows(Path(tempfile.mkdtemp(prefix="workers-", dir=place)))
    runs = sum(one.runs for one in counts)
    show(f"kills: {runs} runs killed at random times and resumed", rows, as_json=options.json)


if __name__ == "__main__":
    main()
