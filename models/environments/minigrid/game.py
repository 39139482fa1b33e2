"""The original MiniGrid as a function from a state and an action, written as bytes, to the next state.

The environment is made by ``gymnasium.make`` and left as it is. To play from a state, its grid is decoded by
``Grid.decode`` into MiniGrid's own objects, the agent, the hand and the mission are set, and ``step`` or ``gen_obs`` is
called. The tasks here draw no random numbers after ``reset``, so that the result depends on state and action only;
results are cached (``RAM`` bytes of them in each game).

A *code* is a uint8 vector: the grid ``[H, W, 3]`` (kind, colour, door state: ``Grid.encode`` with rows first), the pose
(row, column, heading), the hand (kind, colour, door state; :data:`EMPTY` when it holds nothing) and the mission (kind,
colour, row, column, phrase; zeros where a task has none). Contents of boxes are not kept: no task here has boxes.

Source: Chevalier-Boisvert et al. 2023, Minigrid & Miniworld (arXiv 2306.13831).

Letters: H and W rows and columns of the grid, walls included; V = 7 cells along a side of the view.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, Literal

import gymnasium
import numpy as np
from gymnasium.utils import seeding

KINDS = ("unseen", "empty", "wall", "floor", "door", "key", "ball", "box", "goal", "lava")
COLOURS = ("red", "green", "blue", "purple", "yellow", "grey")
ACTIONS = ("left", "right", "forward", "pickup", "drop", "toggle", "done")
LEFT, RIGHT, FORWARD, PICKUP, DROP, TOGGLE, DONE = range(7)
UNSEEN, EMPTY, WALL, FLOOR, DOOR, KEY, BALL, BOX, GOAL, LAVA = range(10)
OPEN, CLOSED, LOCKED = range(3)
GREEN = COLOURS.index("green")
SIDE = 7
POSE, HAND, MISSION = 3, 3, 5
RAM = 2**26


@dataclass(frozen=True)
class Task:
    """How MiniGrid's tasks differ."""

    ids: tuple[str, ...]
    """Gymnasium ids."""
    kinds: tuple[int, ...]
    """Kinds of cells that a view can show, besides those out of sight."""
    aim: Literal["square", "object", "door"] = "square"
    """Step onto the green square, pick up an object, or stand beside a door and say ``done``."""
    told: tuple[Literal["kind", "colour"], ...] = ()
    """What the agent must know of the mission, which names one of several objects or doors."""
    wording: str = ""
    """MiniGrid's text of the mission, where levels differ in it."""
    place: bool = False
    """Whether the green square lies in the same corner in every level."""


def _ids(name: str, *variants: str) -> tuple[str, ...]:
    return tuple(f"MiniGrid-{name}{variant}" for variant in variants)


TASKS = (
    Task(_ids("DistShift", "1-v0", "2-v0"), (EMPTY, WALL, GOAL, LAVA), place=True),
    Task(
        _ids("Empty", *(f"-{kind}{s}x{s}-v0" for kind in ("", "Random-") for s in (5, 6)), "-8x8-v0", "-16x16-v0"),
        (EMPTY, WALL, GOAL), place=True,
    ),
    Task(_ids("DoorKey", *(f"-{s}x{s}-v0" for s in (5, 6, 8, 16))), (EMPTY, WALL, DOOR, KEY, GOAL)),
    Task(_ids("MultiRoom", "-N2-S4-v0", "-N4-S5-v1", "-N6-v0"), (EMPTY, WALL, DOOR, GOAL)),
    Task(
        _ids("KeyCorridor", *(f"S{s}R{r}-v0" for s, r in ((3, 1), (3, 2), (3, 3), (4, 3), (5, 3), (6, 3)))),
        (EMPTY, WALL, DOOR, KEY, BALL), "object", wording="pick up the {colour} {kind}",
    ),
    Task(
        _ids("Fetch", "-5x5-N2-v0", "-6x6-N2-v0", "-8x8-N3-v0"),
        (EMPTY, WALL, KEY, BALL), "object", ("kind", "colour"), "{phrase} {colour} {kind}",
    ),
    Task(
        _ids("GoToDoor", *(f"-{s}x{s}-v0" for s in (5, 6, 8))),
        (EMPTY, WALL, DOOR), "door", ("colour",), "go to the {colour} door",
    ),
)  # fmt: skip
TASK_OF = {env: task for task in TASKS for env in task.ids}
PHRASES = ("get a", "go get a", "fetch a", "go fetch a", "you must fetch a")


