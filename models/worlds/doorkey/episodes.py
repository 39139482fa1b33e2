"""Episodes of MiniGrid DoorKey: how they are acted, recorded, and rendered again with one fact changed.

The environment is made by ``gymnasium.make`` and left as it is; frames come from its own ``step`` and ``gen_obs``.
Positions are MiniGrid's (column, row). Recorded per episode, first axis N:

``shown`` uint8 ``[N, T, 7, 7]`` codes of the view, rows from far to near; ``actions`` uint8 ``[N, T]``; ``draught``
bool ``[N, T]``, the door stands open; ``state`` int64 ``[N, 8]`` at the last step, columns :data:`STATE`;
``carrying`` bool ``[N]`` at the last step; ``group`` int64 ``[N]``, the map.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from functools import cache, lru_cache
from typing import Any, NamedTuple

import gymnasium
import numpy as np
import torch
from torch import Tensor

UNSEEN, EMPTY, WALL, KEY, GOAL, OPEN, CLOSED, LOCKED = range(8)
LEFT, RIGHT, FORWARD, PICKUP, DROP, TOGGLE = range(6)
HEADINGS = ((1, 0), (0, 1), (-1, 0), (0, -1))
STATE = ("wall", "door_row", "key_x", "key_y", "x", "y", "heading", "locked")
"""Columns of a recorded state: the key's cell is where it lies when it is not carried, ``locked`` counts when shut."""
SIZES = {f"MiniGrid-DoorKey-{s}x{s}-v0": s for s in (5, 6, 8, 16)}
"""Gymnasium id -> cells along one side, walls included."""


@cache
def simulator(env: str) -> gymnasium.Env[Any, Any]:
    """MiniGrid's environment of this process."""
    import minigrid  # noqa: F401 (registers the environments)

    made = gymnasium.make(env, disable_env_checker=True)
    made.reset(seed=0)
    return made


def _seen(image: np.ndarray) -> Tensor:
    """Codes ``[7, 7]`` uint8, rows from far to near, of MiniGrid's ``[x, y, (object, colour, state)]``."""
    codes = np.zeros(11, dtype=np.uint8)
    codes[[1, 2, 4, 5, 8]] = EMPTY, WALL, OPEN, KEY, GOAL
    return torch.from_numpy((codes[image[..., 0]] + np.where(image[..., 0] == 4, image[..., 2], 0)).T.astype(np.uint8))


@lru_cache(maxsize=50_000)
def rerender(env: str, state: tuple[int, ...], carrying: bool, opened: bool) -> Tensor:
    """What MiniGrid shows in ``state`` (columns ``STATE``), codes ``[7, 7]``."""
    from minigrid.core.grid import Grid
    from minigrid.core.world_object import Door, Goal, Key

    wall, door_row, key_x, key_y, x, y, heading, locked = state
    sim: Any = simulator(env).unwrapped
    grid = Grid(sim.width, sim.height)
    grid.wall_rect(0, 0, sim.width, sim.height)
    grid.vert_wall(wall, 0)
    grid.set(sim.width - 2, sim.height - 2, Goal())
    grid.set(wall, door_row, Door("yellow", is_open=opened, is_locked=bool(locked) and not opened))
    if not carrying:
        grid.set(key_x, key_y, Key("yellow"))
    sim.grid, sim.carrying = grid, Key("yellow") if carrying else None
    sim.agent_pos, sim.agent_dir = (x, y), heading
    return _seen(sim.gen_obs()["image"])


@lru_cache(maxsize=200_000)
def route(free: frozenset[tuple[int, int]], start: tuple[int, int, int], target: tuple[int, int]) -> int | None:
    """First action of a shortest path to a pose that faces ``target``; None if there is none."""
    queue: deque[tuple[tuple[int, int, int], int]] = deque([(start, FORWARD)])
    known = {start}
    while queue:
        (x, y, heading), first = queue.popleft()
        ahead = (x + HEADINGS[heading][0], y + HEADINGS[heading][1])
        if ahead == target:
            return first
        moves = [(LEFT, (x, y, (heading - 1) % 4)), (RIGHT, (x, y, (heading + 1) % 4))]
        if ahead in free:
            moves.append((FORWARD, (*ahead, heading)))
        for action, node in moves:
            if node not in known:
                known.add(node)
                queue.append((node, action if (x, y, heading) == start else first))
    return None


class Habits(NamedTuple):
    """How episodes are acted, and on which maps."""

    steps: int
    """T, steps of an episode."""
    maps: str
    """``raising`` or ``held_out``."""
    drop_rate: float
    """Probability of the errand of dropping the key."""
    shut_rate: float
    """Probability of the errand of shutting the door."""


