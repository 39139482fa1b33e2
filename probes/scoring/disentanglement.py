"""Disentanglement: whether each unit (or discovered feature) encodes one concept, and each concept is in one unit.

    DCI   importance R [c, k] of code i for predicting factor j
          D_i = 1 - H(R_i. / sum_j R_ij) / log k      averaged over codes, weighted by their part of all importance
          C_j = 1 - H(R_.j / sum_i R_ij) / log c      averaged over factors
          I_j = R2 on held-out rows                                       (Eastwood & Williams 2018)
    MIG   (largest - second largest) mutual information of a code with factor j, / H(factor j)     (Chen et al. 2018)

D and C depend on how R is estimated, so the estimator is part of the result: of three copies of a factor the lasso
(absolute weights on standardised codes) uses one, while a forest (impurity importance) spreads over all. Nor do they
mean anything for codes that do not predict the factors: a lasso on noise gives D about .4 with R2 below 0. So a factor
counts only when its R2 is above .01 and above that of every shuffle of any factor; when no factor does, D and C are NaN
with the reason in ``why``. Scores of rotated codes vary: over 20 random rotations of five uniform factors, D was .07 to
.25 with the lasso and .21 to .52 with the forest.

Deviations from the sources: (1) R2 and importances are averaged over two halves of the groups, each fitted on one and
scored on the other; (2) MIG uses bins of equal count, which makes it invariant to monotone changes of scale, and the
plug-in estimate, whose bias of about (bins - 1)^2 / 2n is the same for every code.

Letters: n rows, c codes, k factors, B bins.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import Lasso
from torch import Tensor

from imprint.models.errors import ImprintError, NotMeasurableError, unknown_name
from imprint.probes.samples.concept_columns import ConceptColumns, Floats, concept_columns
from imprint.probes.samples.controls import Ints, compact_groups, folds_of

PENALTY = 0.02
"""Penalty of the lasso on standardised codes and factors, as in the code of the source."""
LEAST = 0.01
"""Held-out R2 up to which a factor counts as not predicted by the codes."""
TREES, LEAF = 20, 5
"""Number of trees of the forest, and smallest number of rows in a leaf."""


@dataclass(frozen=True)
class DCI:
    """Disentanglement, completeness and informativeness."""

    disentanglement: float
    """D, 0..1; NaN when fewer than two factors are predicted by the codes."""
    completeness: float
    """C, 0..1; NaN when no factor is predicted by the codes, or there is only one code."""
    informativeness: Floats
    """I, ``[k]`` R2 on held-out rows."""
    floor: Floats
    """``[k]`` largest R2 over shuffles of the factor."""
    importance: Floats
    """``[c, k]`` R with columns that sum to 1; zero columns for factors that are not predicted."""
    why: str
    """Why a score is NaN; empty otherwise."""


@dataclass(frozen=True)
class Gap:
    """Difference between the best and the second best code for a factor."""

    score: float
    """Mean gap over factors, 0..1."""
    gaps: Floats
    """``[k]`` gap of each factor."""
    strength: Floats
    """``[c, k]`` how well each code alone predicts each factor, 0..1."""
    floor: float
    """Mean gap under shuffled labels."""


def dci(
    codes: Tensor,
    factors: pd.DataFrame,
    *,
    estimator: str = "lasso",
    groups: object = None,
    shuffles: int = 9,
    rng: np.random.Generator,
) -> DCI:
    """DCI of codes ``[n, c]`` for the factors (n rows; float columns are numbers, all others classes).

    Factors should be independent (as in a world's balanced design); otherwise a code for one is important for another,
    too. Raises :class:`NotMeasurableError` when a factor never varies, or codes are not finite.
    """
    if estimator not in ("lasso", "forest"):
        raise unknown_name("importance estimator", estimator, ("lasso", "forest"))
    x, concepts, group_of = _checked(codes, factors, groups)
    fold, model = folds_of(group_of, 2, rng), partial(_model, estimator, rng)
    importance = np.zeros((x.shape[1], len(concepts)))
    informed, floor = np.zeros(len(concepts)), np.zeros(len(concepts))
    for j, concept in enumerate(concepts):
        importance[:, j], informed[j] = _fitted(x, concept.columns, fold, model)
        shuffled = concept.shuffles(group_of, max(shuffles, 1), rng)
        floor[j] = max(_fitted(x, columns, fold, model)[1] for columns in shuffled)
    predicted = informed > max(float(floor.max()), LEAST)
    total = importance.sum(0)
    shares = np.where(predicted, importance / np.where(total > 0, total, 1.0), 0.0)
    return DCI(*_scores(shares, predicted), informed, floor, shares, _reason(predicted, x.shape[1]))


def mutual_information_gap(
    codes: Tensor,
    factors: pd.DataFrame,
    *,
    bins: int = 20,
    groups: object = None,
    shuffles: int = 5,
    rng: np.random.Generator,
) -> Gap:
    """MIG of codes ``[n, c]``; strengths are mutual information divided by the factor's entropy."""
    x, concepts, group_of = _checked(codes, factors, groups)
    if bins < 2:
        raise ImprintError(f"bins is {bins}; expected 2 or more.")
    if x.shape[1] < 2:
        raise NotMeasurableError(f"{x.shape[1]} code; a gap needs at least two")
    binned = np.stack([_binned(column, bins) for column in x.T])
    real = np.stack([_information(binned, _classes(c.columns, bins)) for c in concepts], axis=1)
    null = [
        [_information(binned, _classes(columns, bins)) for columns in c.shuffles(group_of, max(shuffles, 1), rng)]
        for c in concepts
    ]
    first, second = -np.sort(-real, axis=0)[:2]
    ranked = -np.sort(-np.array(null), axis=-1)
    gaps = first - second
    return Gap(float(gaps.mean()), gaps, real, float((ranked[..., 0] - ranked[..., 1]).mean()))


def _checked(codes: Tensor, factors: pd.DataFrame, groups: object) -> tuple[Floats, list[ConceptColumns], Ints]:
    """Standardised codes (zero where constant), factors and groups; raises when they do not fit together."""
    if codes.dim() != 2 or len(codes) != len(factors):
        raise ImprintError(f"codes are {list(codes.shape)} for {len(factors)} rows of factors; expected [n, c].")
    x = codes.detach().double().cpu().numpy()
    if not np.isfinite(x).all():
        raise NotMeasurableError("codes hold NaN or infinite values")
    spread = x.std(0)
    flat = spread <= 1e-9 * np.abs(x).max(0, initial=0.0)
    x = np.where(flat, 0.0, (x - x.mean(0)) / np.where(flat, 1.0, spread))
    return x, [concept_columns(factors[name], str(name)) for name in factors.columns], compact_groups(groups, len(x))


def _fitted(x: Floats, y: Floats, fold: Ints, model: Callable[[], Any]) -> tuple[Floats, float]:
    """Importance ``[c]`` and held-out R2 of columns ``y`` ``[n, C]``, averaged over the two halves ``fold``."""
    importance, error, spread = np.zeros(x.shape[1]), 0.0, 0.0
    y = (y - y.mean(0)) / np.sqrt(y.var(0).mean())
    for half in range(2):
        train, test = fold != half, fold == half
        fitted = model().fit(x[train], y[train] if y.shape[1] > 1 else y[train, 0])
        lasso = isinstance(fitted, Lasso)
        weight = np.abs(np.atleast_2d(fitted.coef_)).mean(0) if lasso else fitted.feature_importances_
        importance += weight / 2
        error += float(np.square(y[test] - fitted.predict(x[test]).reshape(y[test].shape)).sum())
        spread += float(np.square(y[test] - y[test].mean(0)).sum())
    return importance, 1 - error / spread


def _model(estimator: str, rng: np.random.Generator) -> Any:
    if estimator == "lasso":
        return Lasso(PENALTY, max_iter=10_000)
    return RandomForestRegressor(TREES, min_samples_leaf=LEAF, random_state=int(rng.integers(2**31)))


def _scores(shares: Floats, predicted: NDArray[np.bool_]) -> tuple[float, float]:
    """Disentanglement and completeness over the predicted factors (bool ``[k]``)."""
    table = shares[:, predicted]
    c, k = table.shape
    missing = float("nan")
    weight = table.sum(1)
    of_code = 1 - _entropy(table / np.where(weight > 0, weight, 1.0)[:, None], axis=1) / np.log(k) if k > 1 else None
    disentanglement = missing if of_code is None else float((of_code * weight).sum() / weight.sum())
    completeness = float((1 - _entropy(table, axis=0) / np.log(c)).mean()) if k and c > 1 else missing
    return disentanglement, completeness


def _reason(predicted: NDArray[np.bool_], codes: int) -> str:
    if not predicted.any():
        return "no factor is predicted from the codes better than shuffled labels are"
    if predicted.sum() == 1:
        return "only one factor is predicted by the codes, so disentanglement is not defined"
    return "one code only, so completeness is not defined" if codes == 1 else ""


def _entropy(p: Floats, axis: int) -> Floats:
    """Entropy in nats, with 0 log 0 = 0."""
    return np.asarray(-(p * np.log(np.where(p > 0, p, 1.0))).sum(axis))


def _binned(values: Floats, bins: int) -> Ints:
    """Bin 0..B-1 of each value; bins have equal counts, but equal values share a bin."""
    edges = np.unique(np.quantile(values, np.arange(1, bins) / bins))
    return np.asarray(np.searchsorted(edges, values, side="right"))


def _classes(columns: Floats, bins: int) -> Ints:
    """Class codes ``[n]`` of a factor's columns; numbers are binned."""
    return _binned(columns[:, 0], bins) if columns.shape[1] == 1 else columns.argmax(1)


def _information(binned: Ints, classes: Ints) -> Floats:
    """Mutual information ``[c]`` of binned codes ``[c, n]`` with classes ``[n]``, divided by the classes' entropy."""
    c, n = binned.shape
    wide, deep = int(binned.max()) + 1, int(classes.max()) + 1
    cell = (np.arange(c)[:, None] * wide + binned) * deep + classes
    joint = np.bincount(cell.ravel(), minlength=c * wide * deep).reshape(c, wide, deep) / n
    both = _entropy(joint.reshape(c, -1), axis=1)
    of_class = _entropy(joint[0].sum(0), axis=0)
    return np.asarray((_entropy(joint.sum(2), axis=1) + of_class - both) / of_class)
