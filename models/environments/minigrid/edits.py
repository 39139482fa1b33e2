"""Edits that change one fact of MiniGrid states.

Each changes the grid, the pose, the hand or the mission, and nothing else; MiniGrid renders it. Values int64 ``[n]``.

Letters: n copies, H and W rows and columns of the grid.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from imprint.models.environments.minigrid import ways
from imprint.models.environments.minigrid.facts import first_cell, walkable, wanted
from imprint.models.environments.minigrid.game import CLOSED, DOOR, EMPTY, GOAL, GREEN, KEY, LAVA, OPEN, Task
from imprint.models.errors import ImprintError
from imprint.models.states import State

Edit = Callable[[Task, State, Tensor], State]


def require(good: Tensor, problem: str, advice: str) -> None:
    """Raise :class:`ImprintError` when some copies are not ``good``, bool ``[n]``."""
    if not bool(good.all()):
        raise ImprintError(f"{problem} in {int((~good).sum())} of {len(good)} copies; {advice}")


def _places(state: State, cell: Tensor) -> Tensor:
    """Masks bool ``[n, H, W]`` of one cell each; empty for -1."""
    _, height, width, _ = state["grid"].shape
    require((cell >= -1) & (cell < height * width), "the cell lies off the map", f"cells go to {height * width - 1}.")
    return (torch.arange(height * width) == cell[:, None]).reshape(-1, height, width)


def agent_mask(state: State) -> Tensor:
    """Masks bool ``[n, H, W]`` of the agent's cell."""
    pose = state["pose"].long()
    return _places(state, pose[:, 0] * state["grid"].shape[2] + pose[:, 1])


def _filled(grid: Tensor, mask: Tensor, thing: tuple[int, int, int] | Tensor) -> Tensor:
    """``grid`` with ``thing`` (one for all, or ``[n, 3]``) in the cells of ``mask`` ``[n, H, W]``."""
    new = torch.as_tensor(thing, dtype=torch.uint8)
    return torch.where(mask[..., None], new if new.ndim == 1 else new[:, None, None, :], grid)


