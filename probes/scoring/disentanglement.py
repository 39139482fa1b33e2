"""Disentanglement: does each unit (or discovered feature) stand for one concept, and each concept sit in one unit?

    DCI   importance R [c, k] of code i for predicting factor j
          D_i = 1 - H(R_i. / sum_j R_ij) / log k      averaged over codes by their share of all importance
          C_j = 1 - H(R_.j / sum_i R_ij) / log c      averaged over factors
          I_j = R2 on held-out rows                                       (Eastwood & Williams 2018)
    MIG   (largest - second largest) mutual information of a code with factor j, / H(factor j)     (Chen et al. 2018)
    SAP   (largest - second largest) R2 of factor j from one code alone                           (Kumar et al. 2018)

D and C depend on where R comes from, so the estimator is part of the result: the lasso (absolute weights on
standardised codes) says that three copies of a factor are one, a forest (impurity importance) spreads over them. They
say nothing about codes that do not know the factors: a lasso on noise gives D about .4 with R2 below 0. Here a factor
counts only when its R2 is above .01 and above that of every shuffle of any factor; when none does, D and C are NaN and
``why`` says so. A rotation of the codes is not one number: over 20 random rotations of five uniform factors D went from
.07 to .25 with the lasso and from .21 to .52 with the forest.

Deviations from the sources: R2 and importances are averaged over two halves of the groups, each fitted on one and
scored on the other. MIG uses bins of equal count, which ignore any monotone change of scale, and the plug-in estimate,
which is too large by about (bins - 1)^2 / 2n for every code alike. SAP uses R2 for classes too (of their 0/1 columns
together) where the source fits classifiers.

Letters: n rows, c codes, k factors, B bins.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import Lasso
from torch import Tensor

from imprint.models.errors import ImprintError, NotMeasurableError, unknown_name
from imprint.probes.samples.concept_columns import ConceptColumns, concept_columns
from imprint.probes.samples.controls import Ints, compact_groups, folds_of, shuffled

Floats = NDArray[np.float64]
PENALTY = 0.02
"""Of the lasso on standardised codes and factors, as in the source's own code."""
LEAST = 0.01
"""A factor of which less than this part is predicted is not known to the codes."""
TREES, LEAF = 20, 5
"""Size of the forest, and the fewest rows in a leaf."""


@dataclass(frozen=True)
class DCI:
    """Disentanglement, completeness and informativeness, with their estimator named."""

    estimator: str
    """``lasso`` or ``forest``."""
    disentanglement: float
    """0..1; NaN when fewer than two factors are known to the codes."""
    completeness: float
    """0..1; NaN when no factor is known to the codes, or there is one code only."""
    informativeness: Floats
    """``[k]`` R2 on held-out rows."""
    floor: Floats
    """``[k]`` largest R2 of the factor's shuffles."""
    importance: Floats
    """``[c, k]`` shares of each factor's importance; zero columns for factors that are not known."""
    why: str
    """Why something is NaN; empty otherwise."""


@dataclass(frozen=True)
class Gap:
    """How far the best code for a factor is ahead of the second best."""

    score: float
    """Mean gap over factors, 0..1."""
    gaps: Floats
    """``[k]``"""
    strength: Floats
    """``[c, k]`` what every code alone knows of every factor, 0..1."""
    floor: float
    """Mean gap after shuffling the labels: what an unrelated code gets."""


