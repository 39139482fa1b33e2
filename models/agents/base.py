"""The contract of an agent: a network from observation and memory to action, with a hook point at every layer.

An agent is a ``HookedRootModule`` (TransformerLens), so that every instrument finds its activations by name. It writes
``forward``: observation and memory to action logits, value and new memory. Seeds train together with a leading seed
axis (:mod:`imprint.models.learning.stacked`), so the forward pass must be free of Python branches on tensor values and
of in-place updates.

Letters: n rows, C channels, H and W cells, A actions, M memory width.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, NamedTuple

import torch
from pydantic import BaseModel
from torch import Tensor, nn
from torch.nn.functional import linear
from transformer_lens import HookedRootModule

from imprint.models.chance import Born
from imprint.models.environments.base import View
from imprint.models.registry import Family
from imprint.models.settings import FrozenSettings

AGENTS = Family("agents", "imprint.models.agents", "Agent")


class Acted(NamedTuple):
    """Result of one forward pass."""

    logits: Tensor
    """``[n, A]`` of the policy."""
    value: Tensor
    """``[n]`` expected discounted reward, by the critic."""
    memory: Tensor
    """``[n, M]`` for the next step; M is 0 for an agent without memory."""


class Agent(Born, HookedRootModule, ABC):
    """An actor and critic; subclasses are final."""

    Settings: ClassVar[type[BaseModel]] = FrozenSettings
    stacks: ClassVar[bool] = False
    """Whether ``forward`` itself takes parameters, observations and memories with a leading seed axis.

    Other agents go through ``torch.func.vmap``; the result is the same and a little slower.
    """
    memory: int = 0
    """M, width of the memory; 0 for a feed-forward agent."""

    def __init__(self, settings: BaseModel, view: View) -> None:
        super().__init__()
        self.settings = settings
        self.view = view

    @property
    @abstractmethod
    def read_points(self) -> tuple[str, ...]:
        """Names of the hook points that are read as sites, from input to output; outputs ``[n, D]``."""

    @property
    @abstractmethod
    def acting_point(self) -> str:
        """The last hook point through which everything passes that the policy and the critic use."""

    @abstractmethod
    def forward(self, observation: Tensor, memory: Tensor) -> Acted:
        """Act on observations ``[n, C, H, W]`` with memory ``[n, M]``."""

    def blank(self, n: int) -> Tensor:
        """The memory at the start of an episode, zeros ``[n, M]``."""
        return torch.zeros(n, self.memory)


def dense(hidden: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """``hidden @ weight.T + bias``: ``[n, D]`` with ``[E, D]`` and ``[E]``, or all of them with a leading seed axis."""
    if weight.ndim == 2:
        return linear(hidden, weight, bias)
    return torch.bmm(hidden, weight.transpose(1, 2)).add_(bias[:, None])


class Dense(nn.Linear):
    """A linear layer that also takes stacked parameters; initial weights orthogonal with ``gain``, initial bias 0.

    Orthogonal initialisation: Saxe et al. 2014 (arXiv 1312.6120).
    """

    def __init__(self, inputs: int, outputs: int, *, gain: float) -> None:
        super().__init__(inputs, outputs)
        nn.init.orthogonal_(self.weight, gain)
        nn.init.zeros_(self.bias)

    def forward(self, hidden: Tensor) -> Tensor:
        """See :func:`dense`."""
        return dense(hidden, self.weight, self.bias)


class Rectified(Dense):
    """A linear layer and its ReLU, computed in place on the layer's own output."""

    def forward(self, hidden: Tensor) -> Tensor:
        """Hidden activations, 0 or above."""
        return super().forward(hidden).relu_()


def heads(hidden: Tensor, policy: Dense, critic: Dense) -> tuple[Tensor, Tensor]:
    """Logits ``[n, A]`` and value ``[n, 1]`` of hidden activations ``[n, D]``, in one matrix product."""
    both = dense(hidden, torch.cat([policy.weight, critic.weight], -2), torch.cat([policy.bias, critic.bias], -1))
    return both[..., :-1], both[..., -1:]
