"""compass: an agent turns and walks about in MiniGrid's empty room; where the green square is, it has to keep in mind.

**Description.** The room of ``MiniGrid-Empty-6x6-v0`` (unless set otherwise), with the green square in the corner where
MiniGrid has it, and no compass. An episode is a walk of 12 steps from anywhere but a corner, facing anywhere: left,
right and forward, equally often. A step into a corner is replaced by ``done``, which does nothing (one onto the square
would end the episode, and one into another corner would tell that it is not there). A frame is MiniGrid's egocentric
7 x 7 view (agent in the middle of the bottom row, facing up) as three planes that are 0 or 1 (wall, green square,
floor; an unseen cell is 0 in all), then four constant planes: the step that is taken next. Every view and every step is
computed by MiniGrid itself, once for each pose. The *decision* moment is ``late``, when the next step is known and not
taken yet; then the square is out of view, the next step is a turn, and no wall is beside or behind the agent.

**Factors.** ``square``: behind which shoulder the square lies at the decision; ``turn``: the next step.
**Abstract concept.** ``appears``: the turn brings the square into view.

``appears`` is a hidden state. But for the square the room looks alike from all four sides, and a walk is turned about
its middle until the square lies where the factor says, so that the frame of the decision is the same whichever it is:
``appears`` follows only from *where* in view the square was last and *how* the agent has turned since. A linear readout
of the whole history of frames and steps gives the shoulder mostly (.9 right) and ``appears`` not at all (.5), since the
same turn brings the square into view or not, depending on the shoulder; a learner that predicts the next frame must
come to it. Steps since the square was in view: 1 or 2 in three of five walks, more in the others.

**Training correlations**: none; the balanced design is the training distribution. **Constants**: none; the room is
MiniGrid's own. **Senses**: ``greenness`` (1 while the square is in view). **Body**: none. Episodes are independent.

Source: Chevalier-Boisvert et al. 2023, Minigrid & Miniworld (arXiv 2306.13831). Version 1.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cache
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from imprint.models.environments.minigrid import game as mg
from imprint.models.settings import FrozenSettings
from imprint.models.steering.base import Senses
from imprint.models.worlds.base import Batch, World

STEPS, DECISION, SIDES = 12, 9, 4
TAKEN = (mg.LEFT, mg.RIGHT, mg.FORWARD, mg.DONE)
"""MiniGrid's actions, in the order of the planes of steps."""
DONE = TAKEN.index(mg.DONE)
SHOWN = (mg.WALL, mg.GOAL, mg.EMPTY)
SQUARE = SHOWN.index(mg.GOAL)
FACING = {"left": 2, "right": 3}
"""Shoulder behind which the square lies -> heading of an agent that has it there: west, north."""


class Room(NamedTuple):
    """MiniGrid's room as tables; pose = 4 cell + heading (east, south, west, north), cells in reading order."""

    view: Tensor
    """What is shown at a pose, float32 ``[poses, 3, 7, 7]``."""
    next: Tensor
    """Pose after a step, int64 ``[poses, 4]``."""
    step: Tensor
    """Step that is taken when one is meant, int64 ``[poses, 3]``: ``done`` in place of a step into a corner."""
    turned: Tensor
    """Pose after quarter turns of the room, clockwise, int64 ``[poses, 4]``."""
    starts: Tensor
    """Poses that are not in a corner."""
    open: Tensor
    """Whether no wall is beside or behind, bool ``[poses]``."""