def dci(
    codes: Tensor,
    factors: pd.DataFrame,
    *,
    estimator: str = "lasso",
    groups: object | None = None,
    shuffles: int = 9,
    rng: np.random.Generator,
) -> DCI:
    """DCI of codes ``[n, c]`` for the factors (n rows; float columns are numbers, all others classes).

    Raises :class:`NotMeasurableError` when a factor never varies, or codes are not finite. Factors should be
    independent of one another (a world's balanced design); otherwise a code for one is important for the other too.
    """
    if estimator not in ("lasso", "forest"):
        raise unknown_name("importance estimator", estimator, ("lasso", "forest"))
    x, concepts, group_of = _checked(codes, factors, groups)
    fold = folds_of(group_of, 2, rng)
    importance = np.zeros((x.shape[1], len(concepts)))
    informed, floor = np.zeros(len(concepts)), np.zeros(len(concepts))
    for j, concept in enumerate(concepts):
        importance[:, j], informed[j] = _fitted(x, concept.columns, fold, estimator, rng)
        copies = _shuffles(concept, group_of, shuffles, rng)
        floor[j] = max(_fitted(x, columns, fold, estimator, rng)[1] for columns in copies)
    known = informed > max(float(floor.max()), LEAST)
    total = importance.sum(0)
    shares = np.where(known, importance / np.where(total > 0, total, 1.0), 0.0)
    return DCI(estimator, *_scores(shares, known), informed, floor, shares, _reason(known, x.shape[1]))


def mutual_information_gap(
    codes: Tensor,
    factors: pd.DataFrame,
    *,
    bins: int = 20,
    groups: object | None = None,
    shuffles: int = 5,
    rng: np.random.Generator,
) -> Gap:
    """MIG of codes ``[n, c]``; strengths are mutual information as a part of the factor's entropy."""
    x, concepts, group_of = _checked(codes, factors, groups)
    if bins < 2:
        raise ImprintError(f"bins is {bins}; expected 2 or more.")
    binned = np.stack([_binned(column, bins) for column in x.T])
    real = np.stack([_information(binned, _classes(c.columns, bins)) for c in concepts], axis=1)
    null = [
        [_information(binned, _classes(columns, bins)) for columns in _shuffles(c, group_of, shuffles, rng)]
        for c in concepts
    ]
    return _gap(real, np.array(null))


def separated_attribute_predictability(
    codes: Tensor,
    factors: pd.DataFrame,
    *,
    groups: object | None = None,
    shuffles: int = 5,
    rng: np.random.Generator,
) -> Gap:
    """SAP of codes ``[n, c]``; strengths are the R2 of a straight line through one code."""
    x, concepts, group_of = _checked(codes, factors, groups)
    real = np.stack([_explained(x, c.columns) for c in concepts], axis=1)
    null = [[_explained(x, columns) for columns in _shuffles(c, group_of, shuffles, rng)] for c in concepts]
    return _gap(real, np.array(null))


def _checked(codes: Tensor, factors: pd.DataFrame, groups: object | None) -> tuple[Floats, list[ConceptColumns], Ints]:
    """Standardised codes (constant ones zero), factors and groups."""
    if codes.dim() != 2 or len(codes) != len(factors):
        raise ImprintError(f"codes are {list(codes.shape)} for {len(factors)} rows of factors; expected [n, c].")
    x = codes.detach().double().cpu().numpy()
    if not np.isfinite(x).all():
        raise NotMeasurableError("codes hold NaN or infinite values")
    spread = x.std(0)
    flat = spread <= 1e-9 * np.abs(x).max(0, initial=0.0)
    x = np.where(flat, 0.0, (x - x.mean(0)) / np.where(flat, 1.0, spread))
    return x, [concept_columns(factors[name], str(name)) for name in factors.columns], compact_groups(groups, len(x))


def _shuffles(concept: ConceptColumns, groups: Ints, count: int, rng: np.random.Generator) -> list[Floats]:
    """The concept's columns after each of ``count`` shuffles."""
    labels = concept.columns[:, 0] if concept.regression else concept.columns.argmax(1)
    copies = shuffled(labels, groups, max(count, 1), rng).T
    return [copy[:, None].astype(np.float64) if concept.regression else concept.one_hot(copy) for copy in copies]


