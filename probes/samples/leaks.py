"""Leaks: properties of a data set that make a decodability score too good, whatever the probe.

Each kind has its own test, which reports a leak in clean data with a rate of at most ``alpha``:

    duplicates            rows with exactly the same activations lie in different groups (without groups: occur twice)
    shared groups         two groups hold mostly the same rows: one recording under two names
    dependent rows        only without groups: folds of neighbouring rows predict the label worse than random folds do
    label follows group   the label is (almost) the same in all rows of a group, so the sample is groups, not rows
    unit is label         one unit takes one value per class, or is a linear function of the number

``dependent rows`` (:mod:`imprint.probes.samples.dependence`) and ``label follows group`` are permutation tests with p =
(1 + permutations at least as extreme) / (1 + permutations); permuting ends as soon as p can no longer be as small as
``alpha``, so clean data are cheap.

Letters: n rows, D width, Q target columns, G groups, K folds, V distinct rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse, special

from imprint.models.errors import ImprintError, NotMeasurableError
from imprint.probes.door.arrays import matrix
from imprint.probes.door.labels import table_of
from imprint.probes.samples.concept_columns import ConceptColumns, Floats, concept_columns
from imprint.probes.samples.controls import Ints, compact_groups, constant_within, type_ids
from imprint.probes.samples.dependence import MANY, Dependence, permutation_p

KINDS = ("duplicates", "shared groups", "dependent rows", "label follows group", "unit is label")
ALIKE = 0.5
"""Groups share their rows when more than this part of the smaller one's distinct rows is in the other."""
COMMON = 20
"""A row that occurs in more groups than this is common, and no evidence that two of them are the same recording."""
FOLLOWS = 0.8
"""Intraclass correlation of the label from which it counts as a function of the group."""
EXACT = 1e-6
"""Part of a unit's variance that the label may leave unexplained (rounding)."""
ROUNDOFF = 2.0**-50
"""A unit is constant when it deviates from its mean by no more than this part of its largest value (rounding)."""


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
    return LeakSearch(x, groups=groups).of(labels, alpha=alpha, rng=rng)


class LeakSearch:
    """Rows in which leaks are looked for; what depends on the rows alone is found once for all labels."""

    def __init__(self, x: Any, *, groups: Any = None) -> None:
        """``x`` ``[n, D]`` and ``groups`` ``[n]`` as for :func:`find_leaks`, which says what is raised."""
        self._rows = _rows(x)
        self._groups = None if groups is None else compact_groups(groups, len(self._rows))
        content = type_ids(self._rows)
        self._equal = (_duplicates(content, self._groups), _shared_groups(content, self._groups))
        self._dependence, self._units = Dependence(self._rows), _Units(self._rows)

    def of(self, labels: Any, *, alpha: float = 0.05, rng: np.random.Generator) -> tuple[Leak, ...]:
        """What :func:`find_leaks` gives for ``labels`` ``[n]``."""
        (found,) = self.of_many([labels], alpha=alpha, rng=rng)
        if isinstance(found, NotMeasurableError):
            raise found
        return found

    def of_many(
        self, labels: Sequence[Any], *, alpha: float = 0.05, rng: np.random.Generator
    ) -> list[tuple[Leak, ...] | NotMeasurableError]:
        """The leaks of each of many labels, at a rate of false alarms ``alpha`` per kind and label; or why not."""
        if not 0 < alpha < 1:
            raise ImprintError(f"alpha is {alpha}; expected a rate between 0 and 1.")
        columns = [_columns(label, len(self._rows)) for label in labels]
        known = [label for label in columns if not isinstance(label, NotMeasurableError)]
        shared: Iterator[float | None] = iter([None] * len(known))
        if self._groups is None and len(known) >= MANY:
            shared = iter(self._dependence.screened(known, alpha, rng))
        return [
            label if isinstance(label, NotMeasurableError) else self._leaks(label, next(shared), alpha, rng)
            for label in columns
        ]

    def _leaks(
        self, label: ConceptColumns, p: float | None, alpha: float, rng: np.random.Generator
    ) -> tuple[Leak, ...]:
        """The leaks of one label; ``p``: of dependent rows, where it is known."""
        if self._groups is not None:
            order = _label_follows_group(label, self._groups, alpha, rng)
        else:
            order = self._dependent(self._dependence.p_value(label, alpha, rng) if p is None else p, alpha)
        unit = _unit_is_label(self._units, label, self._groups, alpha)
        return tuple(leak for leak in (*self._equal, order, unit) if leak is not None)

    def _dependent(self, p: float, alpha: float) -> Leak | None:
        if p > alpha:
            return None
        why = "rows next to one another are not independent; give groups="
        return Leak("dependent rows", why, np.arange(len(self._rows)), p)


def _rows(x: Any) -> Floats:
    rows = np.ascontiguousarray(matrix("activations", x), dtype=np.float64)
    if not np.isfinite(rows).all():
        raise NotMeasurableError("activations hold NaN or infinite values")
    return rows


def _columns(labels: Any, n: int) -> ConceptColumns | NotMeasurableError:
    """The columns of a label, or why it has none."""
    try:
        label = concept_columns(table_of({"label": labels})["label"], "label")
    except NotMeasurableError as error:
        return error
    if len(label.columns) != n:
        raise ImprintError(f"{len(label.columns)} labels for {n} rows of activations; expected as many.")
    return label


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


def _label_follows_group(label: ConceptColumns, groups: Ints, alpha: float, rng: np.random.Generator) -> Leak | None:
    """Whether the group determines the label, by the intraclass correlation of the label's columns."""
    size, n = int(groups.max()) + 1, len(groups)
    if not 1 < size < n:
        return None
    correlation = _intraclass(label.columns, groups)
    if correlation < FOLLOWS:
        return None
    p = permutation_p(correlation, lambda: _intraclass(label.columns[rng.permutation(n)], groups), alpha)
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


class _Units:
    """Units of the rows ``[n, D]``, centred."""

    def __init__(self, rows: Floats) -> None:
        self.centred = rows - rows.mean(0)
        self.total = np.einsum("nd,nd->d", self.centred, self.centred)
        self.flat = self.total <= len(rows) * (ROUNDOFF * np.abs(rows).max(0)) ** 2


def _unit_is_label(units: _Units, label: ConceptColumns, groups: Ints | None, alpha: float) -> Leak | None:
    """A unit whose variance the label explains up to rounding."""
    n, width = units.centred.shape
    if label.classes:
        counts = label.columns.sum(0)[:, None]
        means = (label.columns.T @ units.centred) / counts
        explained = (counts * means**2).sum(0)
        apart = np.diff(np.sort(means, axis=0), axis=0).min(0) > 0.01 * np.sqrt(units.total / n)
    else:
        y = label.columns[:, 0] - label.columns[:, 0].mean()
        explained = (y @ units.centred) ** 2 / (y @ y)
        apart = np.ones(width, dtype=bool)
    equal = ~units.flat & (units.total - explained <= EXACT * units.total) & apart
    p = _chance_of_equality(label, groups) * width
    if not equal.any() or p > alpha:
        return None
    named = ", ".join(str(u) for u in np.flatnonzero(equal)[:5])
    why = (
        f"unit {named} is the label itself: one value per class or number, in every row; it was written into the "
        "activations, or the concept is given there and need not be learned"
    )
    return Leak("unit is label", why, np.arange(n), p)


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
