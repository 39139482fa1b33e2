"""Least squares from moments: ridge regression for all held-out folds, penalties and targets at once.

    w = argmin  sum_i (y_i - x_i.w - b)^2 + penalty * n * |w|^2                    (x standardised on the training rows)

One Cholesky factor per training set and penalty serves all targets. Each concept gets the penalty with the lowest
squared error on inner folds: every other fold is held out in turn (leave-one-group-out, when folds are groups). That
error needs no rows either; over the rows of the inner fold, with everything centred on the training mean,

    sum_i (y_i - x_i.w - b)^2  =  yy - 2 w.xy + w.xx.w

Columns without variance get weight zero. ``standardise=False`` scales all columns by one number instead, for inputs
whose columns are principal components. The result equals scikit-learn's ``Ridge(alpha=penalty * n)`` on standardised
columns.

Letters: D width, Q targets, K folds, P penalties.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from imprint.probes.fitting.moments import Moments, Sums

PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)
"""Penalties to choose from."""
MIDDLE = 2
"""Index of the penalty used when no fold can be held out inside a training set."""
FLAT = 1e-10
"""A column counts as constant when its variance is below this part of its mean square."""
LEFT = 1e-6
"""It also counts as constant in training when its variance there is below this part of its variance over all rows.

A column that varies in the held-out rows alone keeps only the rounding error of subtracting them.
"""


@dataclass(frozen=True)
class Standardised:
    """A training set with its columns centred and scaled."""

    mean: Tensor
    """``[D]``"""
    scale: Tensor
    """``[D]`` factor by which columns are multiplied; 0 for constant columns."""
    gram: Tensor
    """``[D, D]`` sum of outer products of standardised rows."""
    cross: Tensor
    """``[D, Q]`` sum of products of standardised columns and centred targets."""
    y_mean: Tensor
    """``[Q]``"""
    rows: Tensor
    """Number of rows."""

    @classmethod
    def of(cls, train: Sums, whole: Sums, *, standardise: bool = True) -> Standardised:
        """The standardised moments of a training set, which is a part of ``whole``."""
        scatter, tiny = train.scatter, torch.finfo(torch.float64).tiny
        variance = scatter.diagonal() / train.count
        flat = variance <= FLAT * (train.xx.diagonal() / train.count)
        flat |= variance <= max(LEFT, 2 * whole.rounding) * (whole.scatter.diagonal() / whole.count)
        size = variance if standardise else variance.mean()
        scale = torch.where(flat, 0.0, size.clamp(min=tiny).rsqrt())
        gram = scatter * scale[:, None] * scale
        return cls(train.mean, scale, gram, train.cross * scale[:, None], train.y / train.count, train.count)

    def weights(self, penalty: float, targets: Tensor | slice = slice(None)) -> Tensor:
        """Ridge weights ``[D, Q]`` of standardised columns."""
        damped = self.gram + penalty * self.rows * torch.eye(len(self.mean), dtype=torch.float64)
        return torch.cholesky_solve(self.cross[:, targets], torch.linalg.cholesky(damped))

    def error(self, held: Sums, weights: Tensor, targets: Tensor) -> Tensor:
        """Summed squared error ``[P, Q]`` on the rows of ``held`` of standardised ``weights`` ``[P, D, Q]``."""
        n, mean, y_mean = held.count, self.mean, self.y_mean[targets]
        y, xy = held.y[targets], held.xy[:, targets]
        yy = held.yy[targets] - 2 * y_mean * y + n * y_mean.square()
        cross = (xy - torch.outer(mean, y) - torch.outer(held.x - n * mean, y_mean)) * self.scale[:, None]
        shift = torch.outer(held.x, mean)
        xx = (held.xx - shift - shift.T + n * torch.outer(mean, mean)) * self.scale[:, None] * self.scale
        return yy - 2 * (weights * cross).sum(1) + (weights * (xx @ weights)).sum(1)


@dataclass(frozen=True)
class LeastSquares:
    """Ridge regression with the penalty of each target chosen on inner folds."""

    penalties: Sequence[float] = PENALTIES
    standardise: bool = True

    def solve(
        self, moments: Moments, choose: Tensor, held: Sequence[int | None]
    ) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """For each held-out fold (None: no fold): weights ``[D, Q]``, bias ``[Q]`` and penalties ``[Q]``.

        ``choose`` ``[Q]`` names, for each target, the target whose chosen penalty it uses.
        """
        sums = moments.sums
        total, targets = sums.total(), choose.unique()
        errors: dict[frozenset[int], dict[int, Tensor]] = {}
        place = torch.zeros(int(choose.max()) + 1, dtype=torch.long)
        place[targets] = torch.arange(len(targets))
        filled = [k for k in range(moments.folds) if float(sums.count[k]) > 0]
        for k in held:
            best = torch.full((len(targets),), min(MIDDLE, len(self.penalties) - 1))
            inner = [j for j in filled if j != k]
            if len(inner) > 1 and len(self.penalties) > 1:
                pairs = [(frozenset({j} if k is None else {j, k}), j) for j in inner]
                for out in (out for out, _ in pairs if out not in errors):
                    errors[out] = self._errors(sums, total, out, targets)
                best = torch.stack([errors[out][j] for out, j in pairs]).sum(0).argmin(0)
            train = Standardised.of(total if k is None else total - sums.at(k), total, standardise=self.standardise)
            yield self._solution(train, best[place[choose]])

    def weights(self, train: Standardised, penalty: float, targets: Tensor) -> Tensor:
        """Weights ``[D, Q]`` of standardised columns; subclasses with constrained weights override it."""
        return train.weights(penalty, targets)

    def _errors(self, sums: Sums, total: Sums, out: frozenset[int], targets: Tensor) -> dict[int, Tensor]:
        """Squared errors ``[P, Q]`` on each fold of ``out``, after training on all other folds."""
        train = Standardised.of(total - sums.at(torch.tensor(sorted(out))).total(), total, standardise=self.standardise)
        weights = torch.stack([self.weights(train, penalty, targets) for penalty in self.penalties])
        return {j: train.error(sums.at(j), weights, targets) for j in out}

    def _solution(self, train: Standardised, best: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Weights, bias and penalties for columns as they came, given the index of each target's penalty ``[Q]``."""
        weight = torch.empty_like(train.cross)
        for p in best.unique().tolist():
            weight[:, best == p] = self.weights(train, self.penalties[p], best == p)
        weight = weight * train.scale[:, None]
        return weight, train.y_mean - train.mean @ weight, torch.tensor(self.penalties, dtype=torch.float64)[best]
