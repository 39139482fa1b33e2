"""multiverse: in how many of the analyses that a careful person could have chosen does the verdict stand?

The stored sums of all seeds are judged again under every combination of

    weights        equal, or as often as levels occur          seeds        all, or all but one
    dominates      the setup's threshold, and .05 and .10 to either side
    carries        half, once and twice the setup's            least_effect half, once and one and a half times

Steegen, Tuerlinckx, Gelman & Vanpaemel 2016, "Increasing transparency through a multiverse analysis". The analyses are
not independent and are not tests: the number says how much the word rests on choices, not how probable it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product

import numpy as np
import pandas as pd

from imprint.analyses.latch.decision import word_of
from imprint.analyses.latch.pooling import Pooled, pool
from imprint.analyses.latch.profile import Profile
from imprint.analyses.latch.shares import Design
from imprint.analyses.statistics import Floats
from imprint.models.setup.learner import Decision

STEPS = (-0.10, -0.05, 0.0, 0.05, 0.10)
FACTORS = ("weights", "seeds", "dominates", "carries", "least_effect")
EVERY = "all analyses"
HIGHEST = 0.99
"""Largest threshold of dominance that is tried."""
LOWEST = 0.51


def multiverse(
    profiles: Sequence[Profile],
    designs: Mapping[str, Design],
    bounds: Floats,
    rule: Decision,
    *,
    rng: np.random.Generator,
    sign: int = 1,
    worlds: Sequence[int] | None = None,
    seeds: Sequence[int] | None = None,
    resamples: int = 400,
) -> pd.DataFrame:
    """One analysis a row: a column per factor, and ``verdict``.

    ``designs``: name of a weighting -> the cells with its weights; ``worlds``: number of each seed's world (default:
    all in one); ``seeds``: number of each seed (default: 0, 1, ...). Seeds are left out one at a time when there are at
    least three.
    """
    state, numbers = int(rng.integers(2**31)), [0] * len(profiles) if worlds is None else list(worlds)
    names = list(range(len(profiles)) if seeds is None else seeds)
    rows = []
    for weights, left_out, pooled in _pools(profiles, designs, state, numbers, names, resamples):
        for dominates, carries, effect in product(STEPS, (0.5, 1.0, 2.0), (0.5, 1.0, 1.5)):
            changed = {
                "dominates": min(max(round(rule.dominates + dominates, 3), LOWEST), HIGHEST),
                "carries": round(rule.carries * carries, 4),
                "least_effect": round(rule.least_effect * effect, 3),
            }
            about = {"weights": weights, "seeds": left_out, **{k: f"{v:g}" for k, v in changed.items()}}
            word = word_of(pooled, bounds, rule.model_copy(update=changed), sign=sign)
            rows.append({**about, "verdict": word})
    return pd.DataFrame(rows)


def _pools(
    profiles: Sequence[Profile],
    designs: Mapping[str, Design],
    state: int,
    worlds: Sequence[int],
    seeds: Sequence[int],
    resamples: int,
) -> Iterator[tuple[str, str, Pooled]]:
    """Name of the weighting, which seeds, and these pooled; the same draws everywhere."""
    subsets = {"all": list(range(len(profiles)))}
    if len(profiles) >= 3:
        subsets |= {f"without seed {s}": [j for j in range(len(profiles)) if j != i] for i, s in enumerate(seeds)}
    for name, design in designs.items():
        weighed = [replace(p, cells=replace(p.cells, design=design)) for p in profiles]
        for which, chosen in subsets.items():
            rng = np.random.default_rng(state)
            where = [worlds[i] for i in chosen]
            yield name, which, pool([weighed[i] for i in chosen], resamples=resamples, rng=rng, worlds=where)


def agreement(table: pd.DataFrame, verdict: str) -> pd.DataFrame:
    """In what part of the analyses ``verdict`` stands: ``choice, agreement, analyses``, all of them first.

    One row for every level of every factor.
    """
    same = table["verdict"] == verdict
    rows = [(EVERY, float(same.mean()), len(table))]
    for factor in FACTORS:
        for level, part in table.groupby(factor, sort=False):
            rows.append((f"{factor}: {level}", float(same[part.index].mean()), len(part)))
    return pd.DataFrame(rows, columns=["choice", "agreement", "analyses"])
