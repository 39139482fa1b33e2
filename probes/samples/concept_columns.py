"""Concept columns: a concept's labels as numbers, the same way for every instrument that compares it with features.

Float columns are numbers, one column. Everything else (bool, integer, text, categorical) is classes, one 0/1 column per
class, in sorted order.

Letters: n rows, C classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

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
    """The columns of one concept; raises as :func:`concept_values`, with its name."""
    try:
        values, classes = concept_values(labels)
    except NotMeasurableError as error:
        raise NotMeasurableError(f"{name}: {error}") from None
    return ConceptColumns(name, classes, np.eye(len(classes))[values] if classes else values[:, None])


def concept_values(labels: pd.Series) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Class numbers ``[n]`` (int64) and class names, or numbers ``[n]`` (float64) and no names.

    Raises :class:`NotMeasurableError` when labels are missing, infinite or never vary, or have too many classes.
    """
    if labels.isna().any():
        raise NotMeasurableError(f"{int(labels.isna().sum())} of {len(labels)} labels are missing")
    if pd.api.types.is_float_dtype(labels.dtype):
        values = labels.to_numpy(dtype=np.float64, copy=True)
        if not np.isfinite(values).all():
            raise NotMeasurableError("labels hold infinite values")
        if np.ptp(values) <= 1e-9 * max(1.0, float(np.abs(values).max(initial=0.0))):
            raise NotMeasurableError("the label never varies")
        return values, ()
    codes, found = pd.factorize(labels, sort=True)
    if not 2 <= len(found) <= MOST_CLASSES:
        only = f" (only {found[0]})" if len(found) == 1 else ""
        raise NotMeasurableError(
            f"{len(found)} classes occur{only}; expected 2 to {MOST_CLASSES} (a number should be a float column)"
        )
    return codes.astype(np.int64), tuple(map(str, found))
