"""Observation planes, facts and senses of MiniGrid states, computed from tensors.

State (first axis n): ``grid`` uint8 ``[n, H, W, 3]``, ``pose`` uint8 ``[n, 3]`` (row, column, heading), ``hand`` uint8
``[n, 3]``, ``mission`` uint8 ``[n, 5]`` (all as in :mod:`imprint.models.environments.minigrid.game`), ``image`` uint8
``[n, V, V, 3]`` (MiniGrid's view, rows from far to near), ``over`` bool ``[n]`` (MiniGrid ended the episode) and
``paid`` float32 ``[n]`` (MiniGrid's reward of the last step).

Letters: n copies, H and W rows and columns of the grid, V = 7.
"""

from __future__ import annotations

import torch
from torch import Tensor

from imprint.models.environments.minigrid import game as mg
from imprint.models.environments.minigrid import ways
from imprint.models.states import State

COMPASS = ("east", "south", "west", "north")
THINGS = (mg.KEY, mg.BALL)
"""Kinds that a mission can name for picking up."""
Corner = tuple[int, int] | None


def planes(task: mg.Task) -> tuple[str, ...]:
    """Names of the observation's planes."""
    names = [mg.KINDS[kind] for kind in task.kinds if kind != mg.DOOR]
    names += ["door_open", "door_closed", "door_locked"] if mg.DOOR in task.kinds else []
    names += list(mg.COLOURS) if task.wording else []
    names += [f"facing_{side}" for side in COMPASS]
    names += [f"wanted_{mg.KINDS[kind]}" for kind in THINGS] if "kind" in task.told else []
    return (*names, *(f"wanted_{colour}" for colour in mg.COLOURS)) if "colour" in task.told else tuple(names)


def observation(task: mg.Task, state: State) -> Tensor:
    """One-hot planes float32 ``[n, C, V, V]`` in the order of :func:`planes`."""
    kind, colour, door = state["image"].unbind(-1)
    seen = [kind == k for k in task.kinds if k != mg.DOOR]
    if mg.DOOR in task.kinds:
        seen += [(kind == mg.DOOR) & (door == position) for position in (mg.OPEN, mg.CLOSED, mg.LOCKED)]
    if task.wording:
        coloured = (kind == mg.DOOR) | (kind == mg.KEY) | (kind == mg.BALL)
        seen += [coloured & (colour == c) for c in range(len(mg.COLOURS))]
    constants = [state["pose"][:, 2] == heading for heading in range(len(COMPASS))]
    if "kind" in task.told:
        constants += [state["mission"][:, 0] == k for k in THINGS]
    if "colour" in task.told:
        constants += [state["mission"][:, 1] == c for c in range(len(mg.COLOURS))]
    constant = torch.stack(constants, 1)[:, :, None, None].expand(-1, -1, mg.SIDE, mg.SIDE)
    return torch.cat([torch.stack(seen, 1), constant], 1).float()


def walkable(grid: Tensor) -> Tensor:
    """Cells that can be walked on without harm, bool ``[n, H, W]``."""
    kind = grid[..., 0]
    return (kind == mg.EMPTY) | (kind == mg.FLOOR) | (kind == mg.GOAL) | ((kind == mg.DOOR) & (grid[..., 2] == mg.OPEN))


def wanted(task: mg.Task, state: State) -> Tensor:
    """Cells of what the mission asks for, bool ``[n, H, W]``."""
    grid, mission = state["grid"], state["mission"][:, None, None, :]
    if task.aim == "square":
        return grid[..., 0] == mg.GOAL
    if task.aim == "object":
        return (grid[..., 0] == mission[..., 0]) & (grid[..., 1] == mission[..., 1])
    row, column = torch.arange(grid.shape[1])[:, None], torch.arange(grid.shape[2])
    return (row == mission[..., 2]) & (column == mission[..., 3])


