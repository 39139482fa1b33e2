"""Leaks: properties of a data set that make a decodability score too good, whatever the probe.

Each kind has its own test, which reports a leak in clean data with a rate of at most ``alpha``:

    duplicates            rows with exactly the same activations lie in different groups (without groups: occur twice)
    shared groups         two groups hold mostly the same rows: one recording under two names
    dependent rows        only without groups: folds of neighbouring rows predict the label worse than random folds do
    label follows group   the label is (almost) the same in all rows of a group, so the sample is groups, not rows
    unit is label         one unit takes one value per class, or is a linear function of the number

``dependent rows`` and ``label follows group`` are permutation tests with p = (1 + permutations at least as extreme) /
(1 + permutations); permuting ends as soon as p can no longer be as small as ``alpha``, so clean data are cheap.
``dependent rows`` permutes fold assignments within classes (within tenths of a number), so that rows sorted by label
are no leak; its prediction error is that of ridge regression on the standardised units, rotated to at most
:data:`WIDTH` principal components, with the better of two fixed penalties.

Letters: n rows, D width, Q target columns, G groups, K folds, V distinct rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse, special
from torch import Tensor

from imprint.models.errors import ImprintError, NotMeasurableError
from imprint.probes.samples.concept_columns import ConceptColumns, Floats, concept_columns
from imprint.probes.samples.controls import Ints, compact_groups, constant_within, principal_inputs, type_ids

KINDS = ("duplicates", "shared groups", "dependent rows", "label follows group", "unit is label")
FOLDS = 5
"""Folds in which ``dependent rows`` predicts the label."""
WIDTH = 128
"""Principal components on which prediction errors are compared."""
PENALTIES = (1e-2, 1.0)
"""Ridge penalties in units of the mean squared length of a unit; the smaller of the two errors counts."""
PERMUTATIONS = 99
"""Permutations per test; more when ``alpha`` is too small for so few."""
ALIKE = 0.5
"""Groups share their rows when more than this part of the smaller one's distinct rows is in the other."""
COMMON = 20
"""A row that occurs in more groups than this is common, and no evidence that two of them are the same recording."""
FOLLOWS = 0.8
"""Intraclass correlation of the label from which it counts as a function of the group."""
EXACT = 1e-6
"""Part of a unit's variance that the label may leave unexplained (rounding)."""


@dataclass(frozen=True)
class Leak:
    """One leak that was detected."""

    kind: str
    """One of :data:`KINDS`."""
    why: str
    """What was found, and what to do about it."""
    rows: Ints
    """Numbers of the rows involved, ascending."""
    p_value: float
    """Probability of as much in data without a leak; 0 for duplicates and shared groups, which are exact matches."""


def find_leaks(
    x: Any, labels: Any, *, groups: Any = None, alpha: float = 0.05, rng: np.random.Generator
) -> tuple[Leak, ...]:
    """Leaks in activations ``x`` ``[n, D]`` with ``labels`` ``[n]``, in the order of :data:`KINDS`.

    Labels that are floats are numbers, all others classes. ``groups`` ``[n]`` are those that the analysis will be given
    (None: none), ``alpha`` is the rate of false alarms per kind.

    Raises :class:`ImprintError` for shapes that do not fit and :class:`NotMeasurableError` for values that are missing.
    """
    rows = _rows(x)
    n = len(rows)
    label = concept_columns(pd.Series(labels).reset_index(drop=True), "label")
    if len(label.columns) != n:
        raise ImprintError(f"{len(label.columns)} labels for {n} rows of activations; expected as many.")
    if not 0 < alpha < 1:
        raise ImprintError(f"alpha is {alpha}; expected a rate between 0 and 1.")
    of_row = None if groups is None else compact_groups(groups, n)
    content = type_ids(rows)
    leaks = [_duplicates(content, of_row), _shared_groups(content, of_row)]
    if of_row is None:
        leaks.append(_dependent_rows(rows, label, alpha, rng))
    else:
        leaks.append(_label_follows_group(label, of_row, alpha, rng))
    leaks.append(_unit_is_label(rows, label, of_row, alpha))
    return tuple(leak for leak in leaks if leak is not None)


