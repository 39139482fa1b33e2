"""Forecast a yes or no about each of many members from a description of it, and be judged on held-out members.

Members are dealt into folds; a forecaster is fitted on all folds but one and applied to that one, so that every member
is held out once. Forecasters:

    base rate         the commoner answer among the fitted members of the same stratum
    any description   logistic regression (L2, standardised columns) on the description and the stratum

Two forecasters are compared on the same members: difference of accuracy with a bootstrap interval over members, and the
exact test on those where exactly one is right (McNemar 1947).

Letters: n members, p columns.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from imprint.analyses.statistics import Estimate
from imprint.models.errors import NotMeasurableError

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Comparison:
    """One forecaster minus another, on the same members."""

    difference: Estimate
    """Of accuracy; ``n`` counts members."""
    p_value: float
    """Two-sided, exact."""


def folds_over(answer: Bools, folds: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Fold of every member ``[n]``, stratified by answer.

    Raises :class:`NotMeasurableError` when an answer has fewer members than there are folds.
    """
    rare = min(int(answer.sum()), int((~answer).sum()))
    if rare < folds:
        raise NotMeasurableError(f"only {rare} of {len(answer)} members have the rarer answer; {folds} folds need more")
    out = np.empty(len(answer), dtype=np.int64)
    split = StratifiedKFold(folds, shuffle=True, random_state=int(rng.integers(2**31)))
    for fold, (_, held) in enumerate(split.split(np.zeros((len(answer), 1)), answer)):
        out[held] = fold
    return out


def base_rate(answer: Bools, stratum: NDArray[np.float64], fold: NDArray[np.int64]) -> Bools:
    """Forecasts ``[n]``: the commoner answer of the other folds, in the member's stratum where that has any."""
    out = np.zeros(len(answer), dtype=bool)
    for i in range(len(answer)):
        fitted = fold != fold[i]
        own = fitted & (stratum == stratum[i])
        out[i] = answer[own if own.any() else fitted].mean() > 0.5
    return out


def described(description: pd.DataFrame, answer: Bools, fold: NDArray[np.int64]) -> Bools:
    """Forecasts ``[n]`` by logistic regression on ``description`` (n rows, p columns of numbers).

    Raises :class:`NotMeasurableError` for missing values.
    """
    x = description.to_numpy(dtype=np.float64)
    if not np.isfinite(x).all():
        bad = description.columns[~np.isfinite(x).all(0)][0]
        raise NotMeasurableError(f"{bad!r} is missing for some members, so nothing can be forecast from it")
    out = np.zeros(len(answer), dtype=bool)
    for k in np.unique(fold):
        model = make_pipeline(StandardScaler(), LogisticRegression(C=1.0, max_iter=2000))
        out[fold == k] = model.fit(x[fold != k], answer[fold != k]).predict(x[fold == k])
    return out


def compared(one: Bools, other: Bools, answer: Bools, *, resamples: int, rng: np.random.Generator) -> Comparison:
    """Accuracy of forecasts ``one`` minus that of ``other``, all ``[n]``; ``resamples``: of members."""
    gain = (one == answer).astype(float) - (other == answer).astype(float)
    draws = gain[rng.integers(0, len(gain), size=(resamples, len(gain)))].mean(1)
    low, high = np.quantile(draws, [0.025, 0.975])
    wins, losses = int((gain > 0).sum()), int((gain < 0).sum())
    p = float(stats.binomtest(wins, wins + losses).pvalue) if wins + losses else 1.0
    return Comparison(Estimate(float(gain.mean()), float(low), float(high), len(gain)), p)
