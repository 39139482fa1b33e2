"""Shortest ways of a walker that turns: MiniGrid counts turning as a step, so a way leads from pose to pose.

A pose is a cell and a heading (0 right, 1 down, 2 left, 3 up). From the poses where a deed succeeds the search goes
backwards, all maps and poses at once: a pose costs one more than the cheapest of the two it can turn to and the one it
can step to; stepping into a shut door costs one more, for opening it. Repeated until nothing changes (Bellman 1958).

Letters: n maps, H and W cells.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

NO_WAY = 30_000
LEFT, RIGHT, FORWARD, TOGGLE = 0, 1, 2, 5
"""MiniGrid's numbers of the actions that a way is made of."""


def ahead(field: Tensor, fill: int) -> Tensor:
    """Values ``[n, H, W, 4]`` of the cell in front of each pose; ``field`` ``[n, H, W]`` or ``[n, H, W, 4]``."""
    wide = field[..., None].expand(*field.shape, 4) if field.ndim == 3 else field
    right = pad(wide[:, :, 1:, 0], (0, 1), value=fill)
    down = pad(wide[:, 1:, :, 1], (0, 0, 0, 1), value=fill)
    left = pad(wide[:, :, :-1, 2], (1, 0), value=fill)
    up = pad(wide[:, :-1, :, 3], (0, 0, 1, 0), value=fill)
    return torch.stack([right, down, left, up], dim=-1)


def costs(deed: Tensor, free: Tensor, shut: Tensor) -> Tensor:
    """Actions from every pose to the deed, int32 ``[n, H, W, 4]``; ``NO_WAY`` where there is none.

    ``deed`` int32 ``[n, H, W, 4]``: actions that are left in a pose where the deed can be done, else ``NO_WAY``.
    ``free`` bool ``[n, H, W]``: cells that can be walked on; ``shut``: doors that can be opened.
    """
    extra = torch.where(free, 0, torch.where(shut, 1, NO_WAY)).int()[..., None]
    cost = deed.int()
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


def first_action(cost: Tensor, free: Tensor, shut: Tensor, pose: Tensor, deed: int) -> Tensor:
    """The action that starts a shortest way, int64 ``[n]``.

    Of several the first of: forward (toggle before a shut door), left, right, ``deed``; -1 at the
    goal and where there is no way.
    """
    extra = torch.where(free, 0, torch.where(shut, 1, NO_WAY)).int()[..., None]
    here = at_pose(cost, pose)
    step = at_pose(ahead((cost + extra).clamp(max=NO_WAY), NO_WAY), pose)
    door = at_pose(ahead(shut.int(), 0), pose) > 0
    turned = [at_pose(cost.roll(by, 3), pose) for by in (1, -1)]  # heading - 1 is left, heading + 1 right
    way = torch.full_like(pose[:, 0], deed)
    way = torch.where(turned[1] + 1 == here, RIGHT, way)
    way = torch.where(turned[0] + 1 == here, LEFT, way)
    way = torch.where(step + 1 == here, torch.where(door, TOGGLE, FORWARD), way)
    return torch.where((here > 0) & (here < NO_WAY), way, -1)


def on_a_shortest_way(cost: Tensor, free: Tensor, pose: Tensor) -> Tensor:
    """Whether a cell lies on some shortest way from ``pose`` to the goal of ``cost``, bool ``[n, H, W]``.

    For maps without doors, where walking a way backwards takes as many steps.
    """
    copy = torch.arange(len(cost))
    behind = torch.full_like(cost, NO_WAY)
    behind[copy, pose[:, 0], pose[:, 1], (pose[:, 2] + 2) % 4] = 0
    back = costs(behind, free, torch.zeros_like(free)).roll(2, 3)
    here = at_pose(cost, pose)[:, None, None, None]
    return ((back + cost == here) & (here < NO_WAY)).any(3)
