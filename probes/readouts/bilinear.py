"""bilinear: ridge regression with low-rank weights, channels times positions, solved exactly from moments.

Activations of a convolution are a matrix X ``[channels, positions]``. Ridge regression has a weight for every channel
at every position; here the weights have rank R,

    reading = sum_r  a_r' X b_r                 a_r over channels (what), b_r over positions (where)

so that only R (channels + positions) numbers are fitted and fewer rows suffice. The fit minimises the squared error of
:mod:`imprint.probes.fitting.least_squares` under this constraint,

    w = argmin  sum_i (y_i - x_i.w - b)^2 + penalty * n * |w|^2             w of rank R, x centred

by alternating between a and b, starting from the singular vectors of the unconstrained solution. Each step is a ridge
regression in closed form that needs only the second moments of the rows, so all folds and shuffles come from one pass.
No step makes the fit worse; the fit stops when a step improves it by less than one part in a million, and may be a
local minimum. All columns share one scale, which preserves the rank; constant columns get weight zero. Low-rank
("bilinear") regression of this kind is used for multichannel recordings (Dyrholm, Christoforou & Parra 2007, JMLR 8).

Without a ``shape`` all columns are positions of one channel, which is plain ridge regression on centred columns.

Letters: D width, Q target columns, K folds, T targets solved together, c channels, p positions (h x w), R rank.
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
from imprint.probes.fitting.least_squares import PENALTIES, LeastSquares, Standardised
from imprint.probes.fitting.moments import Moments
from imprint.probes.readouts.base import Columns, FittedReadout, FromMoments, ReadsClasses, decided

SWEEPS = 100
"""Largest number of alternations."""
CHUNK = 2**24
"""Largest number of elements of a temporary tensor; bounds how many targets are solved together."""


@dataclass(frozen=True)
class FittedBilinear(FittedReadout):
    """A linear probe whose weights are a sum of R products of a channel pattern and a spatial map."""

    channel_weights: Tensor
    """``[c, R, Q]`` in units of the reading, strongest first."""
    spatial_map: Tensor
    """``[h, w, R, Q]`` of norm one, with its largest element positive."""


class Bilinear(ReadsClasses, FromMoments):
    """Ridge regression with weights of rank ``rank`` on activations of ``shape`` (channels, height, width)."""

    reads_numbers: ClassVar[bool] = True

    def __init__(
        self,
        shape: tuple[int, int, int] | None = None,
        rank: int = 1,
        penalties: Sequence[float] = PENALTIES,
        seed: int = 0,
    ) -> None:
        self.shape = shape
        self.rank = rank
        self.penalties = penalties
        self.seed = seed

    def solve(self, moments: Moments, columns: Columns, held: Sequence[int | None]) -> list[FittedReadout]:
        """One :class:`FittedBilinear` per held-out fold; see :meth:`FromMoments.solve`."""
        shape = self._grid(moments.width)
        engine = _LowRank(self.penalties, False, shape[0], self.rank)
        solutions = zip(moments.training(held), engine.solve(moments, columns.choose, held), strict=True)
        fitted: list[FittedReadout] = []
        for train, (weight, bias, _) in solutions:
            weight, bias = decided(weight, bias, columns, train)
            fitted.append(FittedBilinear(weight, bias, *_factors(weight, shape, self.rank)))
        return fitted

    def _grid(self, width: int) -> tuple[int, int, int]:
        """Channels, height and width of activations ``width`` wide."""
        shape = (1, 1, width) if self.shape is None else tuple(self.shape)
        if len(shape) != 3 or any(not isinstance(size, Integral) or size < 1 for size in shape):
            raise ImprintError(f"shape is {self.shape!r}; expected (channels, height, width), each 1 or more.")
        channels, height, breadth = shape
        if channels * height * breadth != width:
            raise ImprintError(
                f"shape {shape} has {channels * height * breadth} elements, but activations are {width} wide; expected "
                "the (channels, height, width) that were flattened."
            )
        most = min(channels, height * breadth)
        if not isinstance(self.rank, Integral) or not 1 <= self.rank <= most:
            raise ImprintError(f"rank is {self.rank!r}; expected 1..{most} for shape {shape}.")
        return channels, height, breadth


@dataclass(frozen=True)
class _LowRank(LeastSquares):
    """Least squares with weights of rank R."""

    channels: int = 1
    rank: int = 1

    def weights(self, train: Standardised, penalty: float, targets: Tensor) -> Tensor:
        """See :meth:`LeastSquares.weights`."""
        full = train.weights(penalty, targets)
        width, c = len(full), self.channels
        p = width // c
        if self.rank == min(c, p):
            return full
        ridge = penalty * float(train.rows)
        cross = train.cross[:, targets].T.reshape(-1, c, p)
        start = full.T.reshape(-1, c, p)
        gram = train.gram.reshape(c, p, c, p)
        size = max(1, CHUNK // (width * max(c, p) * self.rank))
        chunks = zip(start.split(size), cross.split(size), strict=True)
        return torch.cat([self._alternate(gram, xy, w, ridge) for w, xy in chunks]).reshape(-1, width).T

    def _alternate(self, gram: Tensor, cross: Tensor, start: Tensor, ridge: float) -> Tensor:
        """Low-rank weights ``[T, c, p]``, given ``gram`` ``[c, p, c, p]``, ``cross`` and ``start`` ``[T, c, p]``."""
        where = torch.linalg.svd(start, full_matrices=False)[2][:, : self.rank].mT
        explained = torch.zeros(len(cross), dtype=cross.dtype)
        for _ in range(SWEEPS):
            half = torch.einsum("cpdq,tqs->tcpds", gram, where)
            what = _solved(torch.einsum("tcpds,tpr->tcrds", half, where), cross @ where, ridge)
            what = torch.linalg.qr(what)[0]
            half = torch.einsum("cpdq,tds->tcpqs", gram, what)
            scaled = _solved(torch.einsum("tcpqs,tcr->tprqs", half, what), cross.mT @ what, ridge)
            before, explained = explained, (cross.mT @ what * scaled).sum((1, 2))
            where = torch.linalg.qr(scaled)[0]
            if bool((explained - before <= 1e-6 * explained).all()):
                break
        return what @ scaled.mT


def _solved(gram: Tensor, cross: Tensor, ridge: float) -> Tensor:
    """Ridge solutions ``[T, m, R]`` of systems ``[T, m, R, m, R]``."""
    size = cross.shape[1] * cross.shape[2]
    return solved_together(gram.reshape(-1, size, size), ridge, cross.reshape(-1, size, 1)).reshape(cross.shape)


def _factors(weight: Tensor, shape: tuple[int, int, int], rank: int) -> tuple[Tensor, Tensor]:
    """Channel weights ``[c, R, Q]`` and spatial maps ``[h, w, R, Q]`` of weights ``[D, Q]``."""
    channels, height, breadth = shape
    left, size, right = torch.linalg.svd(weight.T.reshape(-1, channels, height * breadth), full_matrices=False)
    what, where = (left * size[:, None])[..., :rank], right[:, :rank].mT
    sign = where.gather(1, where.abs().argmax(1, keepdim=True)).sign()
    return (what * sign).permute(1, 2, 0), (where * sign).permute(1, 2, 0).unflatten(0, (height, breadth))
