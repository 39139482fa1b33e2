"""Controls: the folds, label shuffles and control tasks beside which a decodability score is read.

Groups (an episode, a writer, a map) are the unit of independence: folds never split one, and labels are shuffled at the
level at which they vary. A label that is constant within every group is permuted among groups; any other is permuted
within groups, which keeps each group's label counts. Rows that follow one another (the steps of an episode) are fewer
than they look, which shuffles within groups do not show: beside them, whole label sequences are permuted among groups.
Why it matters: of 40 groups with a random offset each, and no
concept at all, folds of rows give an accuracy of up to .95, folds of groups .5.

A probe may also score well because it remembers inputs. Rows with the same raw input are of one type (a token, a
board). In a control task every type gets one random label, drawn from the labels of the real task: a probe that scores
well on it remembers types (Hewitt & Liang 2019, arXiv 1909.03368, section 2).

Letters: n rows, V types, G groups.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import linalg
from torch import Tensor

from imprint.models.errors import NotMeasurableError
from imprint.probes.door.arrays import real_array

Ints = NDArray[np.int64]
FEW_GROUPS = 8
"""Fewer groups than this have so few orders that their label sequences are rotated as well as permuted."""
LOCKED = 0.9
"""Agreement of two groups' label sequences, 0 chance and 1 complete, from which they are rotated as well."""
ELEMENTS = 2**22
"""Elements of one temporary array of shuffles."""
REDRAWS = 100
"""How often a control task is drawn again because one of its classes is held by fewer than two types."""


def compact_groups(groups: object, n: int) -> Ints:
    """Group of each row as a number 0..G-1; every row is its own group when ``groups`` is None."""
    if groups is None:
        return np.arange(n, dtype=np.int64)
    values = real_array("groups", groups) if isinstance(groups, Tensor) else np.asarray(groups)
    if values.shape != (n,):
        raise NotMeasurableError(f"groups has shape {values.shape}; expected one per row, ({n},)")
    try:
        codes, _ = pd.factorize(pd.Series(values, dtype=object), sort=False)
    except TypeError as error:
        raise NotMeasurableError(f"groups cannot be told apart: {error}") from None
    if (codes < 0).any():
        raise NotMeasurableError(f"{int((codes < 0).sum())} rows have no group (NaN or None)")
    return np.asarray(codes, dtype=np.int64)


def folds_of(groups: Ints, folds: int, rng: np.random.Generator) -> Ints:
    """Fold 0..K-1 of each row. Groups stay whole and go, largest first, to the emptiest of at most G folds."""
    sizes = np.bincount(groups)
    if len(sizes) < 2:
        raise NotMeasurableError("fewer than two groups, so nothing can be held out")
    folds = min(folds, len(sizes))
    order = rng.permutation(len(sizes))
    order = order[np.argsort(-sizes[order], kind="stable")]
    if len(np.unique(sizes)) == 1:
        fold_of_group = np.empty(len(sizes), dtype=np.int64)
        fold_of_group[order] = np.arange(len(sizes)) % folds
        return fold_of_group[groups]
    fold_of_group, filled = np.empty(len(sizes), dtype=np.int64), np.zeros(folds)
    for group in order:
        emptiest = int(filled.argmin())
        fold_of_group[group] = emptiest
        filled[emptiest] += sizes[group]
    return fold_of_group[groups]


def constant_within(labels: NDArray[np.generic], groups: Ints) -> bool:
    """Whether every group has a single label (and some group has several rows)."""
    order = np.argsort(groups, kind="stable")
    same_group = np.diff(groups[order]) == 0
    changes = labels[order][1:] != labels[order][:-1]
    return bool(same_group.any()) and not bool((changes & same_group).any())


def shuffled(labels: NDArray[np.generic], groups: Ints, count: int, rng: np.random.Generator) -> NDArray[np.generic]:
    """``count`` shuffles of ``labels``, ``[n, count]``, at the level at which the label varies."""
    n, size = len(labels), int(groups.max()) + 1
    if constant_within(labels, groups):
        first = np.full(size, n)
        np.minimum.at(first, groups, np.arange(n))
        return np.asarray(_permuted(labels[first], count, rng)[groups])
    if size == n:
        return _permuted(labels, count, rng)
    order = np.argsort(groups, kind="stable")
    within, sorted_labels = groups[order], labels[order]
    out = np.empty((n, count), dtype=labels.dtype)
    for some in _together(n, count):
        keys = within + rng.random((some.stop - some.start, n))
        out[order, some] = sorted_labels[keys.argsort(1)].T
    return out


