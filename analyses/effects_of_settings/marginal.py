"""Marginal effects: how much a measure moves with one setting, averaged over all combinations of the others.

The mean of every value of a key is taken over the same combinations of all other keys (those in which both values were
measured), so that a difference compares like with like:

    difference(v, r) = mean over combinations c of (y[v, c] - y[r, c]).

**What is random.** The grid is not: it was chosen, and nobody wants to generalise to other combinations. Seeds are.
Where cells have intervals over seeds (dominance, wanting), the interval of a difference is made of these
(:mod:`imprint.analyses.effects_of_settings.noise`), and the p-value is of the hypothesis that all values of the key
have one mean (chi^2). Resampling cells or permuting values among them would treat the grid as random and, worse, cells
that share lives as independent evidence, so neither is done. A probability of a word is made of draws over seeds and
has no interval of its own, nor has an age: there ``basis`` says ``combinations``, the interval (Student's t) tells how
far the difference varies over the other settings, and the p-value compares it with what main effects leave over.

The effect of a *key* is the largest difference between any two of its values. Since the two are chosen after the fact,
its interval is Scheffé's (1953), which holds for all contrasts at once. p-values of one measure are adjusted over keys
(Holm 1979).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import scipy

from imprint.analyses.effects_of_settings.additive import effect_test, misfit
from imprint.analyses.effects_of_settings.cells import Measure, Swept
from imprint.analyses.effects_of_settings.noise import TWO_SIDED, Means, means_of
from imprint.analyses.statistics import NAN, Estimate, holm, mean_of_all

SEEDS, COMBINATIONS = "seeds", "combinations"
LEVELS = ("measure", "key", "value", "mean", "mean_low", "mean_high", "cells", "versus", "difference", "low", "high")
EFFECTS = ("measure", "key", "from_value", "to_value", "difference", "low", "high", "cells", "p_value", "p_adjusted")


def level_means(cells: Swept) -> pd.DataFrame:
    """One row per measure, key and value: its mean, and the difference to the key's first value.

    Columns: :data:`LEVELS`, ``pairs`` (combinations in which both were measured) and ``basis`` of the interval.
    """
    rows = [row for measure in cells.measures() for key in cells.keys for row in _levels(cells, measure, key)]
    return pd.DataFrame(rows, columns=[*LEVELS, "pairs", "basis"])


def key_effects(cells: Swept) -> pd.DataFrame:
    """One row per measure and key: the largest difference between two of its values, largest first.

    Columns: :data:`EFFECTS` and ``basis``; ``low`` and ``high`` hold for the largest of all differences.
    """
    tables = []
    for measure in cells.measures():
        rows = pd.DataFrame([_effect(cells, measure, key) for key in cells.keys])
        rows["p_adjusted"] = holm(rows["p_value"].to_numpy(dtype=np.float64))
        tables.append(rows.sort_values("difference", key=lambda d: -d.abs(), kind="stable", na_position="last"))
    table = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
    return table.reindex(columns=[*EFFECTS, "basis"])


def _levels(cells: Swept, measure: Measure, key: str) -> Iterator[dict[str, Any]]:
    values, halves, codes = cells.values(measure), cells.halves(measure), cells.of(key)
    known = np.isfinite(values)
    names = cells.labels(key)
    for i, name in enumerate(names):
        own = known & (codes == i)
        mean = _first(means_of(values[own], None if halves is None else halves[own], codes[own] * 0, cells.lives[own]))
        row = {
            "measure": measure.name,
            "key": key,
            "value": name,
            "cells": int(own.sum()),
            **mean.row("mean", ends="mean_", count=None),
        }
        if i:
            difference, basis = _difference(cells, measure, key, (0, i))
            row |= {"versus": names[0], **difference.row("difference", count="pairs"), "basis": basis}
        yield row


def _first(means: Means) -> Estimate:
    if not len(means.value):
        return Estimate(NAN, NAN, NAN, 0)
    value, half = float(means.value[0]), float(means.half[0])
    return Estimate(value, value - half, value + half, int(means.count[0]))


def _difference(
    cells: Swept, measure: Measure, key: str, pair: tuple[int, int], *, free: int = 1
) -> tuple[Estimate, str]:
    """Second value minus first over combinations that have both, and the basis of its interval.

    ``free``: degrees of freedom among which the pair was chosen (Scheffé); 1 for a pair named beforehand.
    """
    values, halves, codes = cells.values(measure), cells.halves(measure), cells.of(key)
    combination = cells.combination([key])
    known = np.isfinite(values)
    sides = [known & (codes == i) for i in pair]
    both = np.intersect1d(combination[sides[0]], combination[sides[1]])
    if not len(both):
        return Estimate(NAN, NAN, NAN, 0), COMBINATIONS if halves is None else SEEDS
    sides = [side & np.isin(combination, both) for side in sides]
    ordered = [np.flatnonzero(side)[np.argsort(combination[side])] for side in sides]
    apart = values[ordered[1]] - values[ordered[0]]
    wider = float(np.sqrt(scipy.stats.chi2.ppf(0.95, free)) / TWO_SIDED)
    if halves is None:
        over = mean_of_all(apart)
        half = (over.high - over.low) / 2 * wider
        return Estimate(over.value, over.value - half, over.value + half, len(both)), COMBINATIONS
    ends = [means_of(values[at], halves[at], codes[at] * 0, cells.lives[at]).half[0] for at in ordered]
    half, mean = float(np.hypot(*ends)) * wider, float(apart.mean())
    return Estimate(mean, mean - half, mean + half, len(both)), SEEDS


def _effect(cells: Swept, measure: Measure, key: str) -> dict[str, Any]:
    values, halves, codes = cells.values(measure), cells.halves(measure), cells.of(key)
    use = cells.measured_throughout(measure, [key])
    row: dict[str, Any] = {"measure": measure.name, "key": key, "cells": int(use.sum()), "p_value": NAN}
    row["basis"] = COMBINATIONS if halves is None else SEEDS
    if not use.any() or len(cells.grid[key]) < 2:
        return row | {"difference": NAN, "low": NAN, "high": NAN}
    means = means_of(values[use], None if halves is None else halves[use], codes[use], cells.lives[use])
    if halves is None:
        row["p_value"] = effect_test(values[use], cells.codes[use], (cells.keys.index(key),)).p_value
    else:
        row["p_value"] = misfit(means.value, means.half / TWO_SIDED).p_value
    pair = sorted((int(means.value.argmin()), int(means.value.argmax())))
    if pair[0] == pair[1]:
        pair = [0, len(means.value) - 1]
    difference, _ = _difference(cells, measure, key, (pair[0], pair[1]), free=len(means.value) - 1)
    names = cells.labels(key)
    return row | {"from_value": names[pair[0]], "to_value": names[pair[1]], **difference.row("difference", count=None)}