def _rows(x: Any) -> Floats:
    values = x.detach().cpu().numpy() if isinstance(x, Tensor) else np.asarray(x)
    if values.ndim != 2 or 0 in values.shape:
        raise ImprintError(f"activations have shape {values.shape}; expected rows by units [n, D].")
    rows = np.ascontiguousarray(values, dtype=np.float64)
    if not np.isfinite(rows).all():
        raise NotMeasurableError("activations hold NaN or infinite values")
    return rows


def _duplicates(content: Ints, groups: Ints | None) -> Leak | None:
    """Rows whose content also occurs in another group (without groups: in another row)."""
    of_row = np.arange(len(content)) if groups is None else groups
    pairs = np.unique(np.stack([content, of_row]), axis=1)
    in_groups = np.bincount(pairs[0])
    rows = np.flatnonzero(in_groups[content] > 1)
    if not len(rows) or len(in_groups) == 1:
        return None
    where = "are equal to another row" if groups is None else "are equal to a row of another group"
    advice = "give groups= that keep equal rows together" if groups is None else "give equal rows the same group"
    why = f"{len(rows)} of {len(content)} rows {where}, so a probe is tested on what it was trained on; {advice}"
    return Leak("duplicates", why, rows, 0.0)


def _shared_groups(content: Ints, groups: Ints | None) -> Leak | None:
    """Pairs of groups that have most of their distinct rows, and at least two, in common."""
    if groups is None:
        return None
    distinct, of_group = np.unique(np.stack([content, groups]), axis=1)
    sizes = np.bincount(of_group)
    groups_with = np.bincount(distinct)[distinct]
    rare = (groups_with > 1) & (groups_with <= COMMON)
    shape = (len(sizes), int(content.max()) + 1)
    occurs = sparse.csr_array((np.ones(int(rare.sum())), (of_group[rare], distinct[rare])), shape=shape)
    both = sparse.triu(occurs @ occurs.T, k=1).tocoo()
    alike = (both.data >= 2) & (both.data > ALIKE * np.minimum(sizes[both.row], sizes[both.col]))
    if not alike.any():
        return None
    a, b = np.asarray(both.row)[alike], np.asarray(both.col)[alike]
    rows = np.flatnonzero(np.isin(groups, np.r_[a, b]))
    why = (
        f"{len(a)} pairs of groups hold mostly the same rows (first: the groups of rows "
        f"{int((groups == a[0]).argmax())} and {int((groups == b[0]).argmax())}); give such groups one name"
    )
    return Leak("shared groups", why, rows, 0.0)


def _dependent_rows(rows: Floats, label: ConceptColumns, alpha: float, rng: np.random.Generator) -> Leak | None:
    """Whether the labels of neighbouring rows help to predict one another."""
    if len(rows) < 4 * FOLDS:
        return None
    strata = _strata(label)
    x, y, fold = _reduced(rows), label.columns - label.columns.mean(0), _blocks(strata)
    y = y[:, 1:] if len(label.classes) == 2 else y
    p = _permutation_p(_error(x, y, fold), lambda: _error(x, y, _permuted(fold, strata, rng)), alpha)
    if p > alpha:
        return None
    why = "rows next to one another are not independent; give groups="
    return Leak("dependent rows", why, np.arange(len(rows)), p)


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


def _reduced(rows: Floats) -> Floats:
    """Standardised units, rotated to at most :data:`WIDTH` principal components."""
    spread = rows.std(0)
    vary = spread > 1e-9 * np.abs(rows).max(0)
    if not vary.any():
        return np.zeros((len(rows), 1))
    standardised = (rows[:, vary] - rows[:, vary].mean(0)) / spread[vary]
    return principal_inputs(standardised.astype(np.float32), WIDTH).astype(np.float64)


def _error(x: Floats, y: Floats, fold: Ints) -> float:
    """Out-of-fold squared error of ridge on centred columns, summed over rows and targets, with the better penalty."""
    parts = [(x[fold == k], y[fold == k]) for k in range(FOLDS)]
    gram, cross = np.stack([a.T @ a for a, _ in parts]), np.stack([a.T @ b for a, b in parts])
    train, eye = gram.sum(0) - gram, np.eye(x.shape[1])
    size = np.maximum(np.trace(train, axis1=1, axis2=2) / x.shape[1], 1e-300)
    errors = []
    for penalty in PENALTIES:
        weights = np.linalg.solve(train + penalty * size[:, None, None] * eye, cross.sum(0) - cross)
        errors.append(sum(float(((b - a @ w) ** 2).sum()) for (a, b), w in zip(parts, weights, strict=True)))
    return min(errors)