class Behaviour:
    """The errands of one episode, carried out along shortest paths and mixed with random actions."""

    def __init__(self, simulator: Any, rng: np.random.Generator, habits: Habits) -> None:
        self.sim, self.rng = simulator, rng
        self.map = map_of(simulator)
        wall, row, *key = self.map
        self.door, self.key = simulator.grid.get(wall, row), simulator.grid.get(*key)
        last = simulator.width - 2
        self.goal = (last, last)
        inside = range(1, last + 1)
        self.floor = frozenset((x, y) for x in inside for y in inside if x != wall and (x, y) != self.goal)
        chain = ["fetch", "open"] + ["drop"] * (rng.random() < habits.drop_rate) + ["enter"]
        chain += ["shut"] * (rng.random() < habits.shut_rate) + ["approach"] * (rng.random() < 0.5)
        stop = len(chain) if rng.random() < 0.6 else int(rng.integers(len(chain) + 1))
        self.errands = chain[:stop]
        self.random_rate = 1.0 if not self.errands else float(rng.choice([0.0, 0.1, 0.3]))

    def action(self) -> int:
        """The next action; never the one that would end the episode."""
        action = int(self.rng.integers(6)) if self.rng.random() < self.random_rate else self._errand()
        if action == FORWARD and tuple(self.sim.front_pos) == self.goal:
            return self._either(LEFT, RIGHT)
        return action

    def _either(self, *actions: int) -> int:
        return actions[int(self.rng.integers(len(actions)))]

    def _errand(self) -> int:
        while self.errands and self._done(self.errands[0]):
            self.errands.pop(0)
        errand = self.errands[0] if self.errands else "wander"
        if errand == "open" and self.door.is_locked and self.sim.carrying is None:
            errand = "fetch"
        wall, row = self.map[:2]
        match errand:
            case "fetch":
                return self._face(_cell(self.key.cur_pos), PICKUP)
            case "open" | "shut":
                return self._face((wall, row), TOGGLE)
            case "enter":
                return self._face((wall + 1, row), FORWARD)
            case "approach":
                return self._face(self.goal, LEFT)
            case "drop" if self.sim.grid.get(*self.sim.front_pos) is None:
                return DROP
            case "drop":
                return self._either(LEFT, RIGHT)
        return self._either(LEFT, RIGHT, FORWARD)

    def _face(self, target: tuple[int, int], final: int) -> int:
        """The next action towards facing ``target``, and there ``final``."""
        if tuple(self.sim.front_pos) == target:
            return final
        free = self.floor | ({self.map[:2]} if self.door.is_open else set())
        if self.sim.carrying is None:
            free = free - {_cell(self.key.cur_pos)}
        action = route(free, (*_cell(self.sim.agent_pos), int(self.sim.agent_dir)), target)
        return self._either(LEFT, RIGHT, FORWARD) if action is None else action

    def _done(self, errand: str) -> bool:
        match errand:
            case "fetch":
                return self.sim.carrying is not None
            case "open":
                return bool(self.door.is_open)
            case "drop":
                return self.sim.carrying is None
            case "enter":
                return bool(self.sim.agent_pos[0] > self.map[0])
            case "shut":
                return not self.door.is_open
        return tuple(self.sim.front_pos) == self.goal

    def state(self) -> list[int]:
        """Columns of :data:`STATE`."""
        x, y = _cell(self.sim.agent_pos)
        wall, row, *start = self.map
        key = _cell(self.key.cur_pos)
        if self.sim.carrying is not None:
            room = sorted(c for c in self.floor if c != (x, y) and c[0] < wall)
            key = min(room, key=lambda c: abs(c[0] - start[0]) + abs(c[1] - start[1]))
        return [wall, row, *key, x, y, int(self.sim.agent_dir), int(self.door.is_locked)]


def _cell(position: Any) -> tuple[int, int]:
    return int(position[0]), int(position[1])


def map_of(simulator: Any) -> tuple[int, int, int, int]:
    """Wall column, door row, key column and row of a newly reset DoorKey."""
    kind = simulator.grid.encode()[..., 0]
    (wall, row), (key_x, key_y) = (np.argwhere(kind == k)[0].tolist() for k in (4, 5))
    return wall, row, key_x, key_y


def record_episode(env: str, habits: Habits, rng: np.random.Generator) -> dict[str, Any] | None:
    """One recorded episode, or None when its map is not among ``habits.maps`` or it ends in the doorway."""
    wrapped = simulator(env)
    seen, _ = wrapped.reset(seed=int(rng.integers(2**31)))
    sim: Any = wrapped.unwrapped
    where = map_of(sim)
    if (sum(where) % 3 == 0) != (habits.maps == "held_out"):
        return None
    behaviour = Behaviour(sim, rng, habits)
    shown, actions, draught = [], [], []
    for step in range(habits.steps):
        shown.append(_seen(seen["image"]))
        draught.append(bool(behaviour.door.is_open))
        actions.append(behaviour.action())
        if step < habits.steps - 1:
            seen, *_ = wrapped.step(actions[-1])
    if _cell(sim.agent_pos) == where[:2]:
        return None
    return {
        "shown": torch.stack(shown),
        "actions": torch.tensor(actions, dtype=torch.uint8),
        "draught": torch.tensor(draught),
        "state": torch.tensor(behaviour.state()),
        "carrying": torch.tensor(sim.carrying is not None),
        "group": torch.tensor(int("".join(f"{number:02d}" for number in where))),
    }


@cache
def recorded_pool(env: str, habits: Habits, count: int, seed: int) -> Mapping[str, Tensor]:
    """``count`` recorded episodes: name -> tensor with first axis ``count``. Thousands of simulator steps a second."""
    rng = np.random.default_rng([seed, SIZES[env], habits.maps == "held_out"])
    episodes: list[dict[str, Any]] = []
    while len(episodes) < count:
        if (episode := record_episode(env, habits, rng)) is not None:
            episodes.append(episode)
    return {name: torch.stack([e[name] for e in episodes]) for name in episodes[0]}
