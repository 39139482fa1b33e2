"""Rows that show a candidate: where it is strongest, and pairs of rows as alike as can be that differ in it.

Letters: n rows, r of them compared with one another, f facts.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from imprint.analyses.expose.candidates import Example
from imprint.analyses.expose.ground import coded
from imprint.analyses.statistics import Floats

SHOWN = 3
"""Strongest rows, and minimal pairs."""
COMPARED = 400
"""Rows that are compared with one another."""


def examples_of(
    facts: pd.DataFrame, names: Sequence[str], strength: Floats, values: Floats, *, seed: int
) -> tuple[Example, ...]:
    """The strongest rows at both ends, and minimal pairs.

    ``strength [n]``: how much of the candidate each row holds; ``names``: its facts, which are shown for single rows.
    """
    order = np.lexsort((values, strength))
    shown = [name for name in names if name in facts]
    single = [
        Example("strongest", (int(i),), (float(values[i]),), {name: _shown(facts[name].iloc[i]) for name in shown})
        for i in (*order[::-1][:SHOWN], *order[:SHOWN])
    ]
    return (*single, *minimal_pairs(facts, strength, values, seed=seed))


def minimal_pairs(facts: pd.DataFrame, strength: Floats, values: Floats, *, seed: int) -> list[Example]:
    """Pairs of rows that hold much and little of a candidate, agree in as many facts as possible, and differ in value.

    Of those that differ in equally few facts the pairs with the largest difference in value come first.
    """
    rows = np.random.default_rng(seed).permutation(len(values))[:COMPARED]
    high = rows[strength[rows] >= np.quantile(strength[rows], 0.75)]
    low = rows[strength[rows] <= np.quantile(strength[rows], 0.25)]
    if not strength[high].min() > strength[low].max():
        return []
    found = {str(name): code[0] for name in facts.columns if (code := coded(facts[name])) is not None}
    codes = np.stack(list(found.values()), axis=1) if found else np.zeros((len(values), 0))
    differing = (codes[high][:, None] != codes[low][None]).sum(-1)
    gap = np.abs(values[high][:, None] - values[low][None])
    order = np.lexsort((-gap.ravel(), differing.ravel()))
    pairs: list[Example] = []
    used: set[int] = set()
    for place in order:
        a, b = (int(x) for x in (high[place // len(low)], low[place % len(low)]))
        if a in used or b in used:
            continue
        used |= {a, b}
        apart = {
            name: f"{_shown(facts[name].iloc[a])} / {_shown(facts[name].iloc[b])}"
            for name, code in found.items()
            if code[a] != code[b]
        }
        pairs.append(Example("minimal pair", (a, b), (float(values[a]), float(values[b])), apart))
        if len(pairs) == SHOWN:
            break
    return pairs


def _shown(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float | np.floating) else str(value)
