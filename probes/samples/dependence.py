"""Dependent rows: do the labels of neighbouring rows help to predict one another?

Folds of neighbouring rows are compared with random folds by the out-of-fold error of ridge regression on the
standardised units, rotated to at most :data:`WIDTH` principal components, with the better of two fixed penalties. Fold
assignments are permuted within classes (within tenths of a number), so that rows sorted by label are not dependent.

The components are those of the rows and serve all labels. Many labels are first compared with random folds that they
share (:meth:`Dependence.screened`), which costs hardly more than one label does: those that are as well predicted from
neighbours as from random folds, nearly all clean ones, need no permutations of their own.

Letters: n rows, D components, Q target columns, K folds, J random folds, C labels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np
from scipy import linalg

from imprint.probes.samples.concept_columns import ConceptColumns, Floats
from imprint.probes.samples.controls import Ints, principal_inputs
from imprint.probes.samples.intervals import t_above

FOLDS = 5
WIDTH = 128
"""Principal components on which prediction errors are compared."""
PENALTIES = (1e-2, 1.0)
"""Ridge penalties in units of the mean squared length of a unit; the smaller of the two errors counts."""
PERMUTATIONS = 99
"""Permutations per test. Smaller p-values than they can show are those of Student's t, which the errors follow."""
CONFIRMING = 2000
"""Most permutations that confirm what Student's t finds: the tail of the errors is somewhat heavier than its."""
FAR = 10.0
"""A shared p-value this many times the level is no leak; one below the level by its square is one."""
MANY = 16
"""Labels from which they are screened together first."""


def permutation_p(observed: float, permuted: Callable[[], float], alpha: float) -> float:
    """One-sided p-value of ``observed`` among permuted values; above ``alpha`` as soon as it cannot be smaller."""
    drawn: list[float] = []
    as_large = 1
    most = max(PERMUTATIONS, int(np.ceil(2 / alpha))) if alpha > 1 / PERMUTATIONS else PERMUTATIONS
    for _ in range(most):
        drawn.append(permuted())
        as_large += drawn[-1] >= observed
        if as_large > max(alpha * (most + 1), 2.0):
            return 1.0
    if alpha * (most + 1) >= 1:
        return as_large / (most + 1)
    if (p := beyond(observed, np.array(drawn))) >= alpha:
        return p
    count = min(CONFIRMING, int(np.ceil(2 / alpha)))
    while len(drawn) < count:
        drawn.append(permuted())
        as_large += drawn[-1] >= observed
        if as_large > max(alpha * (count + 1), 2.0):
            return as_large / (len(drawn) + 1)
    return as_large / (count + 1) if alpha * (count + 1) >= 1 else beyond(observed, np.array(drawn))


def beyond(observed: float, drawn: Floats) -> float:
    """One-sided p-value of one more draw from the distribution of ``drawn`` ``[J]``, by Student's t."""
    error = float(drawn.std(ddof=1)) * np.sqrt(1 + 1 / len(drawn))
    if error <= 0:
        return 1.0 if observed <= drawn.mean() else 1 / (len(drawn) + 1)
    return t_above((observed - drawn.mean()) / error, len(drawn) - 1)