class Game:
    """One MiniGrid environment that can be set to any state and stepped."""

    def __init__(self, env: str, **options: Any) -> None:
        import minigrid  # noqa: F401 (registers the environments)

        made: Any = gymnasium.make(env, disable_env_checker=True, **options)
        self.task = TASK_OF[env]
        self.sim = made.unwrapped
        self._only: bytes | None = None
        self.height, self.width = int(self.sim.height), int(self.sim.width)
        self.cells = self.height * self.width * 3
        self.code_size = self.cells + POSE + HAND + MISSION
        size = max(1024, RAM // (2 * self.code_size + 400))
        self.play = lru_cache(maxsize=size)(self._play)
        self.look = lru_cache(maxsize=size)(self._look)

    def start(self, seed: int) -> bytes:
        """The code after MiniGrid's ``reset(seed=seed)``; one serves all seeds where ``reset`` draws no number."""
        if self._only is not None:
            return self._only
        self.sim.reset(seed=seed)
        code = self._code() + self._mission()
        untouched = seeding.np_random(seed)[0].bit_generator.state
        self._only = code if self.sim.np_random.bit_generator.state == untouched else None
        return code

    def _mission(self) -> bytes:
        mission = np.zeros(MISSION, dtype=np.uint8)
        if self.task.aim == "door":
            column, row = self.sim.target_pos
            mission[:4] = DOOR, COLOURS.index(self.sim.target_color), row, column
        elif self.task.told:
            phrase = next(i for i, words in enumerate(PHRASES) if self.sim.mission.startswith(f"{words} "))
            kind, colour = KINDS.index(self.sim.targetType), COLOURS.index(self.sim.targetColor)
            mission[:] = kind, colour, 0, 0, phrase
        elif self.task.aim == "object":
            mission[:2] = KINDS.index(self.sim.obj.type), COLOURS.index(self.sim.obj.color)
        return mission.tobytes()

    def reward(self, step: int, limit: int) -> float:
        """MiniGrid's reward for success at this step when ``max_steps`` is ``limit``."""
        self.sim.step_count, self.sim.max_steps = step, limit
        return float(self.sim._reward())  # noqa: SLF001, MiniGrid has no public one

    def mission(self, code: bytes) -> str:
        """MiniGrid's mission text."""
        kind, colour, _, _, phrase = code[-MISSION:]
        if not self.task.wording:
            return str(self.sim.mission)
        return self.task.wording.format(kind=KINDS[kind], colour=COLOURS[colour], phrase=PHRASES[phrase])

    def _play(self, move: bytes) -> bytes:
        """From a code and an action: next code, image ``[V, V, 3]``, whether the episode ended, whether with reward."""
        code, action = move[:-1], move[-1]
        self.enter(code)
        seen, reward, terminated, _, _ = self.sim.step(action)
        flags = bytes([bool(terminated), float(reward) > 0])
        return self._code() + code[-MISSION:] + self._image(seen) + flags

    def _look(self, code: bytes) -> bytes:
        """Image ``[V, V, 3]``, rows from far to near, that MiniGrid shows in this state."""
        self.enter(code)
        return self._image(self.sim.gen_obs())

    @staticmethod
    def _image(seen: dict[str, Any]) -> bytes:
        return np.asarray(seen["image"]).transpose(1, 0, 2).tobytes()

    def _code(self) -> bytes:
        column, row = (int(x) for x in self.sim.agent_pos)
        held = self.sim.carrying
        hand = (EMPTY, 0, 0) if held is None else held.encode()
        grid = self.sim.grid.encode().transpose(1, 0, 2).tobytes()
        return bytes(grid) + bytes([row, column, int(self.sim.agent_dir), *hand])

    def enter(self, code: bytes) -> Any:
        """The environment, set to this state at its first step."""
        from minigrid.core.grid import Grid
        from minigrid.core.world_object import WorldObj

        sim = self.sim
        grid = np.frombuffer(code, np.uint8, self.cells).reshape(self.height, self.width, 3)
        row, column, heading, *hand = code[self.cells : -MISSION]
        sim.grid, _ = Grid.decode(grid.transpose(1, 0, 2))
        sim.agent_pos, sim.agent_dir, sim.step_count = (column, row), heading, 0
        sim.carrying = WorldObj.decode(*hand)
        kind, colour, target_row, target_column, _ = code[-MISSION:]
        if self.task.wording:
            sim.mission = self.mission(code)
        if self.task.aim == "door":
            sim.target_color, sim.target_pos = COLOURS[colour], (target_column, target_row)
        elif self.task.told:
            sim.targetType, sim.targetColor = KINDS[kind], COLOURS[colour]
        elif self.task.aim == "object":
            target = (KINDS[kind], COLOURS[colour])
            objects = [sim.carrying, *sim.grid.grid]
            sim.obj = next((o for o in objects if o is not None and (o.type, o.color) == target), None)
        return sim


@cache
def shared_game(env: str, **options: Any) -> Game:
    """The game of this process for these arguments; all who play it share its cache."""
    return Game(env, **options)
