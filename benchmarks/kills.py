"""Kill runs with SIGKILL at random times, resume them, and compare their findings with those of an undisturbed run.

The runs are small versions of a setup of learners and one of agents. Of each, one run is not disturbed; the others are
killed once, at a time drawn uniformly from the duration of the undisturbed run, and then finished with ``--resume``.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.measure import Row, arguments, at_least, show

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


def main() -> None:
    """Run, kill, resume and compare."""
    options = arguments(__doc__.splitlines()[0])
    repeats, rows = 2 if options.quick else 50, list[Row]()
    for setup in SETTINGS:
        with tempfile.TemporaryDirectory() as scratch:
            rows += rows_of(setup, repeats, Path(scratch))
    show(f"kills: runs killed at {repeats} random times each and resumed", rows, as_json=options.json)


if __name__ == "__main__":
    main()
