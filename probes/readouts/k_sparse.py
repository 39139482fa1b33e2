"""k_sparse: how well a concept is read from its k best single units, solved exactly from moments.

    rank_d = max over classes  |mean of unit d inside the class - mean outside| / standard deviation of unit d
    w      = ridge regression on the k units of largest rank, with the thresholds of ``ridge``

Units are ranked on the training rows of each fold alone; for numbers the rank is the absolute correlation. A concept
that k = 1 reads as well as all units do has a unit of its own; one that needs many units is distributed (Gurnee et al.
2023, arXiv 2305.01610, who compare k = 1 to 256). Ranking units one by one misses units that help only together.

Deviations from the source: (1) differences are in standard deviations, because units are not normalised before; (2) the
chosen units are fitted by ridge regression with one small penalty instead of logistic regression, so that all folds and
shuffles follow from one pass over the rows.

Letters: D width, Q target columns, K folds, T copies (concepts and their shuffles), C columns of a copy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import ClassVar

import torch
from torch import Tensor

from imprint.models.errors import ImprintError
from imprint.probes.fitting.least_squares import Standardised
from imprint.probes.fitting.moments import Moments, Sums
from imprint.probes.readouts.base import Columns, FittedReadout, FromMoments, ReadsClasses, decided


@dataclass(frozen=True)
class FittedSparse(FittedReadout):
    """A linear probe whose weights are zero outside a few units."""

    units: Tensor
    """``[min(k, D), Q]`` int64: the units that each column reads, best first."""


class KSparse(ReadsClasses, FromMoments):
    """Ridge regression on the k units whose class means differ most."""

    reads_numbers: ClassVar[bool] = True

    def __init__(self, k: int = 8, penalty: float = 1e-3) -> None:
        self.k = k
        self.penalty = penalty

    def solve(self, moments: Moments, columns: Columns, held: Sequence[int | None]) -> list[FittedReadout]:
        """One :class:`FittedSparse` per held-out fold; see :meth:`FromMoments.solve`."""
        if not isinstance(self.k, Integral) or self.k < 1:
            raise ImprintError(f"k is {self.k!r}; expected a whole number of units, 1 or more.")
        if not self.penalty > 0:
            raise ImprintError(f"penalty is {self.penalty}; expected a number above 0.")
        total = moments.sums.total()
        return [self._fitted(train, total, columns) for train in moments.training(held)]

    def _fitted(self, train: Sums, whole: Sums, columns: Columns) -> FittedSparse:
        standardised = Standardised.of(train, whole)
        spread = (train.yy - train.y.square() / train.count).clamp(min=1e-12)
        rank = standardised.cross.abs() / spread
        weight = torch.zeros_like(standardised.cross)
        units = torch.empty(min(self.k, len(weight)), weight.shape[1], dtype=torch.long)
        for at in columns.by_size():
            best = rank[:, at].amax(-1).argsort(dim=0, descending=True, stable=True)[: self.k].T
            weight[best[:, :, None], at[:, None, :]] = _ridge(standardised, best, at, self.penalty)
            units[:, at] = best.T[:, :, None].expand(-1, -1, at.shape[1])
        weight = weight * standardised.scale[:, None]
        bias = standardised.y_mean - standardised.mean @ weight
        return FittedSparse(*decided(weight, bias, columns, train), units)


def _ridge(train: Standardised, units: Tensor, at: Tensor, penalty: float) -> Tensor:
    """Ridge weights ``[T, k, C]`` of ``units`` ``[T, k]`` for the columns ``at`` ``[T, C]`` of each copy."""
    gram = train.gram[units[:, :, None], units[:, None, :]]
    damped = gram + penalty * train.rows * torch.eye(units.shape[1], dtype=gram.dtype)
    return torch.cholesky_solve(train.cross[units[:, :, None], at[:, None, :]], torch.linalg.cholesky(damped))
