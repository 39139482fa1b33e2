"""Interactions: whether two settings move a measure by what each moves it alone, added up.

For every pair of keys the means of their combinations, over all other keys, are compared with row effect plus column
effect; what departs is the interaction:

    r[a, b] = m[a, b] - m[a, .] - m[., b] + m[., .].

``departure`` is its root mean square and ``largest`` the largest entry, with its place. Where cells have intervals over
seeds, the p-value is that of the weighted sum of squares around the additive fit (chi^2) and the interval of the
largest entry is Scheffé's, since its place was chosen after the fact. Otherwise the pair is compared with what main
effects and all pairs leave over (F), for which three keys are needed, and there is no interval. p-values of one measure
are adjusted over all pairs (Holm 1979). See :mod:`imprint.analyses.effects_of_settings.marginal` on what is random.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import scipy

from imprint.analyses.effects_of_settings.additive import effect_test, fitted, indicators, misfit
from imprint.analyses.effects_of_settings.cells import Measure, Swept
from imprint.analyses.effects_of_settings.marginal import COMBINATIONS, SEEDS
from imprint.analyses.effects_of_settings.noise import TWO_SIDED, means_of
from imprint.analyses.statistics import NAN, holm

COLUMNS = [
    *("measure", "key_a", "key_b", "departure", "largest", "low", "high", "value_a", "value_b", "cells"),
    *("p_value", "p_adjusted", "basis"),
]


def interactions(cells: Swept) -> pd.DataFrame:
    """One row per measure and pair of keys, the clearest first; columns :data:`COLUMNS`."""
    tables = []
    for measure in cells.measures() if len(cells.keys) > 1 else []:
        rows = pd.DataFrame([_pair(cells, measure, pair) for pair in combinations(cells.keys, 2)], columns=COLUMNS)
        rows["p_adjusted"] = holm(rows["p_value"].to_numpy(dtype=np.float64))
        tables.append(rows.sort_values(["p_value", "departure"], ascending=[True, False], kind="stable"))
    table = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
    return table.reindex(columns=COLUMNS)


def _pair(cells: Swept, measure: Measure, keys: tuple[str, str]) -> dict[str, Any]:
    values, halves = cells.values(measure), cells.halves(measure)
    first, second = (cells.of(key) for key in keys)
    columns = len(cells.grid[keys[1]])
    use = cells.measured_throughout(measure, keys)
    row: dict[str, Any] = {"measure": measure.name, "key_a": keys[0], "key_b": keys[1], "cells": int(use.sum())}
    row |= {"basis": COMBINATIONS if halves is None else SEEDS, "p_value": NAN}
    if not use.any():
        return row
    tile = first[use] * columns + second[use]
    means = means_of(values[use], None if halves is None else halves[use], tile, cells.lives[use])
    there = np.arange(len(means.value))
    a, b, m = there // columns, there % columns, means.value
    parts = (indicators(a), indicators(b))
    residual, rank = fitted(m, *parts)
    if len(m) == rank:
        return row
    at = int(np.abs(residual).argmax())
    row |= {"departure": float(np.sqrt((residual**2).mean())), "largest": float(residual[at])}
    row |= {"value_a": cells.labels(keys[0])[a[at]], "value_b": cells.labels(keys[1])[b[at]]}
    if halves is None:
        places = (cells.keys.index(keys[0]), cells.keys.index(keys[1]))
        return row | {"p_value": effect_test(values[use], cells.codes[use], places).p_value}
    errors = means.half / TWO_SIDED
    test = misfit(m, errors, *parts)
    x = np.concatenate([np.ones((len(m), 1)), *parts], axis=1)
    contrast = np.eye(len(m))[at] - x[at] @ np.linalg.pinv(x)
    half = float(np.sqrt(((contrast * errors) ** 2).sum() * scipy.stats.chi2.ppf(0.95, test.freedom)))
    return row | {"low": residual[at] - half, "high": residual[at] + half, "p_value": test.p_value}