def way_to_goal(task: mg.Task, state: State) -> ways.Way:
    """Shortest paths to what the mission asks for."""
    grid, hand, target = state["grid"], state["hand"], wanted(task, state).int()
    door, how, free = grid[..., 0] == mg.DOOR, grid[..., 2], walkable(grid)
    key = ((hand[:, 0] == mg.KEY)[:, None, None]) & (hand[:, 1, None, None] == grid[..., 1])
    shut = door & ((how == mg.CLOSED) | ((how == mg.LOCKED) & key))
    if task.aim == "square":
        left, last = torch.where(target > 0, 0, ways.NO_WAY)[..., None].expand(*target.shape, 4), mg.FORWARD
    elif task.aim == "object":
        can = (ways.ahead(target, 0) > 0) & (hand[:, 0] == mg.EMPTY)[:, None, None, None]
        left, last = torch.where(can, 1, ways.NO_WAY), mg.PICKUP
    else:
        beside = ways.ahead(target, 0).amax(3, keepdim=True).expand(*target.shape, 4) > 0
        left, last, shut = torch.where(beside, 1, ways.NO_WAY), mg.DONE, torch.zeros_like(shut)
    return ways.Way(ways.costs(left, free, shut), free, shut, last)


def way_to_corner(state: State, corner: tuple[int, int]) -> ways.Way:
    """Shortest paths to the corner, around a green square that lies elsewhere, since that would end the episode."""
    free = walkable(state["grid"])
    here = torch.zeros_like(free)
    here[:, corner[0], corner[1]] = True
    open_ = free & ((state["grid"][..., 0] != mg.GOAL) | here)
    left = torch.where(here & free, 0, ways.NO_WAY)[..., None].expand(*free.shape, 4)
    shut = torch.zeros_like(free)
    return ways.Way(ways.costs(left, open_, shut), open_, shut, mg.FORWARD)


def first_cell(mask: Tensor) -> Tensor:
    """The first cell of ``mask`` ``[n, H, W]`` in reading order, int64 ``[n]``; -1: none."""
    flat = mask.flatten(1)
    return torch.where(flat.any(1), flat.int().argmax(1), -1)


def _number(steps: Tensor) -> Tensor:
    return torch.where(steps >= 0, steps.float(), torch.nan)