@cache
def room_of(env: str) -> Room:
    """The room of a Gymnasium id, from MiniGrid's own ``step`` and ``gen_obs``."""
    game = mg.shared_game(env)
    code, side = game.start(0), game.width - 2
    poses = torch.arange(side**2 * SIDES)
    cell, heading = poses // SIDES, poses % SIDES
    view, reached = [], []
    for pose in torch.stack([cell // side + 1, cell % side + 1, heading], 1).tolist():
        at = code[: game.cells] + bytes(pose) + code[game.cells + mg.POSE :]
        view.append(np.frombuffer(game.look(at), np.uint8).reshape(mg.SIDE, mg.SIDE, 3)[..., 0])
        after = [game.play(at + bytes([action]))[game.cells : game.cells + mg.POSE] for action in TAKEN]
        reached.append([((row - 1) * side + column - 1) * SIDES + way for row, column, way in after])
    shown = (torch.from_numpy(np.stack(view))[:, None] == torch.tensor(SHOWN)[:, None, None]).float()
    moved, cells = torch.tensor(reached), torch.arange(side**2).reshape(side, side)
    corner = torch.isin(cell, cells[:: side - 1, :: side - 1].flatten())
    step = torch.where(corner[moved[:, :DONE]] & ~corner[:, None], DONE, torch.arange(DONE))
    turned = torch.stack(
        [torch.rot90(cells, k).flatten()[cell] * SIDES + (heading + k) % SIDES for k in range(SIDES)], 1
    )
    ways = torch.stack([cell * SIDES + (heading + k) % SIDES for k in (1, 2, 3)], 1)
    walls = moved[ways, mg.FORWARD] == ways
    return Room(shown, moved, step, turned, poses[~corner], ~walls.any(1))


class Compass(World):
    """Walks through MiniGrid's empty room; the module docstring describes the world."""

    class Settings(FrozenSettings):
        env: Literal["MiniGrid-Empty-5x5-v0", "MiniGrid-Empty-6x6-v0"] = "MiniGrid-Empty-6x6-v0"
        """Gymnasium id of a room in which all that is not behind the agent is in view."""

    settings: Settings
    factors = {"square": tuple(FACING), "turn": ("left", "right")}
    action_channels = len(TAKEN)
    moments = {"early": 1, "middle": 5, "late": DECISION}
    decision = "late"
    constants = ()

    def __init__(self, settings: Compass.Settings | None = None) -> None:
        super().__init__(settings)
        self.room = room_of(self.settings.env)

    def derive(self, concepts: pd.DataFrame) -> pd.DataFrame:
        """Add ``appears``."""
        return concepts.assign(appears=concepts["square"] == concepts["turn"])

    def set_appears(self, factors: pd.DataFrame, value: np.ndarray) -> pd.DataFrame:
        """Changes ``square``; the turn is kept."""
        turn = factors["turn"].to_numpy(dtype=object)
        return factors.assign(square=np.where(value, turn, np.where(turn == "left", "right", "left")))

    def draw_noise(self, n: int, rng: torch.Generator) -> Mapping[str, Tensor]:
        """Where the walk starts before it is turned, and the steps that are meant, of walks with an open decision."""
        starts, moves = list[Tensor](), list[Tensor]()
        while sum(map(len, starts)) < n:
            start = self.room.starts[torch.randint(0, len(self.room.starts), (3 * n + 8,), generator=rng)]
            meant = torch.randint(0, DONE, (3 * n + 8, STEPS), generator=rng)
            kept = self.room.open[self._walked(start, meant)[0][:, DECISION]]
            starts.append(start[kept])
            moves.append(meant[kept])
        return {"start": torch.cat(starts)[:n], "moves": torch.cat(moves)[:n]}

    def _walked(self, start: Tensor, meant: Tensor) -> tuple[Tensor, Tensor]:
        """Pose at which each frame is seen and step that follows it, int64 ``[n, T]`` each, before all is turned."""
        poses, steps, pose = [], [], start
        for move in meant.unbind(1):
            poses.append(pose)
            steps.append(self.room.step[pose, move])
            pose = self.room.next[pose, steps[-1]]
        return torch.stack(poses, 1), torch.stack(steps, 1)

    def walk(self, concepts: pd.DataFrame, noise: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Pose at which each frame is seen, and number of the step that follows it, int64 ``[n, T]`` each."""
        meant = noise["moves"].clone()
        meant[:, DECISION] = torch.tensor([list(FACING).index(turn) for turn in concepts["turn"].tolist()])
        poses, steps = self._walked(noise["start"], meant)
        facing = torch.tensor([FACING[shoulder] for shoulder in concepts["square"].tolist()])
        quarters = (facing - poses[:, DECISION]) % SIDES
        return self.room.turned[poses, quarters[:, None]], steps

    def render(self, concepts: pd.DataFrame, noise: Mapping[str, Tensor]) -> Tensor:
        """Frames ``[n, 12, 7, 7, 7]``."""
        poses, steps = self.walk(concepts, noise)
        taken = torch.nn.functional.one_hot(steps, self.action_channels).float()
        planes = taken[..., None, None].expand(*taken.shape, mg.SIDE, mg.SIDE)
        return torch.cat([self.room.view[poses], planes], dim=2)

    def masks(self, batch: Batch) -> Mapping[str, Tensor]:
        """The planes of the decisive turn, and the square wherever it was in view before."""
        masks = {name: torch.zeros(batch.observation.shape, dtype=torch.bool) for name in self.factors}
        masks["turn"][:, DECISION, len(SHOWN) :] = True
        masks["square"][:, :DECISION, SQUARE] = batch.observation[:, :DECISION, SQUARE] > 0
        return masks

    def senses(self, batch: Batch, names: Collection[str] | None = None) -> Senses:
        """``greenness``: ``[n, 12]``."""
        return Senses({"greenness": batch.observation[:, :, SQUARE].amax((2, 3))})
