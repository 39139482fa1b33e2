"""Leaks: what makes a decodability number too good before any probe is at fault.

Every kind is a test of its own, at most ``alpha`` often reported where there is none:

    duplicates            rows with exactly the same activations lie in different groups (or at all, without groups)
    shared groups         two groups hold mostly the same rows: one recording under two names
    dependent rows        without groups: folds of neighbouring rows, or of whole groups of a column that could have
                          been given as groups, predict the label worse than folds drawn at random
    label follows group   the label is (almost) the same in all rows of a group, so groups, not rows, are the sample
    fold shift            the mean of some unit differs between the given folds more than between random ones
    unit is label         one unit takes one value per class, or is a linear function of the number

The two tests that compare foldings are permutation tests: folds are dealt to rows at random, within classes (or tenths
of a number, so that rows sorted by label are no leak), and p = (1 + deals as extreme) / (1 + deals). Deals end as soon
as p can no longer be as small as ``alpha``, so clean data are cheap. Prediction error is that of ridge with a fixed
penalty on the standardised units, rotated to at most :data:`WIDTH` principal components.

Letters: n rows, D width, Q target columns, G groups, K folds, J deals, V distinct rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse, special
from torch import Tensor

from imprint.models.errors import ImprintError, NotMeasurableError
from imprint.probes.samples.concept_columns import ConceptColumns, concept_columns
from imprint.probes.samples.controls import Ints, compact_groups, constant_within, principal_inputs, type_ids

Floats = NDArray[np.float64]
KINDS = ("duplicates", "shared groups", "dependent rows", "label follows group", "fold shift", "unit is label")
FOLDS = 5
WIDTH = 128
"""Principal components on which prediction errors are compared."""
PENALTIES = (1e-2, 1.0)
"""In units of the mean squared length of a unit; the better one counts."""
DEALS = 99
"""Deals per test; more when ``alpha`` is too small for so few."""
ALIKE = 0.5
"""Groups share their rows when more than this part of the smaller one's distinct rows is in the other."""
COMMON = 20
"""A row found in more groups than this is common, and no sign that two of them are one."""
FOLLOWS = 0.8
"""Intraclass correlation of the label from which it counts as a function of the group."""
EXACT = 1e-6
"""Part of a unit's variance the label may leave unexplained (rounding)."""


@dataclass(frozen=True)
class Leak:
    """One finding."""

    kind: str
    """One of :data:`KINDS`."""
    why: str
    """What was found, and what to do about it."""
    rows: Ints
    """Numbers of the rows involved, ascending."""
    p_value: float
    """How likely as much is where there is no leak; 0 for what is seen directly."""


def find_leaks(
    x: Any,
    labels: Any,
    *,
    groups: Any = None,
    fold: Any = None,
    candidates: Mapping[str, Any] | None = None,
    alpha: float = 0.05,
    rng: np.random.Generator,
) -> tuple[Leak, ...]:
    """Leaks in activations ``x`` ``[n, D]`` with ``labels`` ``[n]``, in the order of :data:`KINDS`.

    Arguments:
        x: float array or tensor.
        labels: float: numbers; anything else: classes.
        groups: ``[n]``, as they will be given to the analysis. None: none will be.
        fold: ``[n]`` the folds (or train and test) that will be used.
        candidates: name -> ``[n]``: columns that might have been given as groups. Looked at when ``groups`` is None.
        alpha: rate of false alarms per kind.
        rng: of deals.

    Raises :class:`ImprintError` for shapes that do not fit and :class:`NotMeasurableError` for values that are missing.
    """
    rows = _rows(x)
    n = len(rows)
    label = concept_columns(pd.Series(labels).reset_index(drop=True), "label")
    if len(label.columns) != n:
        raise ImprintError(f"{len(label.columns)} labels for {n} rows of activations; expected as many.")
    if not 0 < alpha < 1:
        raise ImprintError(f"alpha is {alpha}; expected a rate between 0 and 1.")
    of = None if groups is None else compact_groups(groups, n)
    content = type_ids(rows)
    found = [_duplicates(content, of), _shared_groups(content, of)]
    ungrouped = partial(_dependent_rows, rows, label, candidates or {}, alpha, rng)
    found.append(ungrouped() if of is None else _label_follows_group(label, of, alpha, rng))
    if fold is not None:
        found.append(_fold_shift(rows, compact_groups(fold, n), of, alpha, rng))
    found.append(_unit_is_label(rows, label, of, alpha))
    return tuple(leak for leak in found if leak is not None)


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
    of = np.arange(len(content)) if groups is None else groups
    pairs = np.unique(np.stack([content, of]), axis=1)
    in_groups = np.bincount(pairs[0])
    rows = np.flatnonzero(in_groups[content] > 1)
    if not len(rows) or len(in_groups) == 1:
        return None
    where = "are equal to another row" if groups is None else "are equal to a row of another group"
    do = "give groups= that keep equal rows together" if groups is None else "give equal rows the same group"
    why = f"{len(rows)} of {len(content)} rows {where}, so a probe is tested on what it was trained on; {do}"
    return Leak("duplicates", why, rows, 0.0)


