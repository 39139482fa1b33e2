"""A world model that is the coin world itself, so that plans and gaps have exact answers."""

from __future__ import annotations

import torch
from torch import Tensor

from imprint.models.environments.coin import Coin
from imprint.models.imagination.world_model import WorldModel


class TrueModel(WorldModel):
    """Latents are the world's planes, the dynamics its own; summary: on the coin, in the top half, a constant."""

    def __init__(self, world: Coin) -> None:
        super().__init__(WorldModel.Settings(channels=3, summary=3), world.view)
        self.world = world

    def encode(self, observation: Tensor) -> Tensor:
        return observation.flatten(2).transpose(1, 2)

    def step(self, maps: Tensor, action: Tensor) -> Tensor:
        walls = maps[..., 0].reshape(-1, 7, 7) > 0
        state = {"walls": walls, "agent": maps[..., 1].argmax(1), "coin": maps[..., 2].argmax(1)}
        return self.encode(self.world.observe(self.world.transition(state, action)))

    def branch(self, maps: Tensor) -> Tensor:
        return torch.stack([self.step(maps, torch.full((len(maps),), action)) for action in range(4)], 1)

    def summary(self, maps: Tensor) -> Tensor:
        on_coin = (maps[..., 1] * maps[..., 2]).sum(-1)
        return torch.stack([on_coin, maps[..., :21, 1].sum(-1), torch.ones_like(on_coin)], -1)