def _goal_in_view(task: mg.Task, state: State) -> Tensor:
    image, mission = state["image"], state["mission"][:, None, None, :]
    if task.aim == "square":
        return (image[..., 0] == mg.GOAL).flatten(1).any(1)
    like = (image[..., :2] == mission[..., :2]).all(3)
    like[:, mg.SIDE - 1, mg.SIDE // 2] = False
    return like.flatten(1).any(1)


def facts(task: mg.Task, state: State, corner: Corner) -> dict[str, Tensor]:
    """Exact concepts ``[n]``; :mod:`imprint.models.environments.minigrid.environment` tells what they are."""
    grid, pose = state["grid"], state["pose"].long()
    width, kind = grid.shape[2], grid[..., 0]
    goal = way_to_goal(task, state)
    front = ways.at_pose(ways.ahead(kind.int(), mg.WALL), pose)
    values = {
        "agent_cell": pose[:, 0] * width + pose[:, 1],
        "agent_row": pose[:, 0].float(),
        "agent_column": pose[:, 1].float(),
        "heading": pose[:, 2],
        "goal_cell": first_cell(wanted(task, state)),
        "goal_in_view": _goal_in_view(task, state),
        "goal_distance": _number(goal.length(pose)),
        "goal_way": goal.start(pose),
        "blocked_ahead": ways.at_pose(ways.ahead((walkable(grid) | (kind == mg.LAVA)).int(), 0), pose) == 0,
    }
    if corner is not None:
        way, place = way_to_corner(state, corner), corner[0] * width + corner[1]
        values |= {
            "at_corner": values["agent_cell"] == place,
            "goal_at_corner": values["goal_cell"] == place,
            "corner_distance": _number(way.length(pose)),
            "corner_way": way.start(pose),
        }
    if mg.LAVA in task.kinds:
        values |= _lava(state, front)
    if mg.DOOR in task.kinds and task.aim != "door":
        values |= {"door_open": _open_doors(grid) > 0, "door_ahead": front == mg.DOOR}
    if task.aim == "object" or mg.KEY in task.kinds:
        values["carrying"] = torch.where(state["hand"][:, 0] == mg.EMPTY, mg.UNSEEN, state["hand"][:, 0]).long()
    if mg.KEY in task.kinds and mg.DOOR in task.kinds:
        values["carrying_key"] = state["hand"][:, 0] == mg.KEY
    if "colour" in task.told:
        values |= _mission(task, state, goal)
    return values


def _lava(state: State, front: Tensor) -> dict[str, Tensor]:
    grid, pose = state["grid"], state["pose"].long()
    lava = grid[..., 0] == mg.LAVA
    row, column = torch.arange(lava.shape[1])[:, None], torch.arange(lava.shape[2])
    away = (row - pose[:, 0, None, None]).abs() + (column - pose[:, 1, None, None]).abs()
    nearest = torch.where(lava, away.float(), torch.inf).flatten(1).amin(1)
    strip = lava.any(2) & (torch.arange(lava.shape[1]) > 1)
    return {
        "lava_ahead": front == mg.LAVA,
        "lava_in_view": (state["image"][..., 0] == mg.LAVA).flatten(1).any(1),
        "lava_distance": torch.where(nearest.isinf(), torch.nan, nearest),
        "strip_row": torch.where(strip.any(1), strip.int().argmax(1), -1),
    }


def _mission(task: mg.Task, state: State, goal: ways.Way) -> dict[str, Tensor]:
    values = {"wanted_colour": state["mission"][:, 1].long()}
    at_it = goal.length(state["pose"].long()) == 1
    if "kind" in task.told:
        return values | {"wanted_kind": state["mission"][:, 0].long(), "facing_goal": at_it}
    return values | {"beside_goal": at_it}


def _open_doors(grid: Tensor) -> Tensor:
    return ((grid[..., 0] == mg.DOOR) & (grid[..., 2] == mg.OPEN)).flatten(1).sum(1)


def senses(task: mg.Task, before: State, action: Tensor, after: State, *, corner: Corner) -> dict[str, Tensor]:
    """Crude raw features of a step, float32 ``[n]``; all 0 for a copy that was finished before."""
    going = ~before["over"]
    pose, hand = after["pose"].long(), after["hand"]
    moved = (before["pose"][:, :2] != after["pose"][:, :2]).any(1)
    values = {"goal_reached": after["paid"] > 0, "reward": after["paid"], "bumped": (action == mg.FORWARD) & ~moved}
    if task.aim == "square":
        seen = (after["image"][..., 0] != mg.UNSEEN).flatten(1).sum(1)
        values["greenness"] = (after["image"][..., 0] == mg.GOAL).flatten(1).sum(1) / seen
    if corner is not None:
        values["corner_reached"] = moved & (pose[:, 0] == corner[0]) & (pose[:, 1] == corner[1])
    if mg.LAVA in task.kinds:
        values["lava_touched"] = moved & (after["grid"][torch.arange(len(pose)), pose[:, 0], pose[:, 1], 0] == mg.LAVA)
    picked = (before["hand"][:, 0] == mg.EMPTY) & (hand[:, 0] != mg.EMPTY)
    if task.aim == "object":
        right = (hand[:, :2] == after["mission"][:, :2]).all(1)
        values |= {"picked_right": picked & right, "picked_wrong": picked & ~right}
    if mg.KEY in task.kinds and mg.DOOR in task.kinds:
        values["picked_key"] = picked & (hand[:, 0] == mg.KEY)
    if mg.DOOR in task.kinds and task.aim != "door":
        values["opened_door"] = _open_doors(after["grid"]) > _open_doors(before["grid"])
    return {name: torch.where(going, value.float(), 0.0) for name, value in values.items()}
