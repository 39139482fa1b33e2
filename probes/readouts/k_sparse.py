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
from imprint.probes.fitting.damped import solved_together
from imprint.probes.fitting.least_squares import scale_of
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
        origin, sums = moments.centred
        total = sums.total()
        return [self._fitted(train, total, columns, origin) for train in moments.training(held, centred=True)]

    @property
    def needs_products(self) -> bool:
        """One unit needs no more than its variance."""
        return self.k != 1

    def _fitted(self, train: Sums, whole: Sums, columns: Columns, origin: Tensor) -> FittedSparse:
        variance, square = train.variance / train.count, (train.variance / train.count + train.mean.square())
        scale = scale_of(variance, square, whole.variance / whole.count, whole.rounding, standardise=True)
        cross, spread = train.cross * scale[:, None], (train.yy - train.y.square() / train.count).clamp(min=1e-12)
        rank = cross.abs() / spread
        weight = torch.zeros_like(cross)
        units = torch.empty(min(self.k, len(weight)), weight.shape[1], dtype=torch.long, device=weight.device)
        for at in columns.by_size():
            best = rank[:, at].amax(-1).argsort(dim=0, descending=True, stable=True)[: self.k].T
            of_copy = cross[best[:, :, None], at[:, None, :].to(best.device)]
            solved = solved_together(self._gram(train, scale, best), self.penalty * train.count, of_copy)
            weight[best[:, :, None], at[:, None, :].to(best.device)] = solved
            units[:, at] = best.T[:, :, None].expand(-1, -1, at.shape[1])
        weight = weight * scale[:, None]
        bias = train.y / train.count - train.mean @ weight
        weight, bias = decided(weight, bias, columns, train)
        return FittedSparse(weight, bias - origin @ weight, units)

    def _gram(self, train: Sums, scale: Tensor, units: Tensor) -> Tensor:
        """Products ``[T, k, k]`` of the standardised ``units`` ``[T, k]`` of each copy."""
        if not self.needs_products:
            return (train.variance * scale.square())[units][:, :, None]
        left, right, mean = units[:, :, None], units[:, None, :], train.mean
        scatter = train.xx[left, right] - train.count * mean[left] * mean[right]
        return scatter * scale[left] * scale[right]
