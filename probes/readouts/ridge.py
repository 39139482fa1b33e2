"""ridge: L2-regularised least squares on standardised activations, solved exactly from moments.

:mod:`imprint.probes.fitting.least_squares` has the equations and the choice of the penalty. Each class is an indicator
column. Its threshold lies halfway between the mean readings inside and outside the class on the training rows, so that
rare classes count as much as frequent ones; with three or more classes, readings are in units of the distance between
those means. Inside an analysis, ridge also reads numbers; the estimator for numbers is
:mod:`imprint.probes.readouts.regression`.

Deviations from scikit-learn's ``RidgeClassifier``: the threshold; and targets are 0/1 instead of -1/+1, so that the
weights of two classes are half as long.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from imprint.probes.fitting.least_squares import PENALTIES
from imprint.probes.readouts.base import Penalised, ReadsClasses


class Ridge(ReadsClasses, Penalised):
    """Ridge regression on class indicators (and on numbers, inside an analysis)."""

    reads_numbers: ClassVar[bool] = True

    def __init__(self, penalties: Sequence[float] = PENALTIES, standardise: bool = True, seed: int = 0) -> None:
        self.penalties = penalties
        self.standardise = standardise
        self.seed = seed
