"""ridge: L2-regularised least squares on standardised activations, solved exactly from moments.

See :mod:`imprint.probes.fitting.least_squares` for the equations and for how the penalty is chosen. Classes are
indicator columns; a class is decided halfway between the means its readings have inside and outside the class on the
training rows, so that rare classes count as much as frequent ones (of several classes the reading is measured in units
of that distance). Numbers are predicted, which :mod:`imprint.probes.readouts.regression` does as an estimator of its
own.

Deviations from scikit-learn's ``RidgeClassifier``: the threshold; targets are 0/1 and not -1/+1, so weights of two
classes are half as long.

Letters: D width, Q target columns, K folds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from imprint.probes.fitting.least_squares import PENALTIES, LeastSquares
from imprint.probes.fitting.moments import Moments
from imprint.probes.readouts.base import Columns, FittedReadout, FromMoments, ReadsClasses, decided


class Ridge(ReadsClasses, FromMoments):
    """Ridge regression on class indicators (and on numbers, inside an analysis)."""

    reads_numbers: ClassVar[bool] = True

    def __init__(self, penalties: Sequence[float] = PENALTIES, standardise: bool = True, seed: int = 0) -> None:
        self.penalties = penalties
        self.standardise = standardise
        self.seed = seed

    def solve(self, moments: Moments, columns: Columns, held: Sequence[int | None]) -> list[FittedReadout]:
        """One probe per held-out fold; see :meth:`FromMoments.solve`."""
        sums = moments.sums
        total = sums.total()
        engine = LeastSquares(self.penalties, self.standardise)
        solutions = engine.solve(moments, columns.choose, held)
        return [
            FittedReadout(*decided(weight, bias, columns, total if k is None else total - sums.at(k)))
            for k, (weight, bias, _) in zip(held, solutions, strict=True)
        ]