def _permutation_p(observed: float, permuted: Callable[[], float], alpha: float) -> float:
    """One-sided p-value of ``observed`` among permuted values; 1 as soon as p cannot be as small as ``alpha``."""
    most = max(PERMUTATIONS, int(np.ceil(2 / alpha)))
    as_large = 1
    for _ in range(most):
        as_large += permuted() >= observed
        if as_large > alpha * (most + 1):
            return 1.0
    return as_large / (most + 1)


def _label_follows_group(label: ConceptColumns, groups: Ints, alpha: float, rng: np.random.Generator) -> Leak | None:
    """Whether the group determines the label, by the intraclass correlation of the label's columns."""
    size, n = int(groups.max()) + 1, len(groups)
    if not 1 < size < n:
        return None
    correlation = _intraclass(label.columns, groups)
    if correlation < FOLLOWS:
        return None
    p = _permutation_p(correlation, lambda: _intraclass(label.columns[rng.permutation(n)], groups), alpha)
    if p > alpha:
        return None
    always = "the same" if correlation > 1 - EXACT else "almost the same"
    why = (
        f"the label is {always} in all rows of a group (intraclass correlation {correlation:.2f}): the sample is "
        f"{size} groups, not {n} rows; shuffle labels among groups, and add groups rather than rows"
    )
    return Leak("label follows group", why, np.arange(n), p)


def _intraclass(columns: Floats, groups: Ints) -> float:
    """ICC(1) of a one-way analysis of variance (Shrout & Fleiss 1979), summed over columns; groups of any size."""
    sizes = np.bincount(groups).astype(np.float64)
    g, n = len(sizes), len(groups)
    means = np.stack([np.bincount(groups, weights=c) for c in columns.T], axis=1) / sizes[:, None]
    between = float((sizes[:, None] * (means - columns.mean(0)) ** 2).sum()) / (g - 1)
    within = float(((columns - means[groups]) ** 2).sum()) / (n - g)
    typical_size = (n - float((sizes**2).sum()) / n) / (g - 1)
    total = between + (typical_size - 1) * within
    return (between - within) / total if total > 0 else 0.0


def _unit_is_label(rows: Floats, label: ConceptColumns, groups: Ints | None, alpha: float) -> Leak | None:
    """A unit whose variance the label explains up to rounding."""
    centred = rows - rows.mean(0)
    total = (centred**2).sum(0)
    if label.classes:
        means = (label.columns.T @ centred) / label.columns.sum(0)[:, None]
        unexplained = ((centred - label.columns @ means) ** 2).sum(0)
        apart = np.diff(np.sort(means, axis=0), axis=0).min(0) > 0.01 * centred.std(0)
    else:
        y = label.columns - label.columns.mean(0)
        unexplained = ((centred - y * (y.T @ centred) / (y**2).sum()) ** 2).sum(0)
        apart = np.ones(rows.shape[1], dtype=bool)
    flat = total <= 1e-12 * (rows**2).sum(0)
    equal = ~flat & (unexplained <= EXACT * total) & apart
    p = _chance_of_equality(label, groups) * rows.shape[1]
    if not equal.any() or p > alpha:
        return None
    units = ", ".join(str(u) for u in np.flatnonzero(equal)[:5])
    why = (
        f"unit {units} is the label itself: one value per class or number, in every row; it was written into the "
        "activations, or the concept is given there and need not be learned"
    )
    return Leak("unit is label", why, np.arange(len(rows)), p)


def _chance_of_equality(label: ConceptColumns, groups: Ints | None) -> float:
    """Probability that a random order of the labels agrees with a unit that takes as many values."""
    columns = label.columns
    if not label.classes:
        return float(np.exp(-special.gammaln(len(np.unique(columns)) + 1)))
    codes = columns.argmax(1)
    if groups is not None and constant_within(codes, groups):
        codes = codes[np.unique(groups, return_index=True)[1]]
    counts = np.bincount(codes)
    log_ways = special.gammaln(len(codes) + 1) - special.gammaln(counts + 1).sum()
    return float(min(1.0, np.exp(special.gammaln(len(counts) + 1) - log_ways)))
