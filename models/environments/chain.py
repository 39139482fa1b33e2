"""chain: a row of cells with a cue near the start and an outcome at the end, small enough to know every value exactly.

The walker starts in cell 0. ``forward`` moves it one cell on, but with probability ``slip`` one cell back; ``stay``
leaves it where it is. In cell ``cue_at`` a cue, on or off, tells the outcome in the last cell; the observation shows it
there and (``kept``) in every later cell. The episode ends in the last cell.

    design      cue on      outcome in the last cell
    train       ``odds``    follows the cue with probability ``reliable``
    cue_alone   always      never (extinction)

The observation is tabular: one cell of one of three rows is 1 (row 0: no cue seen, row 1: on, row 2: off), so that a
linear readout of it is a table with one number per state, and temporal-difference learning has closed forms (random
walks: Sutton & Barto 2018, example 6.2). ``status`` is the row.

Letters: n copies, N cells.
"""

from __future__ import annotations

from typing import Any

import torch
from pydantic import Field, model_validator
from torch import Tensor

from imprint.models.chance import uniform
from imprint.models.environments.base import Environment, EnvironmentSettings, View
from imprint.models.errors import ImprintError, unknown_name
from imprint.models.states import State

UNSEEN, ON, OFF = 0, 1, 2
STAY, FORWARD = 0, 1