def _shared_groups(content: Ints, groups: Ints | None) -> Leak | None:
    """Pairs of groups that have most of their distinct rows (two at least) in common."""
    if groups is None:
        return None
    kinds, of = np.unique(np.stack([content, groups]), axis=1)
    sizes = np.bincount(of)
    rare = (np.bincount(kinds)[kinds] > 1) & (np.bincount(kinds)[kinds] <= COMMON)
    shape = (len(sizes), int(content.max()) + 1)
    held = sparse.csr_array((np.ones(int(rare.sum())), (of[rare], kinds[rare])), shape=shape)
    both = sparse.triu(held @ held.T, k=1).tocoo()
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


def _dependent_rows(
    rows: Floats, label: ConceptColumns, candidates: Mapping[str, Any], alpha: float, rng: np.random.Generator
) -> Leak | None:
    """Whether neighbours, or rows of one candidate group, help to predict one another's label."""
    n, foldings = len(rows), {}
    strata = _strata(label)
    if n >= 4 * FOLDS:
        foldings["rows next to one another are not independent; give groups="] = _blocks(strata)
    for name, given in candidates.items():
        groups = compact_groups(given, n)
        if FOLDS <= groups.max() + 1 < n:
            why = f"rows with the same {name!r} are not independent; give groups={name}"
            foldings[why] = (rng.permutation(int(groups.max()) + 1) % FOLDS)[groups]
    if not foldings:
        return None
    x, y = _reduced(rows), label.columns - label.columns.mean(0)
    y = y[:, 1:] if len(label.classes) == 2 else y
    each = alpha / len(foldings)
    p = {}
    for why, fold in foldings.items():
        observed = _error(x, y, fold)
        p[why] = _deal(observed, partial(_dealt_error, x, y, fold, strata, rng), each)
    why = min(p, key=p.__getitem__)
    if p[why] > each:
        return None
    return Leak("dependent rows", why, np.arange(n), min(1.0, p[why] * len(foldings)))


