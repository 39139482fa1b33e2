"""Interactive worlds small enough for everything about them to be known beforehand."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from imprint.models.chance import uniform
from imprint.models.environments.base import Environment, EnvironmentSettings, View
from imprint.models.states import State


class Small(Environment):
    """What the small worlds share: nothing to see from outside."""

    goals = {"right": "right"}
    wages = "right"

    def facts(self, state: State) -> dict[str, Tensor]:
        return {"clock": state["clock"]}

    def edit(self, state: State, fact: str, value: Any) -> State:
        raise NotImplementedError

    def paint(self, state: State) -> Tensor:
        raise NotImplementedError

    def ascii(self, state: State) -> list[str]:
        raise NotImplementedError


class Recall(Small):
    """A cue, ``wait`` empty steps, then the question which it was; a right answer is paid."""

    actions = ("left", "right")

    def __init__(self, wait: int, copies: int = 1) -> None:
        self.wait = wait
        super().__init__(EnvironmentSettings(limit=wait + 5), copies=copies)

    @property
    def view(self) -> View:
        return View(3, 1, 1, 2)

    def draw(self, n: int, *, rng: torch.Generator, design: str) -> State:
        return {"cue": torch.randint(0, 2, (n,), generator=rng), "answer": torch.full((n,), -1)}

    def observe(self, state: State) -> Tensor:
        cued = torch.nn.functional.one_hot(state["cue"], 2) * (state["clock"] == 0)[:, None]
        asked = (state["clock"] == self.wait)[:, None]
        return torch.cat([cued, asked], 1).float()[:, :, None, None]

    def transition(self, state: State, action: Tensor) -> State:
        return {**state, "answer": torch.where(state["clock"] == self.wait, action, -1)}

    def ended(self, state: State) -> Tensor:
        return state["answer"] >= 0

    def senses(self, before: State, action: Tensor, after: State) -> dict[str, Tensor]:
        return {"right": (after["answer"] == after["cue"]).float()}


class Wage(Small):
    """Every step is paid. An episode ends by chance with probability ``ends`` a step, or is cut off at the limit.

    Shown are the episode's own number and the clock.
    """

    actions = ("wait", "work", "sleep")

    def __init__(self, limit: int, ends: float = 0.0, copies: int = 1) -> None:
        self.ends = ends
        super().__init__(EnvironmentSettings(limit=limit), copies=copies)

    @property
    def view(self) -> View:
        return View(2, 1, 1, 3)

    def draw(self, n: int, *, rng: torch.Generator, design: str) -> State:
        return {"number": torch.rand(n, generator=rng), "over": torch.zeros(n, dtype=torch.bool)}

    def observe(self, state: State) -> Tensor:
        return torch.stack([state["number"], state["clock"] / self.settings.limit], 1)[:, :, None, None]

    def transition(self, state: State, action: Tensor) -> State:
        chance, key = uniform(state["key"], 1)
        return {**state, "key": key, "over": chance[:, 0] < self.ends}

    def ended(self, state: State) -> Tensor:
        return state["over"]

    def senses(self, before: State, action: Tensor, after: State) -> dict[str, Tensor]:
        return {"right": torch.ones(len(action))}

    def body(self, state: State) -> dict[str, Tensor]:
        return {"tired": state["clock"].float()}
