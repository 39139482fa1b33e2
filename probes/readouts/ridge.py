"""ridge: L2-regularised least squares on standardised activations, solved exactly from moments.

See :mod:`imprint.probes.least_squares` for the equations and for how the penalty is chosen. Classes are indicator
columns; a class is decided halfway between the means its readings have inside and outside the class on the training
rows, so that rare classes count as much as frequent ones (of several classes the reading is measured in units of that
distance). Numbers are predicted, which :mod:`imprint.probes.readouts.regression` does as an estimator of its own.

Deviations from scikit-learn's ``RidgeClassifier``: the threshold; targets are 0/1 and not -1/+1, so weights of two
classes are half as long.

Letters: D width, Q target columns, K folds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor

from imprint.probes.least_squares import PENALTIES, LeastSquares
from imprint.probes.moments import Moments, Sums
from imprint.probes.readouts.base import Columns, FittedReadout, FromMoments, ReadsClasses


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
            _decided(weight, bias, columns, total if k is None else total - sums.at(k))
            for k, (weight, bias, _) in zip(held, solutions, strict=True)
        ]


def _decided(weight: Tensor, bias: Tensor, columns: Columns, train: Sums) -> FittedReadout:
    """Move the zero of class columns halfway between the two means of their readings."""
    ones, zeros = train.y.clamp(min=1e-12), (train.count - train.y).clamp(min=1e-12)
    high = (train.xy / ones * weight).sum(0) + bias
    low = ((train.x[:, None] - train.xy) / zeros * weight).sum(0) + bias
    alone = torch.bincount(columns.copy)[columns.copy] == 1
    gap = torch.where(alone, 1.0, torch.where(high - low > 1e-12, high - low, torch.inf))
    return FittedReadout(
        torch.where(columns.classes, weight / gap, weight),
        torch.where(columns.classes, (bias - (high + low) / 2) / gap, bias),
    )
