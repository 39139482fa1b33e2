"""Kill runs with SIGKILL at random times, resume them, and compare their findings with those of an undisturbed run.

The run is a small version of the default setup. One run is not disturbed; each of the others is killed once, at a time
drawn uniformly from the duration of the undisturbed run, and then finished with ``--resume``.
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

SETTINGS = {
    "schedule.seeds": 2,
    "schedule.worlds": 2,
    "schedule.together": 1,
    "schedule.experiences": 3200,
    "schedule.ages": 4,
    "evaluation.episodes": 600,
    "evaluation.resamples": 100,
    "evaluation.twins": 2,
    "evaluation.placebos": 2,
}


def command(out: Path) -> list[str]:
    """The command line of the run."""
    changes = [part for key, value in SETTINGS.items() for part in ("--set", f"{key}={value}")]
    return [sys.executable, "-m", "imprint", "run", "nursery", "--out", str(out), *changes]


def findings(out: Path) -> bytes:
    """Content of the findings of the only run in a folder."""
    (path,) = out.glob("*/findings.parquet")
    return path.read_bytes()


def run(out: Path) -> None:
    """Run, or resume, to the end without output."""
    subprocess.run([*command(out), "--resume"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def killed(out: Path, after: float) -> bool:
    """Start a run and kill its process group after ``after`` seconds; whether it was still running."""
    process = subprocess.Popen(
        command(out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    time.sleep(after)
    alive = process.poll() is None
    if alive:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return alive


def main() -> None:
    """Run, kill, resume and compare."""
    options = arguments(__doc__.splitlines()[0])
    repeats = 2 if options.quick else 10
    rng = random.Random(0)
    with tempfile.TemporaryDirectory() as scratch:
        started = time.perf_counter()
        run(Path(scratch) / "whole")
        duration = time.perf_counter() - started
        reference = findings(Path(scratch) / "whole")
        alive, same = 0, 0
        for i in range(repeats):
            out = Path(scratch) / f"killed-{i}"
            alive += killed(out, rng.uniform(0, duration))
            run(out)
            same += findings(out) == reference
    show(
        f"kills: a run of {duration:.0f} s, killed at {repeats} random times and resumed",
        [
            Row("runs that were still running when killed", alive, f"of {repeats}"),
            at_least(repeats, "findings.parquet byte-identical to the undisturbed run", same, f"of {repeats}"),
        ],
        as_json=options.json,
    )


if __name__ == "__main__":
    main()