def _strata(label: ConceptColumns) -> Ints:
    """Class of each row, or tenth of a number."""
    if label.classes:
        return np.asarray(label.columns.argmax(1), dtype=np.int64)
    ranks = label.columns[:, 0].argsort(kind="stable").argsort(kind="stable")
    return np.asarray(ranks * 10 // len(ranks), dtype=np.int64)


def _blocks(strata: Ints) -> Ints:
    """Folds of neighbouring rows: the rows of every stratum, in order, cut into as many stretches as folds."""
    order = np.argsort(strata, kind="stable")
    sizes = np.bincount(strata)
    place = np.empty(len(strata), dtype=np.int64)
    place[order] = np.arange(len(strata)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return np.asarray(place * FOLDS // sizes[strata])


def _dealt_error(x: Floats, y: Floats, fold: Ints, strata: Ints, rng: np.random.Generator) -> float:
    """Error when the folds of ``fold`` are dealt to other rows of the same stratum."""
    by_stratum = np.argsort(strata, kind="stable")
    random = np.lexsort((rng.random(len(strata)), strata))
    out = np.empty_like(fold)
    out[random] = fold[by_stratum]
    return _error(x, y, out)


def _reduced(rows: Floats) -> Floats:
    """Standardised units, rotated to at most :data:`WIDTH` components."""
    spread = rows.std(0)
    vary = spread > 1e-9 * np.abs(rows).max(0)
    if not vary.any():
        return np.zeros((len(rows), 1))
    ready = (rows[:, vary] - rows[:, vary].mean(0)) / spread[vary]
    return principal_inputs(ready.astype(np.float32), WIDTH).astype(np.float64)


def _error(x: Floats, y: Floats, fold: Ints) -> float:
    """Out-of-fold squared error of ridge on centred columns, summed over rows and targets; of the better penalty."""
    parts = [(x[fold == k], y[fold == k]) for k in range(FOLDS)]
    gram, cross = np.stack([a.T @ a for a, _ in parts]), np.stack([a.T @ b for a, b in parts])
    train, eye = gram.sum(0) - gram, np.eye(x.shape[1])
    size = np.maximum(np.trace(train, axis1=1, axis2=2) / x.shape[1], 1e-300)
    errors = []
    for penalty in PENALTIES:
        weights = np.linalg.solve(train + penalty * size[:, None, None] * eye, cross.sum(0) - cross)
        errors.append(sum(float(((b - a @ w) ** 2).sum()) for (a, b), w in zip(parts, weights, strict=True)))
    return min(errors)


def _deal(observed: float, again: Callable[[], float], alpha: float) -> float:
    """P of an observed value being as large as it is among deals; 1 as soon as p cannot be as small as ``alpha``."""
    most = max(DEALS, int(np.ceil(2 / alpha)))
    as_large = 1
    for _ in range(most):
        as_large += again() >= observed
        if as_large > alpha * (most + 1):
            return 1.0
    return as_large / (most + 1)


def _label_follows_group(label: ConceptColumns, groups: Ints, alpha: float, rng: np.random.Generator) -> Leak | None:
    """Whether knowing the group is knowing the label: intraclass correlation of the label's columns."""
    size, n = int(groups.max()) + 1, len(groups)
    if not 1 < size < n:
        return None
    correlation = _intraclass(label.columns, groups)
    if correlation < FOLLOWS:
        return None
    p = _deal(correlation, lambda: _intraclass(label.columns[rng.permutation(n)], groups), alpha)
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
    usual = (n - float((sizes**2).sum()) / n) / (g - 1)
    total = between + (usual - 1) * within
    return (between - within) / total if total > 0 else 0.0


def _fold_shift(rows: Floats, fold: Ints, groups: Ints | None, alpha: float, rng: np.random.Generator) -> Leak | None:
    """Largest between-fold variance of a unit's mean, among deals of folds to whole groups (max-T correction)."""
    of = np.arange(len(rows)) if groups is None else groups
    first = np.unique(of, return_index=True)[1]
    of_group = fold[first]
    if (of_group[of] != fold).any():
        raise ImprintError("a group lies in two folds; expected folds of whole groups.")
    folds = int(fold.max()) + 1
    if not 1 < folds < len(of_group):
        return None
    spread = rows.std(0)
    ready = (rows - rows.mean(0)) / np.where(spread > 1e-9 * np.abs(rows).max(0), spread, np.inf)
    sums = np.zeros((len(of_group), rows.shape[1]))
    np.add.at(sums, of, ready)
    statistic = _shift_statistic(sums, np.bincount(of).astype(np.float64), folds)
    observed = statistic(of_group)
    worst = int(observed.argmax())
    p = _deal(float(observed[worst]), lambda: float(statistic(rng.permutation(of_group)).max()), alpha)
    if p > alpha:
        return None
    means = np.bincount(fold, weights=ready[:, worst]) / np.bincount(fold)
    odd = int(np.abs(means).argmax())
    shifted = np.flatnonzero(fold == odd)
    why = (
        f"the folds are not alike: in the fold of row {int(shifted[0])}, unit {worst} lies {means[odd]:+.2f} standard "
        "deviations from its mean, more than random folds would; deal whole groups to folds at random"
    )
    return Leak("fold shift", why, shifted, p)


def _shift_statistic(sums: Floats, sizes: Floats, folds: int) -> Callable[[Ints], Floats]:
    """Per unit, sum over folds of n_k mean_k^2, given the fold of each group."""

    def statistic(of_group: Ints) -> Floats:
        member = np.zeros((folds, len(of_group)))
        member[of_group, np.arange(len(of_group))] = 1.0
        rows = member @ sizes
        return np.asarray(((member @ sums) ** 2 / rows[:, None]).sum(0))

    return statistic


def _unit_is_label(rows: Floats, label: ConceptColumns, groups: Ints | None, alpha: float) -> Leak | None:
    """A unit that the label explains to the last digit."""
    centred = rows - rows.mean(0)
    total = (centred**2).sum(0)
    if label.classes:
        means = (label.columns.T @ centred) / label.columns.sum(0)[:, None]
        left = ((centred - label.columns @ means) ** 2).sum(0)
        apart = np.diff(np.sort(means, axis=0), axis=0).min(0) > 0.01 * centred.std(0)
    else:
        y = label.columns - label.columns.mean(0)
        left = ((centred - y * (y.T @ centred) / (y**2).sum()) ** 2).sum(0)
        apart = np.ones(rows.shape[1], dtype=bool)
    flat = total <= 1e-12 * (rows**2).sum(0)
    equal = ~flat & (left <= EXACT * total) & apart
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
    """How likely a random order of the labels falls in with a unit of as many values."""
    columns = label.columns
    if not label.classes:
        return float(np.exp(-special.gammaln(len(np.unique(columns)) + 1)))
    codes = columns.argmax(1)
    if groups is not None and constant_within(codes, groups):
        codes = codes[np.unique(groups, return_index=True)[1]]
    counts = np.bincount(codes)
    log_ways = special.gammaln(len(codes) + 1) - special.gammaln(counts + 1).sum()
    return float(min(1.0, np.exp(special.gammaln(len(counts) + 1) - log_ways)))
