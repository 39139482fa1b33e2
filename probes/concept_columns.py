"""Concept columns: a concept's labels as numbers, the same way for every instrument that compares it with features.

Float columns are numbers, one column. Everything else (bool, integer, text, categorical) is classes, one 0/1 column per
class, in sorted order.

Letters: n rows, C classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from imprint.models.errors import NotMeasurableError

Floats = NDArray[np.float64]
MOST_CLASSES = 64


@dataclass(frozen=True)
class ConceptColumns:
    """One concept."""

    name: str
    classes: tuple[str, ...]
    """Class names; empty when the concept is a number."""
    columns: Floats
    """``[n, C]`` 0/1 per class, or ``[n, 1]`` numbers."""

    @property
    def regression(self) -> bool:
        """Whether the concept is a number."""
        return not self.classes

    def one_hot(self, codes: NDArray[np.generic]) -> Floats:
        """0/1 columns ``[n, C]`` of class numbers ``[n]``, for instance shuffled ones."""
        return np.asarray(np.eye(len(self.classes))[codes.astype(np.int64)])


def concept_columns(labels: pd.Series, name: str) -> ConceptColumns:
    """The columns of one concept; raises :class:`NotMeasurableError` when labels are missing or never vary."""
    if labels.isna().any():
        raise NotMeasurableError(f"{name}: {int(labels.isna().sum())} of {len(labels)} labels are missing")
    if pd.api.types.is_float_dtype(labels.dtype):
        values = labels.to_numpy(dtype=np.float64, copy=True)
        if not np.isfinite(values).all():
            raise NotMeasurableError(f"{name}: labels hold infinite values")
        if np.ptp(values) <= 1e-9 * max(1.0, float(np.abs(values).max(initial=0.0))):
            raise NotMeasurableError(f"{name}: the label never varies")
        return ConceptColumns(name, (), values[:, None])
    codes, found = pd.factorize(labels, sort=True)
    if not 2 <= len(found) <= MOST_CLASSES:
        raise NotMeasurableError(
            f"{name}: {len(found)} classes occur; expected 2 to {MOST_CLASSES} (a number should be a float column)"
        )
    return ConceptColumns(name, tuple(str(value) for value in found), np.eye(len(found))[codes])
