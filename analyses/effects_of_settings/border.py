"""The border: between which two values of a setting the verdict turns, and how sharply.

Along each key whose values are numbers, and for every combination of the others, the probability of “intended” is a
row of numbers p_0, ..., p_K at the steps 0, ..., K. The border lies between two neighbours that were measured and have
.5 between them; its place is linear between these. Its sharpness is the slope b, in log odds per step, of

    p_k = 1 / (1 + exp(-b (k - m))),

fitted by likelihood, each cell counting as many trials as it has training seeds (a fractional response; Papke and
Wooldridge 1996), and the interval is that of the profile likelihood, which stays right where all cells are 0 or 1: then
no slope is too steep, and the interval has no upper end. Slopes are searched up to :data:`STEEPEST`, beyond which a
border is narrower than a tenth of a step.

Words turn where one said word follows another along the key; cells that are undetermined or failed lie between, so that
``word_after`` and ``word_before`` name the values between which it happened.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import scipy
from numpy.typing import NDArray

from imprint.analyses.effects_of_settings.cells import MEASURES, Swept
from imprint.analyses.statistics import NAN

Floats = NDArray[np.float64]
HALF = 0.5
STEEPEST = 40.0
"""Largest slope that is told apart from infinity, in log odds per step."""
OPEN = ("", "undetermined", "not measurable")
"""Verdicts that say no word."""
COLUMNS = (
    *("key", "combination", "border", "after", "before", "place", "direction", "crossings", "slope", "slope_low"),
    *("slope_high", "word_turns", "word_from", "word_to", "word_after", "word_before", "cells"),
)

TEXTS = ("after", "before", "direction", "word_from", "word_to", "word_after", "word_before")
"""Columns that are empty where there is no border, or no turn."""


def borders(cells: Swept) -> pd.DataFrame:
    """One row per key of numbers and combination of the other keys; columns :data:`COLUMNS`.

    ``border``: ``crosses``, ``above`` or ``below`` (no border within the grid), ``none`` (fewer than two values were
    measured). The first border is described where there are several (``crossings``).
    """
    rows: list[dict[str, Any]] = []
    for key in cells.keys:
        if cells.ordered(key) and len(cells.grid[key]) > 1:
            rows.extend(_along(cells, key))
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return table.assign(**{name: table[name].astype(object).fillna("").astype(str) for name in TEXTS})


def _along(cells: Swept, key: str) -> Iterator[dict[str, Any]]:
    probability, seeds = cells.values(MEASURES["probability"]), _seeds(cells)
    words = np.where(cells.failed, "", cells.frame["verdict"].fillna("").astype(str))
    labels, steps = cells.labels(key), cells.of(key)
    combination = cells.combination([key])
    for number in np.unique(combination):
        at = np.flatnonzero(combination == number)
        at = at[np.argsort(steps[at])]
        known = at[np.isfinite(probability[at])]
        others = ", ".join(f"{k}={cells.labels(k)[cells.of(k)[at[0]]]}" for k in cells.keys if k != key)
        row = {"key": key, "combination": others or "(no other key)", "cells": len(known)}
        row |= _crossing(cells.grid[key], labels, steps[known], probability[known])
        row |= _slope(steps[known], probability[known], seeds[known])
        yield row | _turns(labels, steps[at], words[at])


def _crossing(values: Any, labels: list[str], steps: NDArray[np.int64], p: Floats) -> dict[str, Any]:
    if len(p) < 2:
        return {"border": "none", "place": NAN, "crossings": 0}
    above = p >= HALF
    turns = np.flatnonzero(above[1:] != above[:-1])
    if not len(turns):
        return {"border": "above" if above[0] else "below", "place": NAN, "crossings": 0}
    i = int(turns[0])
    before, after = (float(values[steps[j]]) for j in (i, i + 1))
    place = before + (after - before) * (HALF - p[i]) / (p[i + 1] - p[i])
    between = {"after": labels[steps[i]], "before": labels[steps[i + 1]], "place": float(place)}
    return {"border": "crosses", **between, "direction": "rises" if above[i + 1] else "falls", "crossings": len(turns)}


def _slope(steps: NDArray[np.int64], p: Floats, seeds: Floats) -> dict[str, float]:
    """Slope per step with its profile interval; infinite ends beyond the steepest that is told apart."""
    if len(p) < 2 or not np.isfinite(seeds).all():
        return {"slope": NAN, "slope_low": NAN, "slope_high": NAN}
    fit = slope_of(steps.astype(np.float64), p, seeds)
    return {"slope": fit[0], "slope_low": fit[1], "slope_high": fit[2]}


def slope_of(steps: Floats, p: Floats, trials: Floats) -> tuple[float, float, float]:
    """Slope of a logistic curve through rates ``p`` of so many ``trials`` at ``steps`` ``[n]``, and its interval.

    The intercept is fitted for every slope of a grid, all at once, by halving; ends and optimum lie between its slopes.
    """
    slopes = np.concatenate([-np.geomspace(STEEPEST, 0.02, 100), [0.0], np.geomspace(0.02, STEEPEST, 100)])
    offset = slopes[:, None] * (steps - np.average(steps))
    total, intercept = float((p * trials).sum()), np.zeros(len(slopes))
    bound = np.abs(offset).max(1) + 30.0  # where all rates are 0, or all 1, the intercept has no finite optimum
    low, high = -bound, bound.copy()
    for _ in range(50):  # expected number of successes grows with the intercept, so halving finds its optimum
        intercept = (low + high) / 2
        few = (trials * _logistic(offset + intercept[:, None])).sum(1) < total
        low, high = np.where(few, intercept, low), np.where(few, high, intercept)
    odds = offset + intercept[:, None]
    likelihood = (trials * (p * odds - np.logaddexp(0.0, odds))).sum(1)
    best = int(likelihood.argmax())
    room = likelihood - likelihood[best] + scipy.stats.chi2.ppf(0.95, 1) / 2
    inside = np.flatnonzero(room >= 0)
    steepest = best in (0, len(slopes) - 1)
    value = float(np.sign(slopes[best]) * np.inf) if steepest else _peak(slopes, likelihood, best)
    return value, _end(slopes, room, int(inside[0]), -1), _end(slopes, room, int(inside[-1]), 1)


def _end(x: Floats, y: Floats, inside: int, step: int) -> float:
    """Where ``y`` goes through 0 beyond ``inside``, linear; infinite when it has not done so at the end."""
    outside = inside + step
    if outside in (-1, len(x)):
        return float(np.sign(x[inside]) * np.inf)
    return float(x[inside] + (x[outside] - x[inside]) * y[inside] / (y[inside] - y[outside]))


def _peak(x: Floats, y: Floats, i: int) -> float:
    """Place of the maximum of the parabola through the points beside ``i``."""
    a, b, _ = np.polyfit(x[i - 1 : i + 2] - x[i], y[i - 1 : i + 2], 2)
    return float(x[i] if a >= 0 else x[i] - b / (2 * a))


def _logistic(x: Floats) -> Floats:
    return np.asarray(0.5 * (1 + np.tanh(x / 2)))


def _turns(labels: list[str], steps: NDArray[np.int64], words: NDArray[Any]) -> dict[str, Any]:
    said = [i for i in range(len(words)) if words[i] not in OPEN]
    turns = [(i, j) for i, j in pairwise(said) if words[i] != words[j]]
    row: dict[str, Any] = {"word_turns": len(turns)}
    if turns:
        i, j = turns[0]
        row |= {
            "word_from": words[i],
            "word_to": words[j],
            "word_after": labels[steps[i]],
            "word_before": labels[steps[j]],
        }
    return row


def _seeds(cells: Swept) -> Floats:
    if "seeds" not in cells.frame:
        return np.full(len(cells.frame), np.nan)
    return np.asarray(pd.to_numeric(cells.frame["seeds"], errors="coerce"), dtype=np.float64)
