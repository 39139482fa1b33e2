"""Out of fold: readings of every row by a probe that was fitted on all other folds, for block after block of targets.

What depends on the rows alone (moments, penalties, factors) is made once and serves all blocks of targets. Activations
stay on their device. Rows are read less a point near their mean, so that a large mean costs no digits.

Letters: n rows, D width, Q target columns of a block, L label columns, K folds.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from imprint.models.progress import worked
from imprint.probes.door.sums import column_means
from imprint.probes.fitting.damped import Damped
from imprint.probes.fitting.least_squares import LeastSquares
from imprint.probes.fitting.moments import Moments, Sums, multiplied_in
from imprint.probes.fitting.row_ridge import RowRidge, Solution

Probes = Iterable[tuple[Tensor, Tensor]]
"""Weights ``[D, Q]`` and biases ``[Q]`` of each fold."""
FOLD_BYTES = 2**26
"""Products of units are kept for all folds when they need no more than this many bytes, or than twice the rows."""


def wide(rows: int, width: int, folds: int, *, itemsize: int = 4) -> bool:
    """Whether rows are better solved as they are than through products of units kept for every fold."""
    return rows <= width or 8 * folds * width**2 > max(FOLD_BYTES, 2 * rows * width * itemsize)


class OutOfFold(ABC):
    """Rows in K folds, ready for targets."""

    @abstractmethod
    def readings(self, y: Tensor, columns: Any, label: Tensor) -> Tensor:
        """Readings ``[n, Q]`` in float32, on the device of the rows.

        ``y`` ``[n, Q]`` are the targets; ``columns`` says what they are, for the readout, which alone knows; ``label``
        ``[Q]`` says with which of the L label columns each shares its hyperparameters.
        """


class _Sorted:
    """A copy of rows ``x`` ``[n, D]``, less their mean, in the order of their folds (``fold`` ``[n]``, on the CPU)."""

    def __init__(self, x: Tensor, fold: Tensor) -> None:
        self.order = torch.argsort(fold, stable=True).to(x.device)
        sizes = torch.bincount(fold).tolist()
        kind = multiplied_in(x)
        rows = x.index_select(0, self.order).to(kind)
        rows.sub_(column_means(x).to(kind))
        self.rows, self.places = rows.split(sizes), self.order.split(sizes)

    def targets(self, y: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Rows and targets of each fold."""
        return ((rows, y.index_select(0, at.to(y.device))) for rows, at in zip(self.rows, self.places, strict=True))

    def moments(self, labels: Tensor, *, products: bool) -> Moments:
        """The moments with targets ``labels`` ``[n, L]``."""
        device, width = self.order.device, self.rows[0].shape[1]
        moments = Moments(width, labels.shape[1], len(self.rows), device=device, products=products)
        for k, (rows, of_fold) in enumerate(self.targets(labels)):
            moments.add_fold(k, rows, of_fold)
        return moments

    def readings(self, probes: Probes, width: int) -> Tensor:
        """Readings ``[n, width]``, each row by the probe of its fold, of rows in their first order."""
        out = torch.empty(len(self.order), width, dtype=torch.float32, device=self.order.device)
        for (weight, bias), rows, at in zip(probes, self.rows, self.places, strict=True):
            if len(rows):
                out[at] = torch.addmm(bias.float(), rows.float(), weight.float())
                worked(2.0 * rows.numel() * width)
        return out


class MomentsOutOfFold(OutOfFold):
    """Readings by probes that are solved from the moments of each fold."""

    def __init__(
        self, x: Tensor, fold: Tensor, solve: Callable[[Moments, Any, Sequence[int]], Probes], *, products: bool
    ) -> None:
        self.solve, self.sorted = solve, _Sorted(x, fold)
        self.moments = self.sorted.moments(x.new_empty(len(x), 0), products=products)

    def readings(self, y: Tensor, columns: Any, label: Tensor) -> Tensor:
        """See :meth:`OutOfFold.readings`."""
        moments = self.moments.with_targets(self.sorted.targets(y), y.shape[1])
        return self.sorted.readings(self.solve(moments, columns, range(moments.folds)), y.shape[1])


class RidgeOutOfFold(OutOfFold):
    """Readings by ridge, of which penalties are chosen and systems factored once for all targets."""

    def __init__(
        self,
        x: Tensor,
        fold: Tensor,
        labels: Tensor,
        engine: LeastSquares,
        threshold: Callable[[Tensor, Tensor, Any, Sums], tuple[Tensor, Tensor]],
    ) -> None:
        self.engine, self.threshold, self.sorted = engine, threshold, _Sorted(x, fold)
        self.moments = self.sorted.moments(labels, products=True)
        folds = self.moments.folds
        self.best = engine.chosen(self.moments, torch.arange(labels.shape[1]), range(folds))
        small = 8 * folds * x.shape[1] ** 2 <= FOLD_BYTES
        self.systems: list[dict[float, Damped]] | None = [{} for _ in range(folds)] if small else None

    def readings(self, y: Tensor, columns: Any, label: Tensor) -> Tensor:
        """See :meth:`OutOfFold.readings`."""
        moments = self.moments.with_targets(self.sorted.targets(y), y.shape[1])
        held = range(moments.folds)
        best = [of_fold[label] for of_fold in self.best]
        solutions = self.engine.solutions(moments, best, held, self.systems)
        probes = (
            self.threshold(weight, bias, columns, train)
            for train, (weight, bias, _) in zip(moments.training(held, centred=True), solutions, strict=True)
        )
        return self.sorted.readings(probes, y.shape[1])


class RowsOutOfFold(OutOfFold):
    """Readings by ridge of activations that are wide for their number, which are not copied."""

    def __init__(
        self,
        x: Tensor,
        fold: Tensor,
        labels: Tensor,
        engine: LeastSquares,
        threshold: Callable[[Solution, Any], tuple[Tensor, Tensor]],
    ) -> None:
        self.ridge, self.threshold = RowRidge(engine, x, fold, int(fold.max()) + 1), threshold
        self.best = self.ridge.chosen(labels, range(self.ridge.folds))

    def readings(self, y: Tensor, columns: Any, label: Tensor) -> Tensor:
        """See :meth:`OutOfFold.readings`."""
        best = [of_fold[label] for of_fold in self.best]
        x = self.ridge.x
        out = torch.empty(len(x), y.shape[1], dtype=torch.float32, device=x.device)
        solutions = self.ridge.solutions(y, best, range(self.ridge.folds))
        for rows, solution in zip(self.ridge.rows, solutions, strict=True):
            if len(rows):
                weight, bias = self.threshold(solution, columns)
                out[rows] = torch.addmm(bias.float(), self.ridge.about_origin(rows).float(), weight.float())
                worked(2.0 * len(rows) * x.shape[1] * y.shape[1])
        return out