def _fitted(x: Floats, y: Floats, fold: Ints, estimator: str, rng: np.random.Generator) -> tuple[Floats, float]:
    """Importance ``[c]`` and held-out R2 of columns ``y``, averaged over the two halves."""
    importance, left, spread = np.zeros(x.shape[1]), 0.0, 0.0
    y = (y - y.mean(0)) / np.sqrt(y.var(0).mean())
    for half in range(2):
        train, test = fold != half, fold == half
        model = _model(estimator, rng).fit(x[train], y[train] if y.shape[1] > 1 else y[train, 0])
        weight = np.abs(np.atleast_2d(model.coef_)).mean(0) if estimator == "lasso" else model.feature_importances_
        importance += weight / 2
        left += float(np.square(y[test] - model.predict(x[test]).reshape(y[test].shape)).sum())
        spread += float(np.square(y[test] - y[test].mean(0)).sum())
    return importance, 1 - left / spread


def _model(estimator: str, rng: np.random.Generator) -> Any:
    if estimator == "lasso":
        return Lasso(PENALTY, max_iter=10_000)
    return RandomForestRegressor(TREES, min_samples_leaf=LEAF, random_state=int(rng.integers(2**31)))


def _scores(shares: Floats, known: NDArray[np.bool_]) -> tuple[float, float]:
    """Disentanglement and completeness over the factors that are known."""
    table = shares[:, known]
    c, k = table.shape
    missing = float("nan")
    weight = table.sum(1)
    of_code = 1 - _entropy(table / np.where(weight > 0, weight, 1.0)[:, None], axis=1) / np.log(k) if k > 1 else None
    disentanglement = missing if of_code is None else float((of_code * weight).sum() / weight.sum())
    completeness = float((1 - _entropy(table, axis=0) / np.log(c)).mean()) if k and c > 1 else missing
    return disentanglement, completeness


def _reason(known: NDArray[np.bool_], codes: int) -> str:
    if not known.any():
        return "no factor is predicted from the codes better than shuffled labels are"
    if known.sum() == 1:
        return "only one factor is known to the codes, so disentanglement is not defined"
    return "one code only, so completeness is not defined" if codes == 1 else ""


def _entropy(p: Floats, axis: int) -> Floats:
    """In nats; 0 log 0 = 0."""
    return np.asarray(-(p * np.log(np.where(p > 0, p, 1.0))).sum(axis))


def _binned(values: Floats, bins: int) -> Ints:
    """Bin 0..B-1 of each value; bins of equal count, equal values together."""
    edges = np.unique(np.quantile(values, np.arange(1, bins) / bins))
    return np.asarray(np.searchsorted(edges, values, side="right"))


def _classes(columns: Floats, bins: int) -> Ints:
    return _binned(columns[:, 0], bins) if columns.shape[1] == 1 else columns.argmax(1)


def _information(binned: Ints, classes: Ints) -> Floats:
    """Mutual information ``[c]`` of binned codes ``[c, n]`` with classes ``[n]``, as a part of the classes' entropy."""
    c, n = binned.shape
    wide, deep = int(binned.max()) + 1, int(classes.max()) + 1
    cell = (np.arange(c)[:, None] * wide + binned) * deep + classes
    joint = np.bincount(cell.ravel(), minlength=c * wide * deep).reshape(c, wide, deep) / n
    both = _entropy(joint.reshape(c, -1), axis=1)
    of_class = _entropy(joint[0].sum(0), axis=0)
    return np.asarray((_entropy(joint.sum(2), axis=1) + of_class - both) / of_class)


def _explained(x: Floats, y: Floats) -> Floats:
    """R2 ``[c]`` of columns ``y`` ``[n, C]`` from each standardised code alone."""
    y = y - y.mean(0)
    return np.asarray(np.square(x.T @ y / len(y)).sum(1) / np.square(y).mean(0).sum())


def _gap(real: Floats, null: Floats) -> Gap:
    """From strengths ``[c, k]`` and those of shuffles ``[k, shuffles, c]``."""
    if len(real) < 2:
        raise NotMeasurableError(f"{len(real)} code; a gap needs at least two")
    first, second = -np.sort(-real, axis=0)[:2]
    ranked = -np.sort(-null, axis=-1)
    gaps = first - second
    return Gap(float(gaps.mean()), gaps, real, float((ranked[..., 0] - ranked[..., 1]).mean()))
