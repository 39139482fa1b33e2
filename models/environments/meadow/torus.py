"""Lookup tables of a square field whose edges meet: where steps lead, and the position of one cell relative to another.

They depend on the size of the field only, so that an environment with many copies looks them up instead of computing
them for every copy in every step. An *offset* is a number, row * L + column, that added to a cell on the torus leads to
another cell; ``L * L`` stands for a thing that is not there.

Letters: L cells a side, cells numbered row by row; O = L * L + 1 offsets.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from imprint.models import grids


@dataclass(frozen=True)
class Torus:
    """Tables of one size of field, int64."""

    size: int
    """L."""
    ways: Tensor
    """Cell to which each action leads (up, right, down, left, stay), ``[L * L, 5]``."""
    down: Tensor
    """Cells down on the shorter way around, negative for up, ``[O]``; 0 for what is not there."""
    right: Tensor
    """Cells to the right on the shorter way around, negative for left, ``[O]``; 0 for what is not there."""
    steps: Tensor
    """Steps, ``[O]``; -1 for what is not there."""
    beyond: Tensor
    """The cell that lies at an offset (second index) from a cell (first), ``[L * L, L * L]``."""
    _between: Tensor

    def between(self, cell: Tensor, things: Tensor) -> Tensor:
        """Offsets of ``things`` ``[k, n]`` (-1: not there) from ``cell`` ``[n]``."""
        pair = things + (cell * (self.size**2 + 1) + 1)
        return self._between.index_select(0, pair.flatten()).view_as(pair)


@cache
def torus(size: int) -> Torus:
    """The tables of fields of ``size`` x ``size`` cells."""
    half, area = size // 2, size * size
    cell = torch.arange(area)
    row, column = cell // size, cell % size
    down, right = (row + half) % size - half, (column + half) % size - half
    steps = down.abs() + right.abs()
    beyond = (row[:, None] + row) % size * size + (column[:, None] + column) % size
    between = (row - row[:, None]) % size * size + (column - column[:, None]) % size
    moves = torch.tensor([*(down % size * size + right % size for down, right in grids.OFFSETS), 0])
    absent = torch.tensor([0])
    down, right = torch.cat([down, absent]), torch.cat([right, absent])
    between = torch.cat([torch.full((area, 1), area), between], 1).flatten()
    return Torus(size, beyond[:, moves], down, right, torch.cat([steps, absent - 1]), beyond, between)


@cache
def far(size: int, least: int) -> Tensor:
    """Offsets of at least ``least`` steps, in order."""
    return torch.nonzero(torus(size).steps >= least).flatten()


def first_way(down: Tensor, right: Tensor) -> Tensor:
    """The first of up, right, down, left that reduces the distance; -1: none does."""
    shorter = torch.stack([down < 0, right > 0, down > 0, right < 0], -1)
    return torch.where(shorter.any(-1), shorter.int().argmax(-1), -1)


def longer_leg(down: Tensor, right: Tensor) -> Tensor:
    """The step along the longer axis, up or down when both are equal; -1 where the distance is 0."""
    across = torch.where(right > 0, 1, 3)
    along = torch.where(down < 0, 0, 2)
    return torch.where((down == 0) & (right == 0), -1, torch.where(right.abs() > down.abs(), across, along))


@cache
def places(size: int, radius: int) -> Tensor:
    """Cell of a window of ``2 radius + 1`` cells a side in which an offset appears, ``[O]``; -1: out of sight."""
    field = torus(size)
    seen = (field.steps >= 0) & (field.down.abs() <= radius) & (field.right.abs() <= radius)
    return torch.where(seen, (field.down + radius) * (2 * radius + 1) + field.right + radius, -1)


@cache
def nearness(size: int, reach: int) -> Tensor:
    """1 at offset 0, falling linearly to 0 at ``reach`` steps and beyond, float32 ``[O]``."""
    steps = torus(size).steps
    return (1 - steps / reach).clamp(min=0.0) * (steps >= 0)


@cache
def scent(size: int, reach: int) -> Tensor:
    """:func:`nearness` in the direction of the longer axis and 0 in the others, float32 ``[4, O]``."""
    field = torus(size)
    way = longer_leg(field.down, field.right)
    return torch.stack([nearness(size, reach) * (way == i) for i in range(len(grids.STEPS))])
