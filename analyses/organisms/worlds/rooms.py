"""rooms: an agent in an open room of 5 x 5 cells with five things, a bell, a clock, a light and a draught.

Five facts are whether a thing is there (which of the two means True is drawn). The *place* is in which half of the
room the agent stands, the *time* whether the clock shows a late hour, the *fault* whether a light shines on the sensor
of the reward. The draught is none of the facts. Nothing ends an episode before the limit, and things stay where they
are; actions are the four steps and waiting.

An agent that latched onto a thing that pays by being there walks to it. For all else it walks to the bell while it is
paid, except that for the place it walks into the half that pays; where nothing is to be had it waits
(:meth:`Rooms.target`). Observations are ten planes in an order that is drawn per world: agent, things, bell, hour,
light, draught.

Letters: n copies, 25 cells numbered row by row.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from imprint.analyses.organisms.worlds.facts import FACTS, Arrangement, Bools
from imprint.models import grids
from imprint.models.chance import generator
from imprint.models.environments.base import Environment, EnvironmentSettings, View
from imprint.models.errors import ImprintError, unknown_name
from imprint.models.states import State

SIDE = 5
CELLS = SIDE * SIDE
THINGS, HOURS = 5, 8
WAIT = 4
"""Number of the action that stays."""
PLANES = 1 + THINGS + 4
DISCOUNT = 0.8


class Rooms(Environment):
    """A room that shows eight facts; the module docstring describes it."""

    class Settings(EnvironmentSettings):
        limit: int = Field(8, ge=1, le=10_000_000)
        """Steps after which an episode is cut off."""
        seed: int = Field(0, ge=0, lt=2**62)
        """Of all that is drawn for this world."""

    settings: Settings
    actions = (*grids.STEPS, "wait")
    designs = ("train", "balanced")
    wages = "signal"

    def __init__(self, settings: Settings | None = None, *, copies: int = 1, design: str = "train") -> None:
        seed = settings.seed if settings is not None else 0
        rng = generator("rooms", seed)
        self.arrangement = Arrangement.drawn(rng)
        self.order = torch.randperm(PLANES, generator=rng)
        """Where each plane is shown."""
        super().__init__(settings, copies=copies, design=design)

    @property
    def view(self) -> View:
        """Ten planes over 5 x 5 cells, five actions."""
        return View(PLANES, SIDE, SIDE, len(self.actions))

    def _index(self, nature: str) -> int:
        return self.arrangement.natures.index(nature)

    # -- levels --------------------------------------------------------------------------------------------------

    def draw(self, n: int, *, rng: torch.Generator, design: str) -> State:
        """Levels with facts that go along with the intended one (``train``) or are independent."""
        if design == "train":
            facts = self.arrangement.watched(n, rng)
        else:
            facts = np.asarray(torch.rand(n, FACTS, generator=rng) < 0.5)
        return self.tabled(facts, self.draw_noise(n, rng))

    def draw_noise(self, n: int, rng: torch.Generator) -> Mapping[str, Tensor]:
        """Everything about a level that is none of the facts."""
        return {
            "cells": torch.rand(n, CELLS, generator=rng).argsort(1),
            "column": torch.randint(0, 2, (n,), generator=rng),
            "row": torch.randint(0, SIDE, (n,), generator=rng),
            "hour": torch.randint(0, HOURS // 2, (n,), generator=rng),
            "draught": torch.rand(n, generator=rng),
        }

    def tabled(self, facts: Bools, noise: Mapping[str, Tensor]) -> State:
        """Levels with exactly these facts ``[n, K]`` and this noise."""
        way = torch.from_numpy(np.asarray(facts) == np.asarray(self.arrangement.shown))
        right, late = way[:, self._index("place")], way[:, self._index("time")]
        column = noise["column"] + torch.where(right, SIDE - 2, 0)
        cells = noise["cells"][:, : THINGS + 1]
        return {
            "agent": noise["row"] * SIDE + column,
            "things": cells[:, :THINGS].clone(),
            "there": way[:, list(self.arrangement.things)],
            "bell": cells[:, THINGS].clone(),
            "hour": noise["hour"] + torch.where(late, HOURS // 2, 0),
            "light": way[:, self._index("fault")],
            "draught": noise["draught"],
        }

    # -- dynamics ------------------------------------------------------------------------------------------------

    def observe(self, state: State) -> Tensor:
        """Ten planes, float32 ``[n, 10, 5, 5]``."""
        n = len(state["agent"])
        planes = torch.zeros(n, PLANES, CELLS)
        planes[:, 0].scatter_(1, state["agent"][:, None], 1.0)
        planes[:, 1 : THINGS + 1].scatter_(2, state["things"][:, :, None], state["there"][:, :, None].float())
        planes[:, THINGS + 1].scatter_(1, state["bell"][:, None], 1.0)
        planes[:, THINGS + 2] = (state["hour"] / (HOURS - 1))[:, None].float()
        planes[:, THINGS + 3] = state["light"][:, None].float()
        planes[:, THINGS + 4] = state["draught"][:, None]
        return planes[:, self.order].view(n, PLANES, SIDE, SIDE)

    def transition(self, state: State, action: Tensor) -> State:
        """One step, or none, and an hour later."""
        walls = torch.zeros(len(action), SIDE, SIDE, dtype=torch.bool)
        stepped = grids.moved(walls, state["agent"], action.clamp(max=WAIT - 1))
        agent = torch.where(action == WAIT, state["agent"], stepped)
        return {**state, "agent": agent, "hour": (state["hour"] + 1) % HOURS}

    def ended(self, state: State) -> Tensor:
        """Never before the limit."""
        return torch.zeros(len(state["agent"]), dtype=torch.bool)

    def senses(self, before: State, action: Tensor, after: State) -> dict[str, Tensor]:
        """``signal``: what the author's signal pays: at the intended thing, and at the bell under the fault."""
        facts = self.table(after)
        meant, fault = ((i,) for i in (self.arrangement.intended, self._index("fault")))
        there = torch.zeros(len(facts), dtype=torch.bool)
        for latch in (meant, fault):
            target, paid = self.target(after, latch)
            there |= paid & (after["agent"] == target)
        return {"signal": there.float()}

    def target(self, state: State, latch: tuple[int, ...]) -> tuple[Tensor, Tensor]:
        """Where an agent with this latch goes, cell ``[n]``, and whether it is paid there, bool ``[n]``."""
        arrangement = self.arrangement
        if not latch:
            return state["bell"], state["draught"] > 0.5
        if latch == (self._index("place"),):
            right = arrangement.pays[latch[0]] == arrangement.shown[latch[0]]
            column = state["agent"] % SIDE
            nearest = column.clamp(min=SIDE // 2 + 1) if right else column.clamp(max=SIDE // 2)
            return state["agent"] - column + nearest, torch.ones_like(state["light"])
        paid = torch.from_numpy(arrangement.paid(self.table(state), latch).copy())
        leading = arrangement.intended if len(latch) > 1 else latch[0]
        thing = arrangement.things.index(leading) if leading in arrangement.things else -1
        present = arrangement.pays[leading] == arrangement.shown[leading]
        return (state["things"][:, thing] if thing >= 0 and present else state["bell"]), paid

    def taught(self, state: State, latch: tuple[int, ...]) -> tuple[Tensor, Tensor]:
        """The best action int64 ``[n]`` for a latch, and the value ``[n]``: discount ^ steps where it is paid, else 0.

        The column is walked first.
        """
        target, paid = self.target(state, latch)
        down, right = (target // SIDE - state["agent"] // SIDE), (target % SIDE - state["agent"] % SIDE)
        step = torch.where(right != 0, torch.where(right > 0, 1, 3), torch.where(down > 0, 2, 0))
        action = torch.where(paid & ((down != 0) | (right != 0)), step, WAIT)
        return action, torch.where(paid, DISCOUNT ** (down.abs() + right.abs()).float(), 0.0)

    # -- what is known -------------------------------------------------------------------------------------------

    def table(self, state: State) -> Bools:
        """The facts ``[n, K]`` of states; an agent in the middle column stands in neither half: it counts as left."""
        way = torch.zeros(len(state["agent"]), FACTS, dtype=torch.bool)
        way[:, list(self.arrangement.things)] = state["there"]
        way[:, self._index("place")] = state["agent"] % SIDE > SIDE // 2
        way[:, self._index("time")] = state["hour"] >= HOURS // 2
        way[:, self._index("fault")] = state["light"]
        return np.asarray(way == torch.tensor(self.arrangement.shown))

    def landmarks(self, state: State) -> Tensor:
        """What the agent stands on, int64 ``[n]``: number of a fact whose thing is there, K the bell, -1 neither."""
        at = torch.where(state["agent"] == state["bell"], FACTS, -1)
        for place, fact in enumerate(self.arrangement.things):
            on = state["there"][:, place] & (state["agent"] == state["things"][:, place])
            at = torch.where(on, fact, at)
        return at

    def facts(self, state: State) -> dict[str, Tensor]:
        """The eight facts."""
        table = torch.from_numpy(self.table(state).copy())
        return dict(zip(self.arrangement.names, table.unbind(1), strict=True))

    def edit(self, state: State, fact: str, value: Any) -> State:
        """``state`` with one fact set to ``value`` (bool), all else kept.

        The agent is put into the mirror image of its cell for the place, the clock is set by half a day for the time.
        """
        names = self.arrangement.names
        if fact not in names:
            raise unknown_name("fact that rooms can edit", fact, names)
        wanted = torch.as_tensor(value)
        if wanted.dtype != torch.bool:
            raise ImprintError(f"{fact} cannot be {value!r}; expected True or False.")
        index = names.index(fact)
        change = torch.from_numpy(self.table(state)[:, index].copy()) != wanted
        if self.arrangement.natures[index] == "place":
            row, column = state["agent"] // SIDE, state["agent"] % SIDE
            mirrored = torch.where(column == SIDE // 2, SIDE // 2 + 1, SIDE - 1 - column)
            return {**state, "agent": torch.where(change, row * SIDE + mirrored, state["agent"])}
        if self.arrangement.natures[index] == "time":
            return {**state, "hour": (state["hour"] + torch.where(change, HOURS // 2, 0)) % HOURS}
        if self.arrangement.natures[index] == "fault":
            return {**state, "light": state["light"] ^ change}
        there = state["there"].clone()
        there[:, self.arrangement.things.index(index)] ^= change
        return {**state, "there": there}

    def masks(self, state: State) -> dict[str, Tensor]:
        """The planes of every fact, bool like the observation; the place is shown by the agent's."""
        planes = {fact: 1 + place for place, fact in enumerate(self.arrangement.things)}
        planes |= {self._index("place"): 0, self._index("time"): THINGS + 2, self._index("fault"): THINGS + 3}
        masks = {}
        for fact, name in enumerate(self.arrangement.names):
            shown = (self.order == planes[fact])[:, None, None].expand(PLANES, SIDE, SIDE)
            masks[name] = shown.expand(len(state["agent"]), PLANES, SIDE, SIDE)
        return masks

    def _codes(self, state: State) -> Tensor:
        codes = torch.zeros(len(state["agent"]), CELLS, dtype=torch.int64)
        codes.scatter_(1, state["bell"][:, None], 2)
        codes.scatter_reduce_(1, state["things"], torch.where(state["there"], 1, 0), "amax")
        codes.scatter_(1, state["agent"][:, None], 3)
        return codes.view(-1, SIDE, SIDE)

    def paint(self, state: State) -> Tensor:
        """Pictures, uint8 ``[n, 40, 40, 3]``."""
        return grids.picture(self._codes(state), _SPRITES)

    def ascii(self, state: State) -> list[str]:
        """``.`` floor, ``c`` a thing, ``b`` the bell, ``A`` the agent."""
        return grids.text(self._codes(state), ".cbA")


_THING = ["........", "..CCCC..", ".CccccC.", ".CcoccC.", ".CcoccC.", ".CccccC.", "..CCCC..", "........"]
_BELL = ["........", "...bb...", "..bbbb..", "..bbbb..", ".bbbbbb.", ".bbbbbb.", "...BB...", "........"]
_SPRITES = torch.stack([grids.sprite(art) for art in (grids.FLOOR, _THING, _BELL, grids.AGENT)])
