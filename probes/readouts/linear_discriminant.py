"""linear_discriminant: Fisher's linear discriminant with shrinkage, solved exactly from moments.

    score_c = x . S^-1 m_c - m_c . S^-1 m_c / 2             S = (1 - shrinkage) W + shrinkage (tr W / D) I

m_c are the class means and W is the pooled covariance within classes; two classes give one column, score_1 - score_0. W
differs between targets only by the spread of the C class means, W = T - M N M', so one eigendecomposition of the total
covariance T serves all concepts and shuffles (Woodbury identity, C x C systems).

The result equals scikit-learn's ``LinearDiscriminantAnalysis(solver="lsqr", shrinkage=..., priors=uniform)``.
Deviations from its defaults: equal priors, and a little shrinkage, so that there may be more units than rows.

Letters: D width, Q target columns, K folds, C classes, T copies (concepts and their shuffles).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from imprint.models.errors import ImprintError
from imprint.probes.fitting.moments import Moments, Sums
from imprint.probes.readouts.base import Columns, FittedReadout, FromMoments, ReadsClasses, ruled_out


class LinearDiscriminant(ReadsClasses, FromMoments):
    """Fisher's linear discriminant; ``shrinkage`` in [0, 1] of the covariance towards a multiple of the identity."""

    def __init__(self, shrinkage: float = 0.01) -> None:
        self.shrinkage = shrinkage

    def solve(self, moments: Moments, columns: Columns, held: Sequence[int | None]) -> list[FittedReadout]:
        """One probe per held-out fold; see :meth:`FromMoments.solve`."""
        if not 0 <= self.shrinkage <= 1:
            raise ImprintError(f"shrinkage is {self.shrinkage}; expected a number between 0 and 1.")
        return [self._fitted(train, columns) for train in moments.training(held)]

    def _fitted(self, train: Sums, columns: Columns) -> FittedReadout:
        values, vectors = torch.linalg.eigh(train.scatter / train.count)
        values = values.clamp(min=0.0)
        weight, bias = torch.empty_like(train.xy), torch.empty_like(train.y)
        for at in columns.by_size():
            means, shares = _class_means(train, at)
            rotated, constant = self._discriminants(values, vectors.T @ means, shares, train.rounding)
            normals = vectors @ rotated
            constant = constant - (normals * train.mean[:, None]).sum(1)
            if at.shape[1] == 1:
                normals, constant = normals[..., 1:] - normals[..., :1], constant[..., 1:] - constant[..., :1]
            weight[:, at.flatten()] = normals.permute(1, 0, 2).flatten(1)
            bias[at.flatten()] = constant.flatten()
        return FittedReadout(weight, ruled_out(bias, columns, train.y))

    def _discriminants(self, values: Tensor, means: Tensor, shares: Tensor, rounding: float) -> tuple[Tensor, Tensor]:
        """``S^-1 m_c`` ``[T, D, C]`` in the eigenbasis, and the constants ``[T, C]``.

        ``rounding`` is the relative error of the moments: without shrinkage, directions whose relative variance is
        below it are left out.
        """
        keep, width = 1 - self.shrinkage, len(values)
        between = (shares * means.square().sum(1)).sum(1)
        sphere = self.shrinkage * (values.sum() - between).clamp(min=0.0) / width
        floor = values[-1] * rounding if self.shrinkage == 0 else 0.0  # with shrinkage the rank is full
        spread = keep * values + sphere[:, None]
        inverse = torch.where(spread > floor, spread.clamp(min=torch.finfo(values.dtype).tiny).reciprocal(), 0.0)
        solved = inverse[..., None] * means
        inner = means.mT @ solved
        size = inner.shape[-1]
        system = torch.eye(size, dtype=values.dtype) - keep * shares[:, :, None] * inner
        normals = solved @ torch.linalg.pinv(system, rtol=rounding)
        return normals, -(means * normals).sum(1) / 2


def _class_means(train: Sums, at: Tensor) -> tuple[Tensor, Tensor]:
    """Class means about the grand mean ``[T, D, C]`` and class frequencies ``[T, C]`` of copies with columns ``at``."""
    count, inside = train.y[at], train.xy[:, at].permute(1, 0, 2)
    if at.shape[1] == 1:
        count = torch.cat([train.count - count, count], 1)
        inside = torch.cat([train.x[:, None] - inside, inside], 2)
    means = inside / count.clamp(min=1e-12)[:, None] - train.mean[:, None]
    return torch.where(count[:, None] > 0, means, 0.0), count / train.count