class Chain(Environment):
    """A row of cells with a cue and an outcome."""

    class Settings(EnvironmentSettings):
        cells: int = Field(8, ge=3, le=64)
        """N, length of the row."""
        cue_at: int = Field(0, ge=0, le=10_000_000)
        """Cell from which on the cue is seen."""
        kept: bool = True
        """Whether the cue stays in sight; otherwise it is seen in its own cell only."""
        odds: float = Field(0.5, ge=0.0, le=1.0)
        """Probability that the cue is on."""
        reliable: float = Field(1.0, ge=0.0, le=1.0)
        """Probability that the outcome is the one that the cue tells."""
        slip: float = Field(0.0, ge=0.0, lt=0.5)
        """Probability that a step forward leads one cell back."""

        @model_validator(mode="after")
        def _cue_before_the_end(self) -> Chain.Settings:
            if self.cue_at >= self.cells - 1:
                raise ValueError(f"cue_at is {self.cue_at} in a row of {self.cells}; expected one before the last cell")
            return self

    actions = ("stay", "forward")
    designs = ("train", "cue_alone")
    wages = "outcome"
    goals = {"end": "end_reached"}
    constants = ()
    settings: Settings

    @property
    def view(self) -> View:
        """Three rows of N cells."""
        return View(3, 1, self.settings.cells, len(self.actions))

    def draw(self, n: int, *, rng: torch.Generator, design: str) -> State:
        """Walkers in cell 0, with cue and outcome."""
        chance = torch.rand(n, 2, generator=rng)
        cue = chance[:, 0] < self.settings.odds
        pays = cue ^ (chance[:, 1] >= self.settings.reliable)
        if design == "cue_alone":
            cue, pays = torch.ones_like(cue), torch.zeros_like(pays)
        return {"cell": torch.zeros(n, dtype=torch.int64), "cue": cue, "pays": pays, "seen": self._at_cue(0, cue)}

    def _at_cue(self, cell: Tensor | int, like: Tensor) -> Tensor:
        return torch.as_tensor(cell == self.settings.cue_at).expand(like.shape).clone()

    def _status(self, state: State) -> Tensor:
        return torch.where(state["seen"], torch.where(state["cue"], ON, OFF), UNSEEN)

    def observe(self, state: State) -> Tensor:
        """Three rows with a single 1, float32 ``[n, 3, 1, N]``."""
        index = self._status(state) * self.settings.cells + state["cell"]
        table = torch.zeros(len(index), 3 * self.settings.cells)
        return table.scatter_(1, index[:, None], 1.0).reshape(-1, *self.view.shape)

    def transition(self, state: State, action: Tensor) -> State:
        """One cell on, or one back when the step slips."""
        chance, key = uniform(state["key"], 1)
        step = torch.where(chance[:, 0] < self.settings.slip, -1, 1) * (action == FORWARD)
        cell = (state["cell"] + step).clamp(0, self.settings.cells - 1)
        here = self._at_cue(cell, state["seen"])
        seen = state["seen"] | here if self.settings.kept else here
        return {**state, "cell": cell, "seen": seen, "key": key}

    def ended(self, state: State) -> Tensor:
        """Whether the walker is in the last cell."""
        return state["cell"] == self.settings.cells - 1

    def senses(self, before: State, action: Tensor, after: State) -> dict[str, Tensor]:
        """``outcome`` and ``end_reached`` on arrival in the last cell, ``cue`` while a cue that is on is in sight."""
        arrived = self.ended(after) & ~self.ended(before)
        return {
            "outcome": (arrived & after["pays"]).float(),
            "end_reached": arrived.float(),
            "cue": (after["seen"] & after["cue"]).float(),
        }

    def facts(self, state: State) -> dict[str, Tensor]:
        """Cell and row of the observation, cue, outcome, and steps to the last cell without slips."""
        return {
            "cell": state["cell"],
            "status": self._status(state),
            "cue": state["cue"],
            "pays": state["pays"],
            "end_distance": (self.settings.cells - 1 - state["cell"]).float(),
        }

    def distances(self, state: State) -> dict[str, Tensor]:
        """Steps to the last cell when nothing slips."""
        return {"end": self.settings.cells - 1 - state["cell"]}

    def edit(self, state: State, fact: str, value: Any) -> State:
        """``state`` with ``cell``, ``cue`` or ``pays`` (the outcome) set; a cue that was seen stays seen."""
        if fact not in ("cell", "cue", "pays"):
            raise unknown_name("fact that chain can edit", fact, ("cell", "cue", "pays"))
        new = torch.as_tensor(value).to(state[fact].dtype).expand(state[fact].shape).clone()
        if fact != "cell":
            return {**state, fact: new}
        if bool(((new < 0) | (new >= self.settings.cells)).any()):
            raise ImprintError(f"cell is {new.tolist()[:8]}; expected 0 to {self.settings.cells - 1}.")
        here = self._at_cue(new, state["seen"])
        return {**state, "cell": new, "seen": state["seen"] | here if self.settings.kept else here}

    def cell_of(self, state: State) -> Tensor:
        """Row 0 and the cell, int64 ``[n, 2]``."""
        return torch.stack([torch.zeros_like(state["cell"]), state["cell"]], dim=1)

    def put(self, state: State, cell: Tensor) -> State:
        """The walker moved along the row."""
        if bool((cell[:, 0] != 0).any()):
            raise ImprintError("a chain has row 0 only.")
        return self.edit(state, "cell", cell[:, 1])

    def paint(self, state: State) -> Tensor:
        """Pictures, uint8 ``[n, 8, 8 N, 3]``: the walker grey, green or red with the cue in sight, the end golden."""
        n, cells = len(state["cell"]), self.settings.cells
        colours = torch.tensor(_COLOURS, dtype=torch.uint8)
        code = torch.zeros(n, cells, dtype=torch.int64)
        code[:, -1] = torch.where(state["pays"], 4, 5)
        code.scatter_(1, state["cell"][:, None], 1 + self._status(state)[:, None])
        return colours[code].repeat_interleave(8, dim=1)[:, None].expand(n, 8, 8 * cells, 3).contiguous()

    def ascii(self, state: State) -> list[str]:
        """``.`` cell, ``$`` an outcome, ``_`` none; the walker is ``o``, with a cue in sight ``+`` or ``-``."""
        lines, parts = [], (state["cell"], self._status(state), state["pays"])
        for cell, status, pays in zip(*(part.tolist() for part in parts), strict=True):
            line = ["."] * (self.settings.cells - 1) + ["$" if pays else "_"]
            line[cell] = "o+-"[status]
            lines.append("".join(line))
        return lines


_COLOURS = [(238, 236, 228), (90, 96, 108), (40, 150, 90), (190, 60, 50), (236, 178, 36), (200, 198, 190)]
