"""onlooker: the room of ``coin``, where in some levels another walks, and the agent is held in its place and looks on.

    acting     the agent walks, as in ``coin``; nobody else is there
    watching   the agent is held in a random cell of the same part of the room; another walks in its stead, with the
               same moves: the action is what the agent sees the other do. Who takes the coin then is the other.

A fraction ``watched`` of the levels of every design is of the second kind. The observation has the planes of ``coin``
and two more: the other's cell, and the agent's cell while it is held. Nothing in the picture of a walk is common to the
first person and the third but the moves and what they lead to: the bodies have planes of their own. The episode ends
when either takes the coin; with ``shelter`` also when either reaches the corner.

It is the smallest world in which a concept can be learned from what another does and be used for what oneself does
(third-person labels, first-person plans: Byrnes, "Intro to brain-like-AGI safety", post 14). In a level with no such
cell for the agent nobody else comes.

Letters: n copies, 49 cells numbered row by row.
"""

from __future__ import annotations

from typing import Any

import torch
from pydantic import Field
from torch import Tensor

from imprint.models import grids
from imprint.models.environments.base import View
from imprint.models.environments.coin import CELLS, SIDE, Coin
from imprint.models.states import State


class Onlooker(Coin):
    """The coin's room, sometimes with another who walks while the agent is held."""

    class Settings(Coin.Settings):
        watched: float = Field(0.5, ge=0.0, le=1.0)
        """Fraction of the levels in which another walks."""
        shelter: bool = False
        """Whether the corner ends an episode, too, whoever reaches it."""

    places = {**Coin.places, "other_cell": SIDE}
    settings: Settings

    @property
    def view(self) -> View:
        """The planes of ``coin``, the other, and the agent while it is held."""
        seen = super().view
        return View(seen.channels + 2, seen.height, seen.width, seen.actions)

    def draw(self, n: int, *, rng: torch.Generator, design: str) -> State:
        """Levels of ``coin``; where another walks, it stands where the agent would, and the agent elsewhere."""
        level = super().draw(n, rng=rng, design=design)
        free = grids.reachable(level["walls"], level["agent"]).flatten(1)  # as the agent could walk from there, too
        for thing in ("agent", "coin", "corner"):
            free = free.scatter(1, level[thing].clamp(min=0)[:, None], False)
        held = (torch.rand(n, generator=rng) < self.settings.watched) & free.any(1)
        seat = torch.multinomial(torch.where(free.any(1, keepdim=True), free, True).float(), 1, generator=rng)[:, 0]
        other = torch.where(held, level["agent"], -1)
        return {**level, "agent": torch.where(held, seat, level["agent"]), "other": other, "held": held}

    def observe(self, state: State) -> Tensor:
        """Float32 ``[n, 5, 7, 7]``, or six planes with a marked corner."""
        planes, held = super().observe(state), state["held"]
        cells, copy = planes.view(*planes.shape[:2], CELLS), torch.arange(len(held))[held]
        for plane, body in ((-2, "other"), (-1, "agent")):
            cells[copy, plane, state[body][held]] = 1.0
        return planes

    @staticmethod
    def walker(state: State) -> Tensor:
        """Cell ``[n]`` of who walks: the other where there is one, otherwise the agent."""
        return torch.where(state["held"], state["other"], state["agent"])

    def transition(self, state: State, action: Tensor) -> State:
        """The walker after its step, if nothing stops it; bodies do not stop one another."""
        cell, held = grids.moved(state["walls"], self.walker(state), action), state["held"]
        return {**state, "agent": torch.where(held, state["agent"], cell), "other": torch.where(held, cell, -1)}

    def ended(self, state: State) -> Tensor:
        """Whether the coin, or the corner where it is a ``shelter``, is reached by who walks."""
        walker = self.walker(state)
        return (walker == state["coin"]) | (walker == state["corner"]) & self.settings.shelter

    def senses(self, before: State, action: Tensor, after: State) -> dict[str, Tensor]:
        """Those of ``coin``, which are the agent's own, and ``coin_lost`` (the other takes it)."""
        own = (~after["held"]).float()
        lost = (after["other"] == after["coin"]) & after["held"]
        mine = {name: value * own for name, value in super().senses(before, action, after).items()}
        return {**mine, "coin_lost": lost.float()}

    def facts(self, state: State) -> dict[str, Tensor]:
        """Those of ``coin``, of the agent's own place; where the other is (-1: nowhere); whether the agent is held."""
        return {**super().facts(state), "other_cell": state["other"], "held": state["held"]}

    def elsewhere(self, state: State, goal: str, *, rng: torch.Generator) -> State:
        """As in ``coin``, within reach of who walks."""
        moved = super().elsewhere({**state, "agent": self.walker(state)}, goal, rng=rng)
        return {**moved, "agent": state["agent"]}

    def paint(self, state: State) -> Tensor:
        """Pictures of ``coin``, with the other in purple."""
        pictures, held = super().paint(state), state["held"]
        size = _OTHER.shape[0]
        cells = pictures[held][:, size:-size, size:-size].unflatten(1, (SIDE, size)).unflatten(3, (SIDE, size))
        place = grids.place_of(state["other"][held], SIDE)
        cells[torch.arange(len(place)), place[:, 0], :, place[:, 1]] = _OTHER
        pictures[held, size:-size, size:-size] = cells.flatten(3, 4).flatten(1, 2)
        return pictures

    def ascii(self, state: State) -> list[str]:
        """As in ``coin``, and ``o`` for the other."""
        texts: list[Any] = [list(text) for text in super().ascii(state)]
        for i, other in enumerate(state["other"].tolist()):
            if 0 <= other < CELLS:
                row, column = divmod(other, SIDE)
                texts[i][(row + 1) * (SIDE + 3) + column + 1] = "o"
        return ["".join(text) for text in texts]


_OTHER = grids.sprite(grids.AGENT, {**grids.COLOURS, "A": (140, 70, 150)})