def agent_cell(task: Task, state: State, value: Tensor) -> State:
    """The agent moved; it can stand where MiniGrid lets it: on floor, the goal, lava or in an open door."""
    enterable = walkable(state["grid"]) | (state["grid"][..., 0] == LAVA)
    good = (enterable & _places(state, value)).flatten(1).any(1)
    require(good, "the agent cannot stand on that cell", "choose one that can be walked on.")
    width = state["grid"].shape[2]
    pose = torch.stack([value // width, value % width, state["pose"][:, 2].long()], 1)
    return {**state, "pose": pose.to(torch.uint8)}


def agent_row(task: Task, state: State, value: Tensor) -> State:
    """The agent moved to a row, its column kept."""
    return agent_cell(task, state, value * state["grid"].shape[2] + state["pose"][:, 1].long())


def agent_column(task: Task, state: State, value: Tensor) -> State:
    """The agent moved to a column, its row kept."""
    width = state["grid"].shape[2]
    require((value >= 0) & (value < width), "the column lies off the map", f"columns go to {width - 1}.")
    return agent_cell(task, state, state["pose"][:, 0].long() * width + value)


def heading(task: Task, state: State, value: Tensor) -> State:
    """The agent turned."""
    require((value >= 0) & (value < 4), "the heading is not one of 0 to 3", "0 is right, 1 down, 2 left, 3 up.")
    return {**state, "pose": torch.cat([state["pose"][:, :2], value[:, None].to(torch.uint8)], 1)}


def goal_cell(task: Task, state: State, value: Tensor) -> State:
    """The goal moved to a floor cell or, where the mission names one of several objects, another one named."""
    return _another_named(task, state, value) if task.told else _goal_moved(task, state, value)


def _goal_moved(task: Task, state: State, value: Tensor) -> State:
    old, new = wanted(task, state), _places(state, value)
    floor = (state["grid"][..., 0] == EMPTY) & ~agent_mask(state)
    good = ((floor | old) & new).flatten(1).any(1) | ((value == -1) & (task.aim == "square"))
    require(good, "the goal cannot lie on that cell", "choose an empty one (-1 removes a green square).")
    grid = _filled(state["grid"], old & ~new, (EMPTY, 0, 0))
    if task.aim == "square":
        return {**state, "grid": _filled(grid, new, (GOAL, GREEN, 0))}
    moved = torch.cat([state["mission"][:, :2], torch.zeros_like(state["mission"][:, :1])], 1)
    return {**state, "grid": _filled(grid, new, moved)}


def _another_named(task: Task, state: State, value: Tensor) -> State:
    grid, width = state["grid"], state["grid"].shape[2]
    there = _places(state, value)
    kinds = (DOOR,) if task.aim == "door" else tuple(kind for kind in task.kinds if kind > DOOR)
    good = (torch.isin(grid[..., 0], torch.tensor(kinds, dtype=torch.uint8)) & there).flatten(1).any(1)
    require(good, "nothing that a mission can name lies on that cell", "choose the cell of an object (or a door).")
    row, column = value // width, value % width
    named = grid[torch.arange(len(grid)), row, column, :2]
    where = torch.stack([row, column], 1).to(torch.uint8) if task.aim == "door" else state["mission"][:, 2:4]
    new = {**state, "mission": torch.cat([named, where, state["mission"][:, 4:]], 1)}
    require(first_cell(wanted(task, new)) == value, "the same object lies on an earlier cell", "choose that one.")
    return new


def strip_row(task: Task, state: State, value: Tensor) -> State:
    """DistShift's second strip of lava moved to another row."""
    height = state["grid"].shape[1]
    require((value > 1) & (value < height - 1), "the strip cannot lie there", f"choose a row from 2 to {height - 2}.")
    lava = state["grid"][..., 0] == LAVA
    row = torch.arange(height)[None, :, None]
    old = lava & (row > 1)
    new = old.any(1, keepdim=True) & (row == value[:, None, None])
    floor = (state["grid"][..., 0] == EMPTY) & ~agent_mask(state)
    require(((floor | old) | ~new).flatten(1).all(1), "something is in the way of the strip", "choose another row.")
    return {**state, "grid": _filled(_filled(state["grid"], old, (EMPTY, 0, 0)), new, (LAVA, 0, 0))}


def door_open(task: Task, state: State, value: Tensor) -> State:
    """All doors opened where none is open, or all open doors shut (not locked)."""
    grid, open_ = state["grid"], value.bool()[:, None, None]
    door = grid[..., 0] == DOOR
    opened = door & (grid[..., 2] == OPEN)
    to_open = door & open_ & ~opened.flatten(1).any(1)[:, None, None]
    to_shut = opened & ~open_
    require(~(to_shut & agent_mask(state)).flatten(1).any(1), "the agent stands in the door", "move it first.")
    position = torch.where(to_open, OPEN, torch.where(to_shut, CLOSED, grid[..., 2]))
    return {**state, "grid": torch.cat([grid[..., :2], position[..., None].to(torch.uint8)], 3)}


def carrying_key(task: Task, state: State, value: Tensor) -> State:
    """The (first) key taken into the hand, or the carried one put down on the nearest floor that can be walked to."""
    grid, hand, carried = state["grid"], state["hand"], state["hand"][:, 0] == KEY
    take, lay = value.bool() & ~carried, ~value.bool() & carried
    lying = grid[..., 0] == KEY
    possible = ~take | (lying.flatten(1).any(1) & (hand[:, 0] == EMPTY))
    require(possible, "no key lies there, or the hand is full", "put down what is carried first.")
    first = _places(state, first_cell(lying))
    key = grid.flatten(1, 2)[torch.arange(len(grid)), first_cell(lying).clamp(min=0)]
    here, free = agent_mask(state), walkable(grid)
    start = torch.where(here, 0, ways.NO_WAY).int()[..., None].expand(*here.shape, 4)
    steps = ways.costs(start, free | here, torch.zeros_like(free)).amin(3)
    steps = torch.where((grid[..., 0] == EMPTY) & ~here, steps, ways.NO_WAY).flatten(1)
    require(~lay | (steps.amin(1) < ways.NO_WAY), "there is no floor to put the key on", "move the agent first.")
    spot = _places(state, steps.argmin(1))
    new = _filled(grid, first & take[:, None, None], (EMPTY, 0, 0))
    new = _filled(new, spot & lay[:, None, None], hand)
    nothing = torch.tensor([EMPTY, 0, 0], dtype=torch.uint8)
    held = torch.where(take[:, None], key, torch.where(lay[:, None], nothing, hand))
    return {**state, "grid": new, "hand": held}


def editors(task: Task) -> dict[str, Edit]:
    """Edits of this task: name of the fact -> function of task, state and value."""
    edits: list[Edit] = [agent_cell, agent_row, agent_column, heading, goal_cell]
    edits += [strip_row] if LAVA in task.kinds else []
    edits += [door_open] if DOOR in task.kinds and task.aim != "door" else []
    edits += [carrying_key] if DOOR in task.kinds and KEY in task.kinds else []
    return {edit.__name__: edit for edit in edits}
