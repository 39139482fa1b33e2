"""MiniGrid worlds for tests, and a search for the shortest way through one."""

from __future__ import annotations

from typing import Any

import torch

from imprint.models.environments.base import Environment
from imprint.models.environments.minigrid import game as mg
from imprint.models.environments.minigrid.environment import Minigrid
from imprint.models.states import State

SHIFT = "MiniGrid-DistShift1-v0"


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def make(env: str = SHIFT, *, copies: int = 1, **settings: Any) -> Minigrid:
    return Minigrid(Minigrid.Settings(env=env, **settings), copies=copies)


def begun(world: Environment, state: State) -> State:
    """A state from MiniGrid's reset, with the clock and the dice that the base class adds."""
    n = len(state["over"])
    return {**state, "key": torch.zeros(n, dtype=torch.int64), "clock": torch.zeros(n, dtype=torch.int64)}


def after(world: Environment, state: State, *actions: int) -> State:
    for action in actions:
        state = world.follow(state, torch.full((len(state["clock"]),), action)).after
    return state


def searched(game: mg.Game, start: bytes, most: int = 60_000) -> list[int]:
    """A shortest list of actions that MiniGrid pays for, by breadth-first search over MiniGrid's own steps."""
    known, layer = {start}, [(start, ())]
    while layer:
        further: list[tuple[bytes, tuple[int, ...]]] = []
        for code, done in layer:
            for action in range(7):
                answer = game.play(code + bytes([action]))
                new = answer[: game.code_size]
                if answer[-1]:
                    return [*done, action]
                if not answer[-2] and new not in known:
                    known.add(new)
                    further.append((new, (*done, action)))
        assert len(known) < most
        layer = further
    return []


# -- it is MiniGrid ---------------------------------------------------------------------------------------------------
