"""Concept columns: the labels of a concept as numeric columns, for every instrument that compares it with features.

Labels of a float type are numbers and give one column. All others (bool, integer, text, categorical) are classes and
give one 0/1 column per class, in sorted order.

Letters: n rows, C classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from imprint.models.errors import NotMeasurableError
from imprint.probes.door.arrays import roundoff_of
from imprint.probes.door.labels import is_constant, plain
from imprint.probes.samples.controls import Ints, shuffled

Floats = NDArray[np.float64]
MOST_CLASSES = 64


@dataclass(frozen=True)
class ConceptColumns:
    """The labels of one concept."""

    name: str
    classes: tuple[str, ...]
    """Class names; empty when the concept is a number."""
    columns: Floats
    """``[n, C]`` 0/1 per class, or ``[n, 1]`` numbers."""

    @property
    def regression(self) -> bool:
        """Whether the concept is a number."""
        return not self.classes

    def shuffles(self, groups: Ints, count: int, rng: np.random.Generator) -> list[Floats]:
        """The columns after each of ``count`` shuffles of the labels, at the level at which they vary."""
        labels = self.columns[:, 0] if self.regression else self.columns.argmax(1)
        copies = shuffled(labels, groups, count, rng).T.astype(np.float64 if self.regression else np.int64)
        return [copy[:, None] if self.regression else np.eye(len(self.classes))[copy] for copy in copies]


def concept_columns(labels: pd.Series, name: str) -> ConceptColumns:
    """The columns of one concept; raises as :func:`concept_values` does, with the concept's name."""
    try:
        values, classes = concept_values(labels)
    except NotMeasurableError as error:
        raise NotMeasurableError(f"{name}: {error}") from None
    return ConceptColumns(name, classes, np.eye(len(classes))[values] if classes else values[:, None])


def concept_values(labels: pd.Series) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Class codes ``[n]`` (int64) and class names; for numbers, float64 ``[n]`` and no names.

    Raises :class:`NotMeasurableError` when labels are missing, infinite or never vary, or have too many classes.
    """
    labels = plain(labels)
    if labels.isna().any():
        raise NotMeasurableError(f"{int(labels.isna().sum())} of {len(labels)} labels are missing")
    if pd.api.types.is_float_dtype(labels.dtype):
        values = labels.to_numpy(dtype=np.float64, copy=True)
        if not np.isfinite(values).all():
            raise NotMeasurableError("labels hold infinite values")
        if is_constant(values, roundoff_of(labels.to_numpy())):
            raise NotMeasurableError("the label never varies")
        return values, ()
    codes, names = pd.factorize(labels, sort=True)
    if not 2 <= len(names) <= MOST_CLASSES:
        if len(names) == 1:
            raise NotMeasurableError(f"the label never varies: it is {names[0]} in all rows")
        raise NotMeasurableError(
            f"{len(names)} classes occur; expected 2 to {MOST_CLASSES} (a number should be a float column)"
        )
    return codes.astype(np.int64), tuple(map(str, names))
