"""actor_critic: one trunk of ReLU layers with a policy head and a value head; no memory.

    h_0 = observation, flattened        h_i = ReLU(W_i h_{i-1} + b_i)
    logits = W_policy h_last + b        value = w_value . h_last + b

The shared trunk is that of Mnih et al. 2016 (A3C, arXiv 1602.01783). Initial weights are orthogonal with gain sqrt(2)
in the trunk, 0.01 in the policy head and 1 in the value head, biases 0, as in the code of Baselines (Huang et al. 2022,
"The 37 Implementation Details of Proximal Policy Optimization", detail 2), so that an untrained agent acts at random.

Letters: n rows, C channels, H and W cells, A actions, D width of a layer.
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


class ActorCritic(Agent):
    """Feed-forward actor and critic; hook points at the input, at every layer of the trunk and at the two heads."""

    class Settings(FrozenSettings):
        widths: tuple[Width, ...] = Field((128, 128), min_length=1)
        """Width of each layer of the trunk."""

    stacks = True

    def __init__(self, settings: ActorCritic.Settings, view: View) -> None:
        super().__init__(settings, view)
        sizes = (math.prod(view.shape), *settings.widths)
        self.trunk = nn.ModuleList(Rectified(a, b, gain=math.sqrt(2)) for a, b in itertools.pairwise(sizes))
        self.policy = Dense(sizes[-1], view.actions, gain=0.01)
        self.critic = Dense(sizes[-1], 1, gain=1.0)
        self.hook_in, self.hook_logits, self.hook_value = HookPoint(), HookPoint(), HookPoint()
        self._hidden = [f"hook_hidden_{i}" for i in range(len(settings.widths))]
        for name in self._hidden:
            self.add_module(name, HookPoint())
        self.setup()  # type: ignore[no-untyped-call]

    @property
    def read_points(self) -> tuple[str, ...]:
        """The input and every layer of the trunk."""
        return ("hook_in", *self._hidden)

    @property
    def acting_point(self) -> str:
        """The last layer of the trunk, the only input of both heads."""
        return self._hidden[-1]

    def forward(self, observation: Tensor, memory: Tensor) -> Acted:
        """Act on observations ``[n, C, H, W]``; the memory ``[n, 0]`` is returned unchanged."""
        hidden = self.hook_in(observation.flatten(-3))
        for layer, name in zip(self.trunk, self._hidden, strict=True):
            hidden = self.get_submodule(name)(layer(hidden))
        logits, value = heads(hidden, self.policy, self.critic)
        return Acted(self.hook_logits(logits), self.hook_value(value).squeeze(-1), memory)
