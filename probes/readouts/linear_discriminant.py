"""linear_discriminant: Fisher's linear discriminant with shrinkage, solved exactly from moments.

    score_c = x . S^-1 m_c - m_c . S^-1 m_c / 2             S = (1 - shrinkage) W + shrinkage (tr W / D) I

with m_c the class means and W the pooled covariance within classes; two classes become one column, score_1 - score_0.
W differs from target to target only by the spread of its C class means, W = T - M N M', so one eigendecomposition of
the total covariance T serves every concept and every shuffle (Woodbury identity, C x C systems).

Equal to scikit-learn's ``LinearDiscriminantAnalysis(solver="lsqr", shrinkage=..., priors=uniform)``. Deviation from its
default: equal priors, and a little shrinkage, so that more units than rows are no special case.

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
    """Fisher's linear discriminant with a fixed shrinkage towards the sphere, in [0, 1]."""

    def __init__(self, shrinkage: float = 0.01) -> None:
        self.shrinkage = shrinkage

    def solve(self, moments: Moments, columns: Columns, held: Sequence[int | None]) -> list[FittedReadout]:
        """One probe per held-out fold; see :meth:`FromMoments.solve`."""
        if not 0 <= self.shrinkage <= 1:
            raise ImprintError(f"shrinkage is {self.shrinkage}; expected a number between 0 and 1.")
        sums = moments.sums
        total = sums.total()
        return [self._fitted(total if k is None else total - sums.at(k), columns) for k in held]

    def _fitted(self, train: Sums, columns: Columns) -> FittedReadout:
        values, vectors = torch.linalg.eigh(train.scatter / train.count)
        values = values.clamp(min=0.0)
        weight, bias = torch.empty_like(train.xy), torch.empty_like(train.y)
        sizes = torch.bincount(columns.copy)
        for size in sizes.unique().tolist():
            at = (sizes[columns.copy] == size).nonzero()[:, 0].reshape(-1, size)
            means, shares = _class_means(train, at)
            found, constant = self._discriminants(values, vectors.T @ means, shares, train.rounding)
            back = vectors @ found
            constant = constant - (back * train.mean[:, None]).sum(1)
            if size == 1:
                back, constant = back[..., 1:] - back[..., :1], constant[..., 1:] - constant[..., :1]
            weight[:, at.flatten()] = back.permute(1, 0, 2).flatten(1)
            bias[at.flatten()] = constant.flatten()
        return FittedReadout(weight, ruled_out(bias, columns, train))

    def _discriminants(self, values: Tensor, means: Tensor, shares: Tensor, rounding: float) -> tuple[Tensor, Tensor]:
        """``S^-1 m_c`` ``[T, D, C]`` in the eigenbasis, and the constants ``[T, C]``.

        ``rounding`` is the relative error of the moments: without shrinkage, directions of smaller variance are not in
        the span.
        """
        keep, width = 1 - self.shrinkage, len(values)
        between = (shares * means.square().sum(1)).sum(1)
        sphere = self.shrinkage * (values.sum() - between).clamp(min=0.0) / width
        floor = values[-1] * rounding if self.shrinkage == 0 else 0.0  # shrinkage leaves no rank to decide
        spread = keep * values + sphere[:, None]
        inverse = torch.where(spread > floor, spread.clamp(min=torch.finfo(values.dtype).tiny).reciprocal(), 0.0)
        solved = inverse[..., None] * means
        inner = means.mT @ solved
        size = inner.shape[-1]
        system = torch.eye(size, dtype=values.dtype) - keep * shares[:, :, None] * inner
        found = solved @ torch.linalg.pinv(system, rtol=rounding)
        return found, -(means * found).sum(1) / 2


def _class_means(train: Sums, at: Tensor) -> tuple[Tensor, Tensor]:
    """Class means about the grand mean ``[T, D, C]`` and class shares ``[T, C]`` of copies with columns ``at``."""
    count, inside = train.y[at], train.xy[:, at].permute(1, 0, 2)
    if at.shape[1] == 1:
        count = torch.cat([train.count - count, count], 1)
        inside = torch.cat([train.x[:, None] - inside, inside], 2)
    means = inside / count.clamp(min=1e-12)[:, None] - train.mean[:, None]
    return torch.where(count[:, None] > 0, means, 0.0), count / train.count
