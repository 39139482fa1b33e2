"""Out of fold: readings of every row by a probe that was fitted on all other folds, for block after block of targets.

What depends on the rows alone (moments, penalties, factors) is made once and serves all blocks of targets. Activations
stay on their device. Rows are read less a point near their mean, so that a large mean costs no digits.

Letters: n rows, D width, Q target columns of a block, L label columns, K folds.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from imprint.models.progress import worked
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
    """Rows ``x`` ``[n, D]`` in K folds (``fold`` ``[n]``, on the CPU), ready for targets."""

    def __init__(self, x: Tensor, fold: Tensor) -> None:
        self.x, self.fold, self.folds = x, fold, int(fold.max()) + 1

    @abstractmethod
    def readings(self, y: Tensor, columns: Any, label: Tensor) -> Tensor:
        """Readings ``[n, Q]`` in float32, on the device of the rows.

        ``y`` ``[n, Q]`` are the targets; ``columns`` says what they are, for the readout, which alone knows; ``label``
        ``[Q]`` says with which of the L label columns each shares its hyperparameters.
        """

    def _read(self, origin: Tensor, probes: Probes, width: int) -> Tensor:
        """Readings by the weights ``[D, Q]`` and biases ``[Q]`` of each fold, for rows less ``origin``."""
        x, kind = self.x, multiplied_in(self.x)
        out = torch.empty(len(x), width, dtype=torch.float32, device=x.device)
        for k, (weight, bias) in enumerate(probes):
            rows = (self.fold == k).nonzero()[:, 0].to(x.device)
            if len(rows):
                block = x.index_select(0, rows).to(kind).sub_(origin).float()
                out[rows] = torch.addmm(bias.float(), block, weight.float())
                worked(2 * block.numel() * width)
        return out


class MomentsOutOfFold(OutOfFold):
    """Readings by probes that are solved from the moments of each fold."""

    def __init__(
        self, x: Tensor, fold: Tensor, solve: Callable[[Moments, Any, Sequence[int]], Probes], *, products: bool
    ) -> None:
        super().__init__(x, fold)
        self.solve = solve
        self.moments = Moments(x.shape[1], 0, self.folds, device=x.device, products=products)
        self.moments.add(x, x.new_empty(len(x), 0), fold)

    def readings(self, y: Tensor, columns: Any, label: Tensor) -> Tensor:
        """See :meth:`OutOfFold.readings`."""
        moments = self.moments.with_targets(self.x, y, self.fold)
        origin, _ = moments.centred
        probes = self.solve(moments, columns, range(self.folds))
        return self._read(origin, ((weight, bias + origin @ weight) for weight, bias in probes), y.shape[1])


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
        super().__init__(x, fold)
        self.engine, self.threshold = engine, threshold
        moments = Moments(x.shape[1], labels.shape[1], self.folds, device=x.device)
        moments.add(x, labels, fold)
        self.best = engine.chosen(moments, torch.arange(labels.shape[1]), range(self.folds))
        self.moments = moments
        small = 8 * self.folds * x.shape[1] ** 2 <= FOLD_BYTES
        self.systems: list[dict[float, Damped]] | None = [{} for _ in range(self.folds)] if small else None

    def readings(self, y: Tensor, columns: Any, label: Tensor) -> Tensor:
        """See :meth:`OutOfFold.readings`."""
        moments, held = self.moments.with_targets(self.x, y, self.fold), range(self.folds)
        origin, _ = moments.centred
        best = [of_fold[label] for of_fold in self.best]
        solutions = self.engine.solutions(moments, best, held, self.systems)
        probes = (
            self.threshold(weight, bias + origin @ weight, columns, train)
            for train, (weight, bias, _) in zip(moments.training(held, centred=True), solutions, strict=True)
        )
        return self._read(origin, probes, y.shape[1])


class RowsOutOfFold(OutOfFold):
    """Readings by ridge of activations that are wide for their number."""

    def __init__(
        self,
        x: Tensor,
        fold: Tensor,
        labels: Tensor,
        engine: LeastSquares,
        threshold: Callable[[Solution, Any], tuple[Tensor, Tensor]],
    ) -> None:
        super().__init__(x, fold)
        self.ridge, self.threshold = RowRidge(engine, x, fold, self.folds), threshold
        self.best = self.ridge.chosen(labels, range(self.folds))

    def readings(self, y: Tensor, columns: Any, label: Tensor) -> Tensor:
        """See :meth:`OutOfFold.readings`."""
        best = [of_fold[label] for of_fold in self.best]
        solutions = self.ridge.solutions(y, best, range(self.folds))
        return self._read(self.ridge.origin, (self.threshold(each, columns) for each in solutions), y.shape[1])
