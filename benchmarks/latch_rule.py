"""How often the rule of the latch says a wrong word, and how often its intervals hold the truth.

``words``: simulated runs of known dominance, P(right), P(no word) and P(wrong word) for dominance x rows x seeds.
``coverage``: part of the 95 % intervals of shares, dominance and effects that hold the truth, for seeds x groups, with
and without effects of groups. Run ``python -m benchmarks.latch_rule words --runs 200 --seed 1`` or ``coverage``;
without arguments both are run small.
"""

from __future__ import annotations

import argparse
from itertools import product

import numpy as np
import pandas as pd

from imprint.analyses.latch.decision import judge
from imprint.analyses.latch.pooling import pool
from imprint.analyses.latch.power import Rows, Truth, power_table
from imprint.analyses.latch.profile import Profile, split
from imprint.analyses.latch.shares import cell_sums
from imprint.models.setup.learner import Decision

NAMES = ("a", "b")
DOMINANCES, SIZES, SEEDS = (0.70, 0.74, 0.76, 0.85, 0.95), (100, 400, 1600), (3, 6, 12)
CARRIED = 0.5


def rows(n: int, groups: int, rng: np.random.Generator) -> Rows:
    """Two balanced yes-or-no concepts in ``n`` rows of ``groups`` groups."""
    concepts = pd.DataFrame({"a": np.arange(n) % 2 == 0, "b": np.arange(n) // 2 % 2 == 0})
    return Rows.of(concepts, rng.permutation(n) % groups, NAMES)


def words(runs: int, seed: int, spread: float) -> pd.DataFrame:
    """P(right), P(no word) and P(wrong word) in every cell."""
    tables = []
    for n in SIZES:
        rng = np.random.default_rng([seed, n])
        sample = rows(n, min(n, 100), rng)
        table = power_table(sample, Decision(), rng, dominances=DOMINANCES, seeds=SEEDS, runs=runs, spread=spread)
        tables.append(table.assign(n=n))
    return pd.concat(tables, ignore_index=True)


def coverage(runs: int, seed: int) -> pd.DataFrame:
    """Coverage of the intervals of shares, dominance and effects; ``runs`` intervals of each number in every cell."""
    found = []
    for seeds, groups, moved in product((3, 6, 8), (15, 200), (False, True)):
        rng, sample = (
            np.random.default_rng([seed, seeds, groups, moved]),
            rows(1600, groups, np.random.default_rng(seed)),
        )
        truth = Truth(0.7, seeds)
        parts = Truth(0.7, 200_000).parts(np.random.default_rng(0))
        # Group offsets and slopes add to the variance of the value, the slopes on average nothing to a share.
        offset, slope = (0.4, 0.3) if moved else (0.0, 0.0)
        total = 1 + offset**2 + slope**2
        true = {
            "share a": CARRIED * 0.7 / total,
            "share b": CARRIED * 0.3 / total,
            "dominance a": 0.7,
            "effect a": 2 * np.sqrt(CARRIED / total) * float(np.sqrt(parts).mean()),
        }
        hits = pd.DataFrame([_covered(sample, truth, groups, (offset, slope), true, rng) for _ in range(runs)])
        found.append(
            {"seeds": seeds, "groups": groups, "group effects": moved, **hits.mean().to_dict(), "intervals": runs}
        )
    return pd.DataFrame(found)


def _covered(
    sample: Rows,
    truth: Truth,
    groups: int,
    moved: tuple[float, float],
    true: dict[str, float],
    rng: np.random.Generator,
) -> dict[str, bool]:
    """Which intervals of one simulated run hold the truth."""
    shared = rng.standard_normal((2, groups))
    profiles = []
    for part in truth.parts(rng):
        own = (shared + rng.standard_normal((2, groups))) / np.sqrt(2)
        weights = np.sqrt(CARRIED * np.array([part, 1 - part]))
        values = weights @ sample.contrasts + np.sqrt(1 - CARRIED) * rng.standard_normal(len(sample.cell))
        values += moved[0] * own[0][sample.groups] + moved[1] * own[1][sample.groups] * sample.contrasts[0]
        profiles.append(Profile(cell_sums(values, sample.design, sample.cell, sample.groups), {}))
    pooled = pool(profiles, resamples=400, rng=rng)
    ends, concepts = pooled.intervals(), len(NAMES)
    dominance = judge(pooled, np.zeros(concepts + 1), Decision()).dominance.iloc[0]
    assert len(split(pooled.estimate)[1]) == concepts
    found = {
        "share a": ends[0],
        "share b": ends[1],
        "dominance a": (dominance["low"], dominance["high"]),
        "effect a": ends[concepts + 2],
    }
    return {name: bool(low <= true[name] <= high) for name, (low, high) in found.items()}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", nargs="*", default=["words", "coverage"], choices=["words", "coverage"])
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--spread", type=float, default=0.2, help="words: of training seeds, at a dominance of .5")
    given = parser.parse_args()
    for what in given.what:
        table = words(given.runs, given.seed, given.spread) if what == "words" else coverage(given.runs, given.seed)
        print(table.round(3).to_string(index=False))
