"""convolutional: channels are mixed with the same weights at every cell, then a trunk of ReLU layers with two heads.

    m_xy = ReLU(M o_xy + b)     h_0 = all m_xy     h_i = ReLU(W_i h_{i-1} + b_i)
    logits = W_policy h_last + b                   value = w_value . h_last + b

A convolution of 1 x 1 cells (Lin et al. 2014, "Network in Network", arXiv 1312.4400): how much the agent makes of one
channel beside another is one number per map, wherever it is seen. In :mod:`imprint.models.agents.actor_critic` it is
another number at every cell, so that accidents of birth average out over cells. Initial weights as there.

Letters: n rows, C channels, H and W cells, F maps, A actions, D width of a layer.
"""

from __future__ import annotations

import itertools
import math

from pydantic import Field
from torch import Tensor, nn
from transformer_lens.hook_points import HookPoint

from imprint.models.agents.base import Acted, Agent, Dense, Rectified, heads
from imprint.models.environments.base import View
from imprint.models.settings import FrozenSettings, Width


class Convolutional(Agent):
    """Feed-forward actor and critic with shared weights over cells; hook points from input to heads."""

    class Settings(FrozenSettings):
        maps: int = Field(8, ge=1, le=10_000_000)
        """F, numbers that the channels of a cell are mixed into."""
        widths: tuple[Width, ...] = Field((128,), min_length=1)
        """Width of each layer of the trunk."""

    stacks = True

    def __init__(self, settings: Convolutional.Settings, view: View) -> None:
        super().__init__(settings, view)
        self.mixing = Rectified(view.channels, settings.maps, gain=math.sqrt(2))
        sizes = (settings.maps * view.height * view.width, *settings.widths)
        self.trunk = nn.ModuleList(Rectified(a, b, gain=math.sqrt(2)) for a, b in itertools.pairwise(sizes))
        self.policy = Dense(sizes[-1], view.actions, gain=0.01)
        self.critic = Dense(sizes[-1], 1, gain=1.0)
        self.hook_in, self.hook_maps = HookPoint(), HookPoint()
        self.hook_logits, self.hook_value = HookPoint(), HookPoint()
        self._hidden = [f"hook_hidden_{i}" for i in range(len(settings.widths))]
        for name in self._hidden:
            self.add_module(name, HookPoint())
        self.setup()  # type: ignore[no-untyped-call]

    @property
    def read_points(self) -> tuple[str, ...]:
        """The input, the maps and every layer of the trunk."""
        return ("hook_in", "hook_maps", *self._hidden)

    @property
    def acting_point(self) -> str:
        """The last layer of the trunk, the only input of both heads."""
        return self._hidden[-1]

    def forward(self, observation: Tensor, memory: Tensor) -> Acted:
        """Act on observations ``[n, C, H, W]``; the memory ``[n, 0]`` is returned unchanged."""
        channels, height, width = self.view.shape
        seen = self.hook_in(observation.flatten(-3)).unflatten(-1, (channels, height * width))
        cells = seen.transpose(-1, -2)
        maps = self.mixing(cells.flatten(-3, -2)).unflatten(-2, cells.shape[-3:-1])
        hidden = self.hook_maps(maps.flatten(-2))
        for layer, name in zip(self.trunk, self._hidden, strict=True):
            hidden = self.get_submodule(name)(layer(hidden))
        logits, value = heads(hidden, self.policy, self.critic)
        return Acted(self.hook_logits(logits), self.hook_value(value).squeeze(-1), memory)
