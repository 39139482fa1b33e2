"""recurrent: an encoder and a gated recurrent memory under a policy head and a value head.

    e = encoder(observation)            ReLU layers
    r, z = sigmoid(W [e; m]),   c = tanh(U [e; r m]),   m' = z m + (1 - z) c
    logits = W_policy m' + b            value = w_value . m' + b

The cell is the gated recurrent unit (Cho et al. 2014, arXiv 1406.1078), written out, one matrix product for both gates,
so that it runs with a leading seed axis. An actor and a critic on one recurrent memory: Mnih et al. 2016 (A3C, arXiv
1602.01783). Initial weights are orthogonal with gain sqrt(2) in the encoder, 1 in the cell, 0.01 in the policy head and
1 in the value head (Huang et al. 2022, "The 37 Implementation Details of Proximal Policy Optimization").

The caller sets the memory to zero where an episode begins.

Letters: n rows, C channels, H and W cells, A actions, M memory width.
"""

from __future__ import annotations

import itertools
import math

import torch
from pydantic import Field
from torch import Tensor, nn
from transformer_lens.hook_points import HookPoint

from imprint.models.agents.base import Acted, Agent, Dense, Rectified, heads
from imprint.models.environments.base import View
from imprint.models.settings import FrozenSettings, Width


class Recurrent(Agent):
    """Actor and critic on a gated recurrent memory; hook points at the input, every layer, the memory and the heads."""

    class Settings(FrozenSettings):
        widths: tuple[Width, ...] = Field((128,), min_length=1)
        """Width of each layer of the encoder."""
        memory: int = Field(64, ge=1, le=65_536)
        """M, width of the memory."""

    stacks = True
    acting_point = "hook_memory"  # the memory is the only input of both heads

    def __init__(self, settings: Recurrent.Settings, view: View) -> None:
        super().__init__(settings, view)
        self.memory = settings.memory
        sizes = (math.prod(view.shape), *settings.widths)
        self.encoder = nn.ModuleList(Rectified(a, b, gain=math.sqrt(2)) for a, b in itertools.pairwise(sizes))
        self.gates = Dense(sizes[-1] + self.memory, 2 * self.memory, gain=1.0)
        self.candidate = Dense(sizes[-1] + self.memory, self.memory, gain=1.0)
        self.policy = Dense(self.memory, view.actions, gain=0.01)
        self.critic = Dense(self.memory, 1, gain=1.0)
        self.hook_in, self.hook_memory = HookPoint(), HookPoint()
        self.hook_logits, self.hook_value = HookPoint(), HookPoint()
        self._encoding = [f"hook_encoding_{i}" for i in range(len(settings.widths))]
        for name in self._encoding:
            self.add_module(name, HookPoint())
        self.setup()  # type: ignore[no-untyped-call]

    @property
    def read_points(self) -> tuple[str, ...]:
        """The input, every layer of the encoder and the memory."""
        return ("hook_in", *self._encoding, "hook_memory")

    def forward(self, observation: Tensor, memory: Tensor) -> Acted:
        """Act on observations ``[n, C, H, W]`` with memory ``[n, M]``."""
        encoding = self.hook_in(observation.flatten(-3))
        for layer, name in zip(self.encoder, self._encoding, strict=True):
            encoding = self.get_submodule(name)(layer(encoding))
        reset, keep = torch.sigmoid(self.gates(torch.cat([encoding, memory], dim=-1))).chunk(2, dim=-1)
        candidate = torch.tanh(self.candidate(torch.cat([encoding, reset * memory], dim=-1)))
        memory = self.hook_memory(keep * memory + (1 - keep) * candidate)
        logits, value = heads(memory, self.policy, self.critic)
        return Acted(self.hook_logits(logits), self.hook_value(value).squeeze(-1), memory)
