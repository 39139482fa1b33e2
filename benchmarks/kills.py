"""Kill a run with SIGKILL at random moments, resume it, and compare the findings byte by byte.

The run is the default setup made small. One run is left alone; each of the others is killed once at a moment drawn
uniformly from the undisturbed run's duration, then finished with ``--resume``.
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

from benchmarks.measure import Row, arguments, show

SETTINGS = {
    "schedule.seeds": 2,
    "schedule.together": 1,
    "schedule.experiences": 3200,
    "schedule.ages": 4,
    "evaluation.episodes": 600,
    "evaluation.resamples": 100,
    "evaluation.twins": 2,
    "evaluation.placebos": 2,
}


def command(out: Path) -> list[str]:
    """The run, as a user would start it."""
    sets = [part for key, value in SETTINGS.items() for part in ("--set", f"{key}={value}")]
    return [sys.executable, "-m", "imprint", "run", "nursery", "--out", str(out), *sets]


def findings(out: Path) -> bytes:
    """The bytes of the only run in a folder."""
    (path,) = out.glob("*/findings.parquet")
    return path.read_bytes()


def run(out: Path) -> None:
    """Run to the end, quietly."""
    subprocess.run([*command(out), "--resume"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def killed(out: Path, after: float) -> bool:
    """Start, kill the whole process group after some seconds. True when it was still running."""
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
    """Run, kill, resume, compare."""
    options = arguments(__doc__.splitlines()[0])
    times = 2 if options.quick else 10
    moments = random.Random(0)
    with tempfile.TemporaryDirectory() as scratch:
        started = time.perf_counter()
        run(Path(scratch) / "whole")
        duration = time.perf_counter() - started
        reference = findings(Path(scratch) / "whole")
        alive, same = 0, 0
        for i in range(times):
            out = Path(scratch) / f"killed-{i}"
            alive += killed(out, moments.uniform(0, duration))
            run(out)
            same += findings(out) == reference
    show(
        f"kills: a run of {duration:.0f} s, killed at {times} random moments and resumed",
        [
            Row("runs that were still going when killed", alive, f"of {times}"),
            Row(
                "findings.parquet byte-identical to the undisturbed run", same, f"of {times}", f"{times}", same == times
            ),
        ],
        as_json=options.json,
    )


if __name__ == "__main__":
    main()