def _together(n: int, count: int) -> list[slice]:
    """Columns ``[n, count]`` in parts of at most :data:`ELEMENTS` elements, or single columns."""
    step = max(1, ELEMENTS // n)
    return [slice(first, min(first + step, count)) for first in range(0, count, step)]


def _permuted(values: NDArray[np.generic], count: int, rng: np.random.Generator) -> NDArray[np.generic]:
    """``count`` permutations of ``values`` ``[n]``, ``[n, count]``."""
    return np.ascontiguousarray(rng.permuted(np.broadcast_to(values, (count, len(values))), axis=1).T)


def sequences_permuted(
    labels: NDArray[np.generic], groups: Ints, count: int, rng: np.random.Generator
) -> NDArray[np.generic] | None:
    """``labels`` with whole sequences permuted among groups, ``[n, count]``: row t of a group gets row t of another's.

    Within a group rows count in the order in which they come. A shorter sequence is continued backwards from its end,
    and so on, which keeps how slowly it changes. Where the sequences of all groups are alike (see :data:`LOCKED`), or
    groups are few (:data:`FEW_GROUPS`), each is also rotated by a random number of rows. None when a group has no
    sequence: every row is its own group, or the label is constant within each.
    """
    sizes = np.bincount(groups)
    if len(sizes) == len(labels) or len(sizes) < 2 or constant_within(labels, groups):
        return None
    order = np.argsort(groups, kind="stable")
    start = np.cumsum(sizes) - sizes
    place = np.empty(len(labels), dtype=np.int64)
    place[order] = np.arange(len(labels)) - np.repeat(start, sizes)
    donor = rng.random((len(sizes), count)).argsort(0)
    shift = rng.integers(np.iinfo(np.int32).max, size=donor.shape)

    def copies(some: slice, rotated: bool) -> NDArray[np.generic]:
        given = donor[:, some][groups]
        period = np.maximum(2 * sizes[given] - 2, 1)
        at = place[:, None] % period
        at = np.minimum(at, period - at) % sizes[given]
        if rotated:
            at = (at + shift[:, some][groups]) % sizes[given]
        return np.asarray(labels[order[start[given] + at]])

    def every(columns: int, rotated: bool) -> NDArray[np.generic]:
        return np.concatenate([copies(some, rotated) for some in _together(len(labels), columns)], axis=1)

    rotated = len(sizes) < FEW_GROUPS or _agreement(labels, every(min(count, 10), False)) > LOCKED
    return every(count, rotated)


def _agreement(labels: NDArray[np.generic], copies: NDArray[np.generic]) -> float:
    """Agreement of ``copies`` ``[n, J]`` with ``labels`` ``[n]``: 0 chance, 1 complete; of numbers, correlation."""
    if np.issubdtype(labels.dtype, np.floating):
        y, z = (v - v.mean(0) for v in (labels.astype(np.float64)[:, None], copies.astype(np.float64)))
        return float((y * z).sum() / max(np.sqrt((y**2).sum(0) * (z**2).sum(0)).sum(), 1e-300))
    shares = np.unique(labels, return_counts=True)[1] / len(labels)
    chance = float((shares**2).sum())
    return float(((copies == labels[:, None]).mean() - chance) / (1 - chance))


def principal_inputs(inputs: NDArray[np.floating], limit: int) -> NDArray[np.floating]:
    """The first ``limit`` principal components of raw inputs ``[n, p]``; the centred inputs when p <= ``limit``."""
    centred: NDArray[np.float64] = inputs.astype(np.float64) - inputs.mean(0, dtype=np.float64)
    if inputs.shape[1] <= limit:
        return centred.astype(np.float32)
    wide = inputs.shape[1] > len(inputs)
    gram = centred @ centred.T if wide else centred.T @ centred
    values, vectors = linalg.eigh(gram, subset_by_index=(max(len(gram) - limit, 0), len(gram) - 1))
    keep = np.argsort(values)[::-1]
    keep = keep[values[keep] > 1e-9 * values.max()]
    rotated = vectors[:, keep] * np.sqrt(values[keep]) if wide else centred @ vectors[:, keep]
    return np.asarray(rotated, dtype=np.float32)


def type_ids(inputs: object) -> Ints:
    """Types of rows as numbers 0..V-1: rows with the same content are of one type.

    ``inputs``: tokens ``[n]`` (numbers or text) or raw inputs ``[n, ...]``. -0 equals 0. Raises
    :class:`NotMeasurableError` for NaN, which equals nothing.
    """
    values = real_array("inputs", inputs) if isinstance(inputs, Tensor) else np.asarray(inputs)
    if values.ndim < 2:
        return compact_groups(values, values.size)
    flat = values.reshape(len(values), -1)
    if np.issubdtype(flat.dtype, np.floating):
        if np.isnan(flat).any():
            raise NotMeasurableError(f"{int(np.isnan(flat).any(1).sum())} rows of inputs hold NaN, so have no type")
        flat = flat + np.zeros(1, flat.dtype)
    flat = np.ascontiguousarray(flat)
    rows = flat.view(np.dtype((np.void, flat.dtype.itemsize * flat.shape[1])))[:, 0]
    return np.asarray(np.unique(rows, return_inverse=True)[1], dtype=np.int64)


def control_labels(
    labels: NDArray[np.generic], types: Ints, count: int, rng: np.random.Generator
) -> NDArray[np.generic]:
    """``count`` control tasks ``[n, count]``: one label per type, drawn at random from the labels of the rows.

    Deviation from the paper: a draw that leaves a class of the real task to fewer than two types is drawn again, since
    such a class cannot be held out. Raises :class:`NotMeasurableError` when no draw does better.
    """
    size = int(types.max()) + 1
    classes = () if np.issubdtype(labels.dtype, np.floating) else np.unique(labels)
    of_type = labels[rng.integers(len(labels), size=(size, count))]
    for _ in range(REDRAWS):
        bad = np.zeros(count, dtype=bool)
        for c in classes:
            bad |= (of_type == c).sum(0) < 2
        if not bad.any():
            return np.asarray(of_type[types])
        of_type[:, bad] = labels[rng.integers(len(labels), size=(size, int(bad.sum())))]
    raise NotMeasurableError(
        f"{size} types are too few for a control task with {len(classes)} classes as frequent as these; "
        "expected at least two types per class"
    )
