"""Ridge regression from rows, for activations that are wide for their number: no matrix of D x D per fold is kept.

    w = Z' (Z Z' + penalty n I)^-1 (y - mean)               where a training set has fewer rows than units (the dual)
    w = (Z' Z + penalty n I)^-1 Z' (y - mean)               otherwise

Z are the standardised rows of one training set. One matrix of the smaller side is formed a training set and serves all
penalties and targets; then it is dropped, so that memory is that of one training set and one such matrix. Answers are
those of :class:`imprint.probes.fitting.least_squares.LeastSquares` on the same folds (the same products in another
order, multiplied in blocks in the type of the rows and summed in float64).

Letters: n rows, D width, Q targets, K folds, P penalties.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from imprint.models.errors import NotMeasurableError
from imprint.models.progress import worked
from imprint.probes.door.sums import column_means
from imprint.probes.fitting.damped import Damped, gram_of
from imprint.probes.fitting.least_squares import LeastSquares, chosen_inside, scale_of
from imprint.probes.fitting.moments import BLOCK, ROUNDOFF, multiplied_in, rounding_of

ELEMENTS = 2**22
"""Elements that are converted to float64 at once."""


class Solution(NamedTuple):
    """Ridge of one training set, for rows as they came less an origin."""

    weight: Tensor
    """``[D, Q]``"""
    bias: Tensor
    """``[Q]``"""
    inside: Tensor
    """``[Q]`` sum over the training rows of the target times the reading about its mean."""
    y: Tensor
    """``[Q]`` sum of the targets over the training rows."""
    rows: int
    """Training rows."""


class RowRidge:
    """Ridge of rows ``x`` ``[n, D]`` in K folds, with any folds held out."""

    def __init__(self, engine: LeastSquares, x: Tensor, fold: Tensor, folds: int) -> None:
        self.engine, self.x, self.folds = engine, x, folds
        self.kind = multiplied_in(x)
        self.rows = [(fold == k).nonzero()[:, 0].to(x.device) for k in range(folds)]
        self.count = torch.tensor([len(rows) for rows in self.rows])
        self.origin = column_means(x).to(self.kind)
        size = max(1, ELEMENTS // x.shape[1])
        sums = torch.zeros(2, folds, x.shape[1], dtype=torch.float64, device=x.device)
        for k, rows in enumerate(self.rows):
            for part in rows.split(size):
                block = self.about_origin(part).double()
                sums[0, k] += block.sum(0)
                sums[1, k] += block.square().sum(0)
        self.sums, self.squares = sums
        if not bool(torch.isfinite(self.sums).all()):
            raise NotMeasurableError("activations hold NaN or infinite values")
        mean = self.sums.sum(0) / len(x)
        self.variance = self.squares.sum(0) / len(x) - mean.square()

    def chosen(self, y: Tensor, held: Sequence[int | None]) -> list[Tensor]:
        """For each held-out fold, the index of the best penalty ``[Q]`` of targets ``y`` ``[n, Q]`` on inner folds."""

        def errors(out: frozenset[int]) -> Mapping[int, Tensor]:
            training = _Training(self, out)
            weights = training.weights(y, [(penalty, slice(None)) for penalty in self.engine.penalties])[0]
            return {j: training.error(y, self.rows[j], weights) for j in out}

        filled = self.count.nonzero()[:, 0].tolist()
        return chosen_inside(errors, filled, held, y.shape[1], self.engine.penalties)

    def solutions(self, y: Tensor, best: Sequence[Tensor], held: Sequence[int | None]) -> Iterator[Solution]:
        """The ridge of each held-out fold for targets ``y`` ``[n, Q]``, each with its penalty of ``best`` ``[Q]``."""
        for k, of_fold in zip(held, best, strict=True):
            training = _Training(self, frozenset() if k is None else frozenset({k}))
            indices = of_fold.unique().tolist()
            groups = [(of_fold == p).nonzero()[:, 0].to(y.device) for p in indices]
            asked = [(self.engine.penalties[p], at) for p, at in zip(indices, groups, strict=True)]
            weight, inside = training.weights(y, asked)
            if len(groups) > 1:
                back = torch.argsort(torch.cat(groups)).to(self.x.device)
                weight, inside = weight[:, back], inside[back]
            weight *= training.scale.to(self.kind)[:, None]
            sums = y.index_select(0, training.rows.to(y.device)).sum(0, dtype=torch.float64).to(self.x.device)
            bias = sums / training.count - training.mean @ weight.double()
            yield Solution(weight, bias, inside, sums, training.count)

    def about_origin(self, rows: Tensor) -> Tensor:
        """Some rows, by their numbers, less the origin."""
        return self.x.index_select(0, rows).to(self.kind).sub_(self.origin)


class _Training:
    """One training set: its standardised rows and the matrix of the smaller side."""

    def __init__(self, whole: RowRidge, out: frozenset[int]) -> None:
        kept = [k for k in range(whole.folds) if k not in out]
        self.rows = torch.cat([whole.rows[k] for k in kept])
        self.whole, self.count = whole, len(self.rows)
        self.mean = whole.sums[kept].sum(0) / self.count
        square = whole.squares[kept].sum(0) / self.count
        rounding = rounding_of(ROUNDOFF[whole.kind], float(len(whole.x)))
        self.scale = scale_of(
            square - self.mean.square(), square, whole.variance, rounding, standardise=whole.engine.standardise
        )
        self.z = self._standardised(self.rows)
        self.dual = self.count <= self.z.shape[1]
        blocks = self.z.split(BLOCK, 1) if self.dual else (block.T for block in self.z.split(BLOCK))
        side = self.count if self.dual else self.z.shape[1]
        self.gram = torch.zeros(side, side, dtype=torch.float64, device=self.z.device)
        for block in blocks:
            self.gram += gram_of(block)
        worked(float(self.z.numel()) * side)

    def _standardised(self, rows: Tensor) -> Tensor:
        kind = self.whole.kind
        return self.whole.about_origin(rows).sub_(self.mean.to(kind)).mul_(self.scale.to(kind))

    def weights(self, y: Tensor, asked: Sequence[tuple[float, slice | Tensor]]) -> tuple[Tensor, Tensor]:
        """Weights ``[D, ...]`` of standardised columns, and ``inside`` ``[...]`` as in :class:`Solution`, side by side.

        Asked for are penalties, each with the targets of ``y`` ``[n, Q]`` that it is for.
        """
        own = y.index_select(0, self.rows.to(y.device)).to(self.z.device, torch.float64)
        centred, count = own - own.mean(0), self.count
        cross = None if self.dual else (centred.T.to(self.z.dtype) @ self.z).T.double()
        solved, inside = [], []
        for penalty, at in asked:
            system = Damped(self.gram, penalty * count)
            right = centred[:, at] if cross is None else cross[:, at]
            answer = system.solve(right)
            solved.append(answer)
            inside.append((right * (answer if cross is not None else right - penalty * count * answer)).sum(0))
            worked(float(len(self.gram)) ** 3)
        answers = torch.cat(solved, 1)
        weights = answers.to(self.z.dtype) if cross is not None else (answers.T.to(self.z.dtype) @ self.z).T
        return weights, torch.cat(inside)

    def error(self, y: Tensor, rows: Tensor, weights: Tensor) -> Tensor:
        """Summed squared errors ``[P, Q]`` of ``weights`` ``[D, P * Q]`` on some rows."""
        mean = y.index_select(0, self.rows.to(y.device)).mean(0, dtype=torch.float64)
        truth = (y.index_select(0, rows.to(y.device)).double() - mean).to(self.z.device)
        read = (self._standardised(rows) @ weights).double().unflatten(1, (-1, y.shape[1]))
        wrong: Tensor = (truth[:, None] - read).square().sum(0)
        return wrong
