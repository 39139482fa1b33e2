"""ridge: L2-regularised least squares on standardised activations, solved exactly from moments.

    w = argmin  sum_i (y_i - x_i.w - b)^2 + penalty * n * |w|^2                    (x standardised on the training rows)

One symmetric eigendecomposition per training set serves all penalties and all targets. The penalty of each concept is
the one with the lowest squared error on inner folds; that error, too, comes from moments alone:

    sum_i (y_i - x_i.w - b)^2  =  yy - 2 w.xy + w.xx.w      over the rows of the inner fold
                                                              (all centred on the training mean)

Columns without variance get weight zero. ``standardise=False`` scales all columns by one number instead, for inputs
whose columns are principal components. Equal to scikit-learn's ``Ridge(alpha=penalty * n)`` on standardised columns.
"""

from __future__ import annotations

from itertools import combinations
from typing import NamedTuple

import torch
from torch import Tensor

from imprint.probes.moments import Moments, Sums
from imprint.probes.readouts.base import FittedReadout, Readout

PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)
MIDDLE = 2
"""Index of the penalty used when there are fewer than three folds, so that none can be held out inside another."""
FLAT = 1e-10
"""A column whose variance is below this part of its mean square does not vary."""


class _Solver(NamedTuple):
    """Eigendecomposition of a standardised training set."""

    mean: Tensor
    scale: Tensor
    values: Tensor
    vectors: Tensor
    loadings: Tensor
    y_mean: Tensor
    rows: Tensor


class Ridge(Readout):
    """Ridge regression with the penalty chosen per concept on inner folds."""

    def __init__(self, penalties: tuple[float, ...] = PENALTIES, *, standardise: bool = True) -> None:
        self.penalties = torch.tensor(penalties, dtype=torch.float64)
        self.standardise = standardise

    def solve(self, moments: Moments, choose: Tensor) -> list[FittedReadout]:
        """One probe per fold, fitted on the other folds; see :meth:`Readout.solve`."""
        total = moments.sums.total()
        folds = range(moments.folds)
        full = [k for k in folds if float(moments.sums.count[k]) > 0]
        targets = choose.unique()
        errors = torch.zeros(moments.folds, len(self.penalties), len(targets), dtype=torch.float64)
        if len(full) < 3:
            errors[:, MIDDLE] = -1.0
            full = []
        for k, j in combinations(full, 2):
            solver = self._prepare(total - moments.sums.at(k) - moments.sums.at(j))
            weights = self._weights(solver, targets)
            errors[k] += _error(moments.sums.at(j), solver, weights, targets)
            errors[j] += _error(moments.sums.at(k), solver, weights, targets)
        position = torch.zeros(int(choose.max()) + 1, dtype=torch.long)
        position[targets] = torch.arange(len(targets))
        best = errors.argmin(1)[:, position[choose]]
        for k in set(folds) - set(full):
            best[k] = errors.sum(0).argmin(0)[position[choose]]
        return [self._fitted(self._prepare(total - moments.sums.at(k)), self.penalties[best[k]]) for k in folds]

    def _prepare(self, train: Sums) -> _Solver:
        mean, y_mean = train.x / train.count, train.y / train.count
        scatter = train.xx - train.count * torch.outer(mean, mean)
        variance = scatter.diagonal() / train.count
        flat = variance <= FLAT * (train.xx.diagonal() / train.count)
        scale = torch.where(flat, 0.0, variance.clamp(min=torch.finfo(torch.float64).tiny).rsqrt())
        if not self.standardise:
            scale = torch.where(flat, 0.0, variance.mean().clamp(min=torch.finfo(torch.float64).tiny).rsqrt())
        values, vectors = torch.linalg.eigh(scatter * scale[:, None] * scale)
        cross = (train.xy - train.count * torch.outer(mean, y_mean)) * scale[:, None]
        return _Solver(mean, scale, values.clamp(min=0.0), vectors, vectors.T @ cross, y_mean, train.count)

    def _weights(self, solver: _Solver, targets: Tensor) -> Tensor:
        """Weights ``[P, D, Q]`` of standardised columns for every penalty."""
        shrink = 1.0 / (solver.values + self.penalties[:, None] * solver.rows)
        return torch.einsum("dr,pr,rq->pdq", solver.vectors, shrink, solver.loadings[:, targets])

    def _fitted(self, solver: _Solver, penalty: Tensor) -> FittedReadout:
        shrink = 1.0 / (solver.values[:, None] + penalty * solver.rows)
        weight = (solver.vectors @ (shrink * solver.loadings)) * solver.scale[:, None]
        return FittedReadout(weight, solver.y_mean - solver.mean @ weight)


def _error(held: Sums, solver: _Solver, weights: Tensor, targets: Tensor) -> Tensor:
    """Squared error ``[P, Q]`` of rows ``held`` under ``weights`` ``[P, D, Q]``, from their moments."""
    n, mean, y_mean = held.count, solver.mean, solver.y_mean[targets]
    y, xy = held.y[targets], held.xy[:, targets]
    yy = held.yy[targets] - 2 * y_mean * y + n * y_mean.square()
    cross = xy - torch.outer(mean, y) - torch.outer(held.x - n * mean, y_mean)
    shift = torch.outer(held.x, mean)
    xx = held.xx - shift - shift.T + n * torch.outer(mean, mean)
    cross, xx = cross * solver.scale[:, None], xx * solver.scale[:, None] * solver.scale
    return yy - 2 * (weights * cross).sum(1) + torch.einsum("pdq,de,peq->pq", weights, xx, weights)
