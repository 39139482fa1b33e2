"""Makes organisms and scores every detector that ships: number, size, time, share confirmed, leaderboard.

    python -m benchmarks.organisms [--out DIR] [--count 300] [--split private] [--seed 1000] [--jobs 1]

The folder is gone on with if it was begun. Prints CPU seconds, which a busy machine changes less than wall time.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import pandas as pd

from imprint.analyses.organisms import Made, Scored, make, score
from imprint.analyses.organisms.folder import CARDS, read_key
from imprint.reports.pages.leaderboard import answers_of, report_leaderboard

COLUMNS = ("auroc", "recall", "brier", "calibration", "right", "rank")


def main() -> None:
    """Make, score, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/organisms"))
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--split", default="public")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--jobs", type=int, default=1)
    given = parser.parse_args()
    started, wall = time.process_time(), time.perf_counter()
    made = make(given.out, count=given.count, split=given.split, seed=given.seed, jobs=given.jobs)
    _print_made(made, time.process_time() - started, time.perf_counter() - wall)
    started, wall = time.process_time(), time.perf_counter()
    scored = score(organisms=made.path)
    print(f"scored in {time.process_time() - started:.0f} CPU-s, {time.perf_counter() - wall:.0f} s")
    _print_scored(scored)
    print(f"page: {report_leaderboard(scored, made.path)}")


def _print_made(made: Made, cpu: float, wall: float) -> None:
    sizes = [path.stat().st_size for path in (made.path / CARDS).glob("*.safetensors")]
    print(f"{made.count} organisms in {cpu:.0f} CPU-s of this process, {wall:.0f} s; {sum(sizes) / 2**20:.0f} MiB")
    print(f"confirmed by all counterfactuals: {made.confirmed} of {made.count}; {made.words}")
    key = pd.DataFrame(read_key(made.path)).T
    for name, answer in key[~key["confirmed"].astype(bool)].iterrows():
        print(f"  not confirmed: {name} {answer['word']}, litter {answer['litter']}: held {answer['held']}, ", end="")
        print(f"others {answer['others']}")


def _print_scored(scored: Scored) -> None:
    print(f"degenerate: {scored.organisms['degenerate']}")
    board = scored.leaderboard.sort_values("auroc", ascending=False)
    for row in board.to_dict("records"):
        shown = "  ".join(f"{c} {row[c]:.2f} [{row[f'{c}_low']:.2f}, {row[f'{c}_high']:.2f}]" for c in COLUMNS)
        print(f"{row['detector']:>20} {row['level']:>14}  {shown}  lost {row['lost']}")
    with pd.option_context("display.width", 200, "display.max_columns", 20):
        own = scored.words[scored.words["detector"] == "ours"]
        print(own.pivot(index="word", columns="level", values="auroc").round(2))
        own = scored.groups[scored.groups["detector"] == "ours"]
        print(own.pivot(index="group", columns="level", values="right").round(2))
        print(scored.contrasts[scored.contrasts["detector"] == "ours"].round(3).to_string(index=False))
    for answer in answers_of(scored):
        print(f"{answer['concept']}: {answer['sentence']}")


if __name__ == "__main__":
    main()