class Dependence:
    """Rows ``[n, units]`` in the order in which they were recorded."""

    def __init__(self, rows: Floats) -> None:
        self._rows = rows

    @cached_property
    def components(self) -> Floats:
        """Standardised units, rotated to at most :data:`WIDTH` principal components."""
        rows = self._rows
        spread, mean = rows.std(0), rows.mean(0)
        vary = spread > 1e-9 * np.abs(rows).max(0)
        if not vary.any():
            return np.zeros((len(rows), 1))
        standardised = ((rows[:, vary] - mean[vary]) / spread[vary]).astype(np.float32)
        return principal_inputs(standardised, WIDTH).astype(np.float64)

    def p_value(self, label: ConceptColumns, alpha: float, rng: np.random.Generator) -> float:
        """Probability of as much in independent rows; 1 as soon as it cannot be as small as ``alpha``."""
        if len(self._rows) < 4 * FOLDS:
            return 1.0
        y, strata = _centred(label), _strata(label)
        fold = _blocks(strata)
        return permutation_p(
            self._errors(fold, [y])[0], lambda: self._errors(_permuted(fold, strata, rng), [y])[0], alpha
        )

    def screened(self, labels: Sequence[ConceptColumns], alpha: float, rng: np.random.Generator) -> list[float | None]:
        """p-values of many labels among :data:`PERMUTATIONS` random folds that they share; None where that is open.

        1 for a label that random folds predict as badly, or that is far from ``alpha``; a label far beyond ``alpha``
        has the p-value of Student's t.
        """
        if len(self._rows) < 4 * FOLDS:
            return [1.0] * len(labels)
        columns = [_centred(label) for label in labels]
        blocks = [_blocks(_strata(label)) for label in labels]
        observed = np.array([self._errors(fold, [y])[0] for fold, y in zip(blocks, columns, strict=True)])
        drawn = np.full((PERMUTATIONS, len(labels)), np.nan)
        for shared in drawn:
            open_ = np.flatnonzero((drawn >= observed).sum(0) < 2)
            if not len(open_):
                break
            fold = rng.permutation(len(self._rows)) % FOLDS
            shared[open_] = self._errors(fold, [columns[i] for i in open_])
        answers: list[float | None] = []
        for own, error, as_bad in zip(drawn.T, observed, (drawn >= observed).sum(0), strict=True):
            p = 1.0 if as_bad >= 2 else beyond(float(error), own)
            answers.append(1.0 if p > FAR * alpha else p if p < alpha / FAR**2 else None)
        return answers

    def _errors(self, fold: Ints, targets: Sequence[Floats]) -> Floats:
        """Out-of-fold squared error of each target ``[n, Q]``, summed over rows and columns; the better penalty's."""
        order = np.argsort(fold, kind="stable")
        ends = np.cumsum(np.bincount(fold, minlength=FOLDS))[:-1]
        of_fold = [np.split(array[order], ends) for array in (self.components, np.hstack(targets))]
        parts = list(zip(*of_fold, strict=True))
        gram, cross = np.stack([a.T @ a for a, _ in parts]), np.stack([a.T @ b for a, b in parts])
        train, others = gram.sum(0) - gram, cross.sum(0) - cross
        first = np.cumsum([0, *(target.shape[1] for target in targets[:-1])])
        errors = np.zeros((len(PENALTIES), others.shape[2]))
        for (a, b), own, right in zip(parts, train, others, strict=True):
            size = max(float(own.diagonal().mean()), 1e-300)
            for i, penalty in enumerate(PENALTIES):
                damped = own.copy()
                damped.flat[:: len(damped) + 1] += penalty * size
                weights = linalg.lapack.dposv(damped, right, lower=1, overwrite_a=1)[1]
                errors[i] += np.square(b - a @ weights).sum(0)
        least: Floats = np.add.reduceat(errors, first, axis=1).min(0)
        return least


def _centred(label: ConceptColumns) -> Floats:
    """Centred target columns ``[n, Q]``, one of two classes."""
    y: Floats = label.columns - label.columns.mean(0)
    return y[:, 1:] if len(label.classes) == 2 else y


def _strata(label: ConceptColumns) -> Ints:
    """Class of each row; for numbers the tenth (0..9) in which it ranks."""
    if label.classes:
        return np.asarray(label.columns.argmax(1), dtype=np.int64)
    ranks = label.columns[:, 0].argsort(kind="stable").argsort(kind="stable")
    return np.asarray(ranks * 10 // len(ranks), dtype=np.int64)


def _blocks(strata: Ints) -> Ints:
    """Folds of neighbouring rows: the rows of every stratum, in order, cut into one stretch per fold."""
    order = np.argsort(strata, kind="stable")
    sizes = np.bincount(strata)
    place = np.empty(len(strata), dtype=np.int64)
    place[order] = np.arange(len(strata)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return np.asarray(place * FOLDS // sizes[strata])


def _permuted(fold: Ints, strata: Ints, rng: np.random.Generator) -> Ints:
    """Fold assignments permuted within every stratum."""
    by_stratum = np.argsort(strata, kind="stable")
    random = np.lexsort((rng.random(len(strata)), strata))
    permuted = np.empty_like(fold)
    permuted[random] = fold[by_stratum]
    return permuted
