"""Shortest paths of a walker that turns: MiniGrid counts turning as a step, so that a path leads from pose to pose.

A pose is a cell and a heading (0 right, 1 down, 2 left, 3 up). The search goes backwards from the poses in which the
final action succeeds, for all maps and poses at once: a pose costs one more than the cheapest of the two poses it can
turn to and the one it can step to; stepping into a shut door costs one more, for opening it. This is repeated until no
cost changes (Bellman 1958).

Letters: n maps, H and W cells.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad

NO_WAY = 30_000
LEFT, RIGHT, FORWARD, TOGGLE = 0, 1, 2, 5
"""MiniGrid's numbers of the actions that make up a path."""


class Way(NamedTuple):
    """All shortest paths to one goal."""

    cost: Tensor
    """int32 ``[n, H, W, 4]``: actions from every pose to the goal; ``NO_WAY`` where there is no path."""
    free: Tensor
    """bool ``[n, H, W]``: cells that can be walked on."""
    shut: Tensor
    """bool ``[n, H, W]``: shut doors that can be opened."""
    last: int
    """The action that attains the goal."""

    def length(self, pose: Tensor) -> Tensor:
        """Actions from ``pose`` int64 ``[n, 3]`` to the goal, int64 ``[n]``; -1: no path."""
        here = at_pose(self.cost, pose).long()
        return torch.where(here < NO_WAY, here, -1)

    def start(self, pose: Tensor) -> Tensor:
        """The first action of a shortest path from ``pose`` int64 ``[n, 3]``, int64 ``[n]``.

        Of several the first of: forward (toggle before a shut door), left, right, ``last``; -1 at the goal and where
        there is no path.
        """
        here = at_pose(self.cost, pose)
        step = at_pose(ahead((self.cost + _entering(self.free, self.shut)).clamp(max=NO_WAY), NO_WAY), pose)
        door = at_pose(ahead(self.shut.int(), 0), pose) > 0
        left, right = (at_pose(self.cost.roll(by, 3), pose) for by in (1, -1))  # heading - 1 is left, heading + 1 right
        action = torch.full_like(pose[:, 0], self.last)
        action = torch.where(right + 1 == here, RIGHT, action)
        action = torch.where(left + 1 == here, LEFT, action)
        action = torch.where(step + 1 == here, torch.where(door, TOGGLE, FORWARD), action)
        return torch.where((here > 0) & (here < NO_WAY), action, -1)


def ahead(field: Tensor, fill: int) -> Tensor:
    """Values ``[n, H, W, 4]`` of the cell in front of each pose; ``field`` ``[n, H, W]`` or ``[n, H, W, 4]``."""
    wide = field[..., None].expand(*field.shape, 4) if field.ndim == 3 else field
    right = pad(wide[:, :, 1:, 0], (0, 1), value=fill)
    down = pad(wide[:, 1:, :, 1], (0, 0, 0, 1), value=fill)
    left = pad(wide[:, :, :-1, 2], (1, 0), value=fill)
    up = pad(wide[:, :-1, :, 3], (0, 0, 1, 0), value=fill)
    return torch.stack([right, down, left, up], dim=-1)


def _entering(free: Tensor, shut: Tensor) -> Tensor:
    """Actions that entering a cell costs beside the step, int32 ``[n, H, W, 1]``."""
    return torch.where(free, 0, torch.where(shut, 1, NO_WAY)).int()[..., None]


def costs(final: Tensor, free: Tensor, shut: Tensor) -> Tensor:
    """Actions from every pose to the goal, int32 ``[n, H, W, 4]``; ``NO_WAY`` where there is no path.

    ``final`` int32 ``[n, H, W, 4]``: actions that are left in a pose where the final action succeeds, else ``NO_WAY``.
    ``free`` bool ``[n, H, W]``: cells that can be walked on; ``shut``: doors that can be opened.
    """
    extra = _entering(free, shut)
    cost = final.int()
    while True:
        turn = torch.minimum(cost.roll(1, 3), cost.roll(-1, 3))
        step = ahead((cost + extra).clamp(max=NO_WAY), NO_WAY)
        new = torch.minimum(cost, (torch.minimum(turn, step) + 1).clamp(max=NO_WAY))
        if torch.equal(new, cost):
            return cost
        cost = new


def at_pose(field: Tensor, pose: Tensor) -> Tensor:
    """Values ``[n]`` of a field ``[n, H, W, 4]`` at ``pose`` int64 ``[n, 3]`` (row, column, heading)."""
    return field[torch.arange(len(field)), pose[:, 0], pose[:, 1], pose[:, 2]]


def on_a_shortest_way(cost: Tensor, free: Tensor, pose: Tensor) -> Tensor:
    """Whether a cell lies on some shortest path from ``pose`` to the goal of ``cost``, bool ``[n, H, W]``.

    For maps without doors, where a path walked backwards takes as many steps.
    """
    copy = torch.arange(len(cost))
    behind = torch.full_like(cost, NO_WAY)
    behind[copy, pose[:, 0], pose[:, 1], (pose[:, 2] + 2) % 4] = 0
    back = costs(behind, free, torch.zeros_like(free)).roll(2, 3)
    here = at_pose(cost, pose)[:, None, None, None]
    return ((back + cost == here) & (here < NO_WAY)).any(3)
