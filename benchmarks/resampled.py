"""Benchmark of how much a verdict hangs on its seeds: a stored run of learners, judged anew on some of its seeds.

    python -m benchmarks.resampled                                  twelve seeds of the nursery, 20 times six of them
    python -m benchmarks.resampled runs/nursery-1a2b3c4d --seeds 3 --times 50

Seeds are drawn without replacement, and judged at the last age as ``imprint run`` judges them: with the rule and the
untrained twins of the run. Of a run that is given nothing is trained or measured again (a second per world, then a
tenth of one per line); without one, ``imprint run nursery --seeds 12`` is done first, in about ten CPU-minutes.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

import numpy as np

from imprint.analyses.evaluate.evaluate import evaluate
from imprint.analyses.evaluate.learners.exam import exam_of, signal_sign
from imprint.analyses.evaluate.learners.latch import files_of, record_of, twins_of
from imprint.analyses.evaluate.run import open_finished
from imprint.analyses.latch.decision import Judgement, judge
from imprint.analyses.latch.floor import bounds, twin_shares
from imprint.analyses.latch.pooling import pool
from imprint.models.errors import ImprintError
from imprint.models.setup.learner import Setup
from imprint.models.store import RunFolder

HEADER = "seeds", "verdict", "words", "dominance of the intended concept", "leads"


def main() -> None:
    """Print the verdict of all seeds, of every draw of some, and how often each was said."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, nargs="?", help="folder of a finished run of learners")
    parser.add_argument("--seeds", type=int, default=6, help="seeds of every draw")
    parser.add_argument("--times", type=int, default=20, help="how often seeds are drawn")
    options = parser.parse_args()
    stored = Stored(options.run or evaluate("nursery", seeds=12).path)
    if not 1 <= options.seeds <= len(stored.seeds):
        raise ImprintError(f"--seeds is {options.seeds}; the run has {len(stored.seeds)} finished seeds.")
    rng, said, holds, leads = np.random.default_rng(0), Counter[str](), 0, Counter[str]()
    print(" | ".join(HEADER))
    whole = stored.judged(stored.seeds)
    print(row(stored.seeds, whole), flush=True)
    for _ in range(options.times):
        drawn = sorted(rng.choice(stored.seeds, options.seeds, replace=False).tolist())
        judged = stored.judged(drawn)
        said[judged.verdict] += 1
        leads[judged.leads[0]] += 1
        holds += set(whole.words) <= set(judged.words)
        print(row(drawn, judged), flush=True)
    print(", ".join(f"{word} {count} of {options.times}" for word, count in said.most_common()))
    print("leads: " + ", ".join(f"{concept} {count}" for concept, count in leads.most_common()))
    print(f"{' and '.join(whole.words)}, as all seeds have it, were said or left open in {holds} of {options.times}")


class Stored:
    """What a finished run of learners measured of every seed at the last age."""

    def __init__(self, path: Path) -> None:
        run = open_finished(path)
        if not isinstance(run.setup, Setup):
            raise ImprintError(f"{path} is a run of agents; expected one of learners, for example of nursery.")
        self.setup, folder = run.setup, RunFolder(run.path)
        schedule, last = self.setup.schedule, self.setup.planned[-1]
        exams = [exam_of(self.setup, number) for number in range(schedule.worlds)]
        designs, self.sign = [exam.design for exam in exams], signal_sign(self.setup, exams[0].world)
        planned = range(schedule.first_seed, schedule.first_seed + schedule.seeds)
        finished = [seed for seed in planned if all(file.exists() for file in files_of(folder, seed))]
        worlds = {seed: schedule.world_of(seed) for seed in finished}
        records = {seed: record_of(folder, seed, designs[world], world) for seed, world in worlds.items()}
        self.profiles = {s: record.profile(last) for s, record in records.items() if last in record.shares}
        self.twins = twin_shares(twins_of(folder, designs), len(exams[0].names))
        self.seeds = [seed for seed, profile in self.profiles.items() if not profile.cells.constant]

    def judged(self, seeds: list[int]) -> Judgement:
        """The verdict of some seeds, each of which counts once."""
        worlds, rng = [self.setup.schedule.world_of(seed) for seed in seeds], np.random.default_rng(0)
        profiles = [self.profiles[seed] for seed in seeds]
        pooled = pool(profiles, resamples=self.setup.evaluation.resamples, rng=rng, worlds=worlds)
        return judge(pooled, bounds(self.twins, len(seeds)), self.setup.decision, sign=self.sign)


def row(seeds: list[int], judged: Judgement) -> str:
    """One line of the table."""
    words = ", ".join(f"{word} {part:.2f}" for word, part in judged.probabilities.items())
    intended = judged.dominance.iloc[0]
    dominance = f"{intended['dominance']:.2f} [{intended['low']:.2f}, {intended['high']:.2f}]"
    leads = f"{judged.leads[0]} {judged.leads[1]:.2f}"
    return " | ".join([" ".join(map(str, seeds)), judged.verdict, words, dominance, leads])


if __name__ == "__main__":
    main()
