"""Functions for worlds of square cells: neighbours, shortest paths by breadth-first search, and pictures.

All functions work on many maps at once. The search (Moore 1959) spreads from the goals of all maps together, one ring
of cells a round, as whole-tensor operations; it ends when no map grows. A cell is a number, row * W + column.

Letters: n maps, H and W cells, P pixels along a cell's side.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache

import torch
from torch import Tensor
from torch.nn.functional import pad

from imprint.models.errors import ImprintError
from imprint.models.states import State, joined, rows

STEPS = ("up", "right", "down", "left")
"""Names of the four actions that move a walker."""
OFFSETS = ((-1, 0), (0, 1), (1, 0), (0, -1))
"""Rows and columns by which each of ``STEPS`` moves."""
COLOURS = {
    ".": (242, 239, 230), "+": (206, 224, 236), "#": (74, 82, 96), "|": (60, 67, 79),
    "c": (240, 180, 20), "C": (176, 120, 0), "k": (208, 150, 0), "b": (140, 90, 50), "B": (92, 56, 28),
    "y": (240, 200, 60), "A": (32, 110, 190), "o": (255, 255, 255),
}  # fmt: skip
"""Colours of the letters of which pictures of cells are made."""
FLOOR, WALL = ["........"] * 8, ["#######|"] * 7 + ["||||||||"]
AGENT = ["........", "..AAAA..", ".AAAAAA.", ".AoAAoA.", ".AAAAAA.", ".AAAAAA.", ".AA..AA.", "........"]


@cache
def neighbours(height: int, width: int) -> Tensor:
    """The cell that each step leads to, int64 ``[H * W, 4]``; a step off the map leads to the cell itself."""
    row, column = torch.arange(height)[:, None, None], torch.arange(width)[None, :, None]
    down, right = torch.tensor(OFFSETS).T
    to_row, to_column = (row + down).expand(height, width, 4), (column + right).expand(height, width, 4)
    inside = (to_row >= 0) & (to_row < height) & (to_column >= 0) & (to_column < width)
    return torch.where(inside, to_row * width + to_column, row * width + column).reshape(-1, 4)


def moved(walls: Tensor, cell: Tensor, step: Tensor) -> Tensor:
    """Cells ``[n]`` reached from ``cell`` ``[n]`` by ``step`` ``[n]``; walls (bool ``[n, H, W]``) and edges stop it."""
    n, height, width = walls.shape
    target = neighbours(height, width)[cell, step]
    return torch.where(walls.reshape(n, -1).gather(1, target[:, None])[:, 0], cell, target)


def cell_map(cell: Tensor, height: int, width: int) -> Tensor:
    """Maps bool ``[n, H, W]`` that are true at ``cell`` int64 ``[n]`` only; nowhere for -1."""
    return (torch.arange(height * width) == cell[:, None]).reshape(-1, height, width)


def walking_distances(free: Tensor, goals: Tensor) -> Tensor:
    """Steps from every cell to the nearest goal over ``free`` cells, int16 ``[n, H, W]``; -1 where there is no path.

    ``free`` and ``goals`` bool ``[n, H, W]``; a goal that is not free is never reached.
    """
    n, height, width = free.shape
    wide, closed = width + 1, (0, 1, 0, 1)  # a closed column and row keep rows and maps apart in one long vector
    open_ = pad(free, closed).flatten()
    reached = pad(goals, closed).flatten() & open_
    rounds = torch.zeros(len(open_), dtype=torch.int16)
    while True:
        spread = reached.clone()
        spread[1:] |= reached[:-1]
        spread[:-1] |= reached[1:]
        spread[wide:] |= reached[:-wide]
        spread[:-wide] |= reached[wide:]
        spread &= open_
        if torch.equal(spread, reached):
            break
        rounds += ~reached
        reached = spread
    distance = torch.where(reached, rounds, -1).reshape(n, height + 1, wide)
    return distance[:, :height, :width]


def at(field: Tensor, cell: Tensor) -> Tensor:
    """Values of a field ``[n, H, W]`` at ``cell`` int64 ``[n]``."""
    return field.reshape(len(field), -1).gather(1, cell[:, None])[:, 0]


def first_step(distances: Tensor, cell: Tensor) -> Tensor:
    """The first step of a shortest path from ``cell`` ``[n]``, int64 ``[n]``; of several the first in ``STEPS``.

    -1 at the goal and where there is no path.
    """
    n, height, width = distances.shape
    here = at(distances, cell)
    around = distances.reshape(n, -1).gather(1, neighbours(height, width)[cell])
    nearer = (around == here[:, None] - 1) & (here[:, None] > 0)
    return torch.where(nearer.any(1), nearer.to(torch.int64).argmax(1), -1)


def blocked(walls: Tensor, cell: Tensor) -> dict[str, Tensor]:
    """Facts ``blocked_<step>``, bool ``[n]`` each: a wall or the edge is next to ``cell`` ``[n]`` on that side."""
    around = neighbours(*walls.shape[1:])[cell]
    stopped = walls.flatten(1).gather(1, around) | (around == cell[:, None])
    return {f"blocked_{step}": stopped[:, i] for i, step in enumerate(STEPS)}


def place_of(cell: Tensor, width: int) -> Tensor:
    """Places int64 ``[n, 2]`` (row, column) of cells ``[n]``."""
    return torch.stack([cell // width, cell % width], 1)


def free_cell(walls: Tensor, place: Tensor, what: str) -> Tensor:
    """Cells int64 ``[n]`` of places int64 ``[n, 2]`` (row, column); raises for one in a wall or off the map."""
    _, height, width = walls.shape
    row, column = place[:, 0], place[:, 1]
    if bool(((row < 0) | (row >= height) | (column < 0) | (column >= width)).any()):
        raise ImprintError(f"{what} lies off the map; rows go from 0 to {height - 1}, columns to {width - 1}.")
    cell = row * width + column
    if bool((walled := at(walls, cell)).any()):
        raise ImprintError(f"{what} is a wall in {int(walled.sum())} of {len(cell)} copies; choose a free cell.")
    return cell


def fitting_levels(n: int, attempt: Callable[[int], State]) -> State:
    """``n`` levels from ``attempt``, which draws that many and returns those that fit."""
    parts: list[State] = []
    missing = n
    while missing > 0:
        parts.append(attempt(missing + missing // 2 + 16))
        missing -= len(parts[-1]["agent"])
    return rows(joined(parts), slice(n))


def reachable(walls: Tensor, cell: Tensor) -> Tensor:
    """Cells that can be walked to from ``cell`` int64 ``[n]``, bool ``[n, H, W]``."""
    return walking_distances(~walls, cell_map(cell, *walls.shape[1:])) >= 0


def with_coordinate(cell: Tensor, axis: str, number: Tensor, width: int) -> Tensor:
    """Places int64 ``[n, 2]`` of ``cell`` ``[n]`` with the ``row`` or the ``column`` replaced by ``number`` ``[n]``."""
    place = place_of(cell, width)
    place[:, ("row", "column").index(axis)] = number
    return place


def framed(codes: Tensor, wall: int) -> Tensor:
    """Codes ``[n, H, W]`` with a wall around them, ``[n, H + 2, W + 2]``."""
    return pad(codes, (1, 1, 1, 1), value=wall)


def sprite(art: Sequence[str], colours: Mapping[str, tuple[int, int, int]] = COLOURS) -> Tensor:
    """The picture of one cell, uint8 ``[P, P, 3]``, from P lines of P letters and the colour of each letter."""
    return torch.tensor([[colours[letter] for letter in line] for line in art], dtype=torch.uint8)


def picture(codes: Tensor, sprites: Tensor) -> Tensor:
    """Pictures uint8 ``[n, H P, W P, 3]`` of maps ``[n, H, W]`` of codes, which number ``sprites`` ``[K, P, P, 3]``."""
    n, height, width = codes.shape
    side = sprites.shape[1]
    return sprites[codes].permute(0, 1, 3, 2, 4, 5).reshape(n, height * side, width * side, 3)


def text(codes: Tensor, letters: str) -> list[str]:
    """One text map per copy of codes ``[n, H, W]``, with a letter for each code."""
    return ["\n".join("".join(letters[code] for code in row) for row in rows) for rows in codes.tolist()]
