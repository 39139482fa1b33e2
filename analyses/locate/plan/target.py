"""Targets: a concept as columns, its labels first, then shuffles of them, then permuted sequences of labels.

Where a label varies within groups, whole label sequences are permuted among groups as well. Rows without a label are
left out.

Letters: n rows, J shuffles, P permuted sequences, G groups, C classes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from imprint.models.errors import NotMeasurableError
from imprint.probes.door.labels import standardised
from imprint.probes.readouts.base import Columns
from imprint.probes.samples.concept_columns import concept_values
from imprint.probes.samples.controls import Ints, sequences_permuted, shuffled

BYTE = 256
"""Class codes below this are stored in a byte."""


@dataclass(frozen=True)
class Target:
    """One concept as target columns: the real labels first, then its shuffles, then its permuted sequences."""

    name: str
    regression: bool
    codes: Tensor
    """``[n, 1 + J + P]`` class codes (one byte each, if they fit) or numbers (float32) of the rows with a label."""
    classes: int
    """C; 0 for numbers."""
    groups: Ints
    """``[n]`` group of each row that has a label, 0..; the level at which labels are shuffled."""
    labels: tuple[str, ...] = ()
    """Names of the classes."""
    shuffles: int = 0
    """J; all further columns are permuted sequences."""
    rows: Ints | None = None
    """``[n]`` numbers of the rows that have a label, ascending; None when all have."""
    seed: int = 0
    """Of further shuffles."""

    @property
    def width(self) -> int:
        """Columns per copy: one for numbers and two classes, else one per class."""
        return 1 if self.classes <= 2 else self.classes

    @property
    def truth(self) -> Tensor:
        """``[n]`` the labels themselves: class codes (int64) or numbers."""
        return self.codes[:, 0] if self.regression else self.codes[:, 0].long()

    @property
    def copies(self) -> int:
        """1 + J + P: the labels, their shuffles and their permuted sequences."""
        return self.codes.shape[1]

    def columns(self, rows: slice | Tensor = slice(None)) -> Tensor:
        """Target columns ``[n, (1 + J + P) * width]`` of some of its rows."""
        codes = self.codes[rows]
        if self.width == 1:
            return codes.to(torch.float32)
        return (codes[..., None] == torch.arange(self.classes, dtype=codes.dtype)).flatten(1).to(torch.float32)

    def layout(self) -> Columns:
        """What the columns are: the labels and their shuffles, which share the labels' hyperparameters."""
        return Columns.single(self.width, classes=not self.regression).repeated(self.copies)

    def real(self) -> Target:
        """The same concept without its shuffles."""
        return replace(self, codes=self.codes[:, :1], shuffles=0)

    def shuffled_anew(self, count: int) -> Target:
        """The same concept with ``count`` other shuffles, and as many other permuted sequences if it has any."""
        rng = np.random.default_rng((self.seed, count))
        return _with_shuffles(self.real(), count, rng, sequences=self.copies > 1 + self.shuffles)

    def fold_of(self, fold: Ints) -> Ints:
        """Fold of each of its rows; when all of them lie in one fold, two folds of its groups."""
        own = self.of(fold)
        return own if len(np.unique(own)) > 1 else self.groups % 2

    def of(self, values: Ints) -> Ints:
        """Those of the ``values`` of all rows that belong to its own rows."""
        return values if self.rows is None else np.asarray(values[self.rows])


def target_of(
    name: str,
    labels: pd.Series,
    groups: Ints,
    *,
    nulls: int,
    rng: np.random.Generator,
    rows: Ints | None = None,
    sequences: bool = True,
) -> Target:
    """A concept's target columns with ``nulls`` label shuffles, or :class:`NotMeasurableError` with the reason.

    ``labels`` and ``groups`` are those of all rows, of which ``rows`` (None: all) that have a label are used.
    ``sequences``: whether whole sequences are permuted as well, where the label varies within groups.
    """
    labelled = np.flatnonzero(labels.notna().to_numpy())
    rows = labelled if rows is None else rows[np.isin(rows, labelled)]
    if not len(rows):
        raise NotMeasurableError(f"none of the {len(labels)} rows has a label")
    values, classes = concept_values(labels.iloc[rows])
    own = np.unique(groups[rows], return_inverse=True)[1].astype(np.int64)
    if own.max() < 1:
        raise NotMeasurableError(f"all {len(rows)} rows with a label are of one group, so none can be held out")
    if not classes:
        values = standardised(values).astype(np.float32)  # R2 is the same, and no digit is lost
    in_groups = [len(np.unique(own[values == c])) for c in range(len(classes))]
    if in_groups and min(in_groups) < 2:
        rare = classes[int(np.argmin(in_groups))]
        raise NotMeasurableError(f"class {rare} occurs in one group only, so it cannot be held out")
    target = Target(
        name,
        not classes,
        torch.from_numpy(values[:, None]),
        len(classes),
        own,
        classes,
        rows=None if len(rows) == len(labels) else rows,
        seed=int(rng.integers(2**31)),
    )
    return _with_shuffles(target, nulls, rng, sequences=sequences)


def _with_shuffles(target: Target, count: int, rng: np.random.Generator, *, sequences: bool) -> Target:
    """A target without shuffles, with ``count`` shuffles and permuted sequences."""
    values = target.codes[:, 0].numpy()
    if 0 < target.classes <= BYTE:
        values = values.astype(np.uint8)
    permuted = sequences_permuted(values, target.groups, count, rng) if sequences else None
    parts = [values[:, None], shuffled(values, target.groups, count, rng), *([] if permuted is None else [permuted])]
    return replace(target, codes=torch.from_numpy(np.hstack(parts)), shuffles=count)
