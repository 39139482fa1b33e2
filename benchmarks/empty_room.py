"""MiniGrid's empty room as an environment of ours: the game that ``benchmarks/worlds.py`` plays in every library.

The room of ``MiniGrid-Empty-8x8-v0``: 8 x 8 cells with walls around, the agent in the upper left corner facing right, a
green square in the lower right one that ends the episode and pays 1 - .9 t / 256 after t steps, at most 256 steps, and
seven actions, of which the last four do nothing here. The view is the 7 x 7 cells in front of the agent, which is in
the middle of the bottom row and faces up. Cells are three planes (wall, square, floor) in place of MiniGrid's three
numbers, nothing hides what is behind it, as in MiniGrid's own room, and what lies outside of the room is wall.

Every copy has a grid of its own that is read anew at every step, so that nothing rests on the room being empty.

Source: Chevalier-Boisvert et al. 2023, Minigrid & Miniworld (arXiv 2306.13831).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from imprint.models.environments.base import Environment, EnvironmentSettings, View
from imprint.models.errors import NotMeasurableError
from imprint.models.states import State

SIDE, REACH, LIMIT = 8, 7, 256
MARGIN = REACH - 1
WIDE = SIDE + 2 * MARGIN
"""Side of the grid with the wall that is seen around the room."""
WALL, SQUARE, FLOOR = range(3)
AHEAD = torch.tensor([1, WIDE, -1, -WIDE])
"""Where a step leads in the flat grid: right, down, left, up."""


def _seen() -> Tensor:
    """Cells of the view by heading, relative to the agent's in the flat grid, int64 ``[4, 49]``."""
    forward, aside = torch.arange(MARGIN, -1, -1)[:, None], torch.arange(REACH) - REACH // 2
    right = AHEAD.roll(-1)  # the heading after a turn to the right
    return torch.stack([(forward * AHEAD[h] + aside * right[h]).flatten() for h in range(4)])


SEEN = _seen()


class EmptyRoom(Environment):
    """The room; see the module's docstring."""

    actions = ("left", "right", "forward", "pickup", "drop", "toggle", "done")
    wages = "pay"

    def __init__(self, *, copies: int) -> None:
        super().__init__(EnvironmentSettings(limit=LIMIT), copies=copies)

    @property
    def view(self) -> View:
        """Wall, square and floor in the 7 x 7 cells in front, seven actions."""
        return View(3, REACH, REACH, len(self.actions))

    def draw(self, n: int, *, rng: torch.Generator, design: str) -> State:
        """The room, which is always the same."""
        del rng, design
        grid = torch.full((n, WIDE, WIDE), WALL, dtype=torch.uint8)
        first, last = MARGIN + 1, MARGIN + SIDE - 2
        grid[:, first : last + 1, first : last + 1] = FLOOR
        grid[:, last, last] = SQUARE
        cell, heading = torch.full((n,), first * WIDE + first), torch.zeros(n, dtype=torch.int64)
        return {"grid": grid.flatten(1), "cell": cell, "heading": heading}

    def observe(self, state: State) -> Tensor:
        """What is in front, float32 ``[n, 3, 7, 7]``; where the agent stands there is floor."""
        codes = state["grid"].gather(1, SEEN.index_select(0, state["heading"]).add_(state["cell"][:, None]))
        codes[:, MARGIN * REACH + REACH // 2] = FLOOR
        planes = torch.empty(len(codes), 3, REACH * REACH, dtype=torch.uint8)  # bytes become floats quickly
        for code in (WALL, SQUARE, FLOOR):
            torch.eq(codes, code, out=planes[:, code])
        return planes.float().unflatten(2, (REACH, REACH))

    def transition(self, state: State, action: Tensor) -> State:
        """The agent after a turn, or a step if no wall is in the way."""
        turn = (action == 1).long() - (action == 0).long()
        heading = (state["heading"] + turn) & 3
        there = state["cell"] + AHEAD[heading]
        free = (action == 2) & (state["grid"].gather(1, there[:, None])[:, 0] != WALL)
        return {**state, "heading": heading, "cell": torch.where(free, there, state["cell"])}

    def ended(self, state: State) -> Tensor:
        """Whether the agent is on the square."""
        return state["grid"].gather(1, state["cell"][:, None])[:, 0] == SQUARE

    def senses(self, before: State, action: Tensor, after: State) -> dict[str, Tensor]:
        """``pay``: what MiniGrid pays."""
        del before, action
        return {"pay": self.ended(after) * (1 - 0.9 * after["clock"] / LIMIT)}

    def facts(self, state: State) -> dict[str, Tensor]:
        """Cell and heading of the agent."""
        row, column = state["cell"] // WIDE - MARGIN, state["cell"] % WIDE - MARGIN
        return {"agent_cell": SIDE * row + column, "heading": state["heading"]}

    def edit(self, state: State, fact: str, value: Any) -> State:
        """Not offered."""
        raise NotMeasurableError("this room is timed, not examined.")

    def paint(self, state: State) -> Tensor:
        """Not offered."""
        raise NotMeasurableError("this room is timed, not looked at.")

    def ascii(self, state: State) -> list[str]:
        """Not offered."""
        raise NotMeasurableError("this room is timed, not looked at.")
