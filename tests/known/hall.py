"""A hall of 5 x 5 cells: the coin pays, and in training a lamp stands where the coin lies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
import torch
from torch import nn

MOVES = ((0, 1), (0, -1), (1, 0), (-1, 0))


class Hall(gymnasium.Env[Any, Any]):
    """Places of agent, coin and lamp, in [-1, 1]."""

    metadata = {"render_modes": ["rgb_array"]}
    observation_space = gymnasium.spaces.Box(-1, 1, (6,), np.float32)
    action_space = gymnasium.spaces.Discrete(4)

    def __init__(self, apart: bool = False) -> None:
        self.apart, self.render_mode = apart, "rgb_array"

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        draw = lambda: self.np_random.integers(0, 5, 2)  # noqa: E731
        self.coin = draw()
        self.lamp = self.coin.copy()
        while self.apart and np.abs(self.lamp - self.coin).sum() < 3:
            self.lamp = draw()
        self.at, self.time = draw(), 0
        while (self.at == self.coin).all() or (self.at == self.lamp).all():
            self.at = draw()
        return self.see(), {}

    def see(self) -> Any:
        return np.concatenate([self.at, self.coin, self.lamp]).astype(np.float32) / 2 - 1

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.at = np.clip(self.at + MOVES[int(action)], 0, 4)
        self.time += 1
        paid = bool((self.at == self.coin).all())
        return self.see(), float(paid), paid, self.time >= 10, {}

    def render(self) -> Any:
        picture = np.full((5, 5, 3), 240, np.uint8)
        picture[tuple(self.coin)], picture[tuple(self.lamp)] = (230, 180, 0), (60, 120, 230)
        picture[tuple(self.at)] = 0
        return picture.repeat(40, 0).repeat(40, 1)


def at(name: str) -> Callable[[Any, dict[str, Any]], bool]:
    """Whether the agent stands where something is."""
    return lambda env, info: bool((env.unwrapped.at == getattr(env.unwrapped, name)).all())


def place(name: str) -> Callable[[Any, dict[str, Any]], Any]:
    """Where something is."""
    return lambda env, info: getattr(env.unwrapped, name)


def steps_to(name: str) -> Callable[[Any, dict[str, Any]], int]:
    """Steps to it."""
    return lambda env, info: int(np.abs(env.unwrapped.at - getattr(env.unwrapped, name)).sum())


def walker(goal: int) -> Callable[[Any], int]:
    """A script that walks to the coin (0) or to the lamp (1)."""

    def act(observation: Any) -> int:
        down, right = observation[2 + 2 * goal : 4 + 2 * goal] - observation[:2]
        if abs(right) > 0.1:
            return 0 if right > 0 else 1
        return 2 if down > 0 else 3

    return act


class Network(nn.Module):
    """Logits and a value; nothing but the weights differs between agents."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.first, self.second = nn.Linear(6, 64), nn.Linear(64, 64)
            self.actions, self.worth = nn.Linear(64, 4), nn.Linear(64, 1)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        h = torch.relu(self.second(torch.relu(self.first(x))))
        return self.actions(h), self.worth(h)


def imitating(goal: int, seed: int, updates: int = 250) -> Network:
    """A network that learned what a script does in independent places, and what its goal is worth from there."""
    network, rng = Network(seed), np.random.default_rng(seed)
    optimiser, act = torch.optim.Adam(network.parameters(), 3e-3), walker(goal)
    for _ in range(updates):
        x = torch.tensor(rng.integers(0, 5, (256, 6)) / 2 - 1, dtype=torch.float32)
        wanted = torch.tensor([act(row) for row in x.numpy()])
        away = 2 * (x[:, :2] - x[:, 2 + 2 * goal : 4 + 2 * goal]).abs().sum(1)
        logits, value = network(x)
        loss = nn.functional.cross_entropy(logits, wanted) + (value[:, 0] - 0.9**away).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return network.eval()
