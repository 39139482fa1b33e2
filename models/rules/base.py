"""The contract of a learning rule: how the weights of a layered network change, once its objective names a target.

    h_0 = x,   a_l = W_l h_{l-1} + b_l,   h_l = tanh(a_l) for l < L,   prediction = a_L, or softmax(a_L)
    loss = mean over rows of  sum_k (a_L - y)_k^2 / 2   (linear),   of the cross-entropy  (softmax)
    d_L = prediction - y        the error at the output, the same formula for both losses

A rule writes :meth:`Rule.changes`: for one batch, what is to be subtracted from every weight and bias, in the place of
a gradient. An optimiser that acts weight by weight takes it from there, so that the same rule can be run with plain
steps or with Adam. A rule says what it needs to know about the rest of the network (:data:`Locality`), and how far
from the gradient its mean change lies, if it claims to follow the gradient; the conformance tests hold it to both.

Rules that have weights or numbers of their own (feedback weights, a running reward) keep them per seed in
:attr:`Rule.own`. Every seed draws from its own generator.

Letters: S seeds, B rows, L layers, d_l units of layer l.
"""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple

import torch
from pydantic import BaseModel
from torch import Tensor

from imprint.models.chance import generator
from imprint.models.registry import Family
from imprint.models.settings import FrozenSettings

RULES = Family("rules", "imprint.models.rules", "Rule")

Locality = Literal["broadcast", "feedback", "transport"]
"""What the change of a weight depends on, beside the activities of the two units that it joins.

``broadcast``: numbers that are the same for all units (the output's error, or a reward). ``feedback``: also what
reaches its unit over feedback weights of the rule's own. ``transport``: also the forward weights of later layers.
"""


class Changes(NamedTuple):
    """What one batch asks of every seed."""

    loss: Tensor
    """``[S]``, before the change."""
    weights: list[Tensor]
    """``[S, d_l, d_{l-1}]`` per layer, to be subtracted."""
    biases: list[Tensor]
    """``[S, d_l]`` per layer, to be subtracted."""


@dataclass(frozen=True)
class Network:
    """The weights of S layered networks as they are now."""

    weights: Sequence[Tensor]
    """``[S, d_l, d_{l-1}]`` per layer."""
    biases: Sequence[Tensor]
    """``[S, d_l]`` per layer."""
    output: Literal["linear", "softmax"] = "linear"

    @property
    def widths(self) -> tuple[int, ...]:
        """d_0, ..., d_L."""
        return (self.weights[0].shape[2], *(weight.shape[1] for weight in self.weights))

    @property
    def hidden(self) -> int:
        """L - 1, how many layers are hidden."""
        return len(self.weights) - 1

    def layer(self, index: int, below: Tensor, noise: Tensor | None = None) -> Tensor:
        """Activities ``[S, B, d]`` of a layer (0 ... L-1) from those below it; ``noise`` is added to a."""
        driven = torch.baddbmm(self.biases[index][:, None], below, self.weights[index].mT)
        driven = driven if noise is None else driven + noise
        if index < self.hidden:
            return torch.tanh(driven)
        return torch.softmax(driven, dim=-1) if self.output == "softmax" else driven

    def activities(self, x: Tensor, noise: Sequence[Tensor] | None = None) -> list[Tensor]:
        """h_0, ..., h_{L-1} and the prediction, from inputs ``[S, B, d_0]``; ``noise`` is that of every layer."""
        found = [x]
        for index in range(len(self.weights)):
            found.append(self.layer(index, found[-1], None if noise is None else noise[index]))
        return found

    def losses(self, prediction: Tensor, y: Tensor) -> Tensor:
        """Loss of every row ``[S, B]``; of targets ``[S, B, d_L]``, which are class probabilities for a softmax."""
        if self.output == "softmax":
            return -(y * prediction.clamp_min(torch.finfo(prediction.dtype).tiny).log()).sum(-1)
        return 0.5 * (prediction - y).square().sum(-1)

    def changes(self, activities: Sequence[Tensor], deltas: Sequence[Tensor], loss: Tensor) -> Changes:
        """Changes by an error ``d_l`` of every unit: mean over rows of d_l h_{l-1}^T; ``deltas`` ``[S, B, d_l]``."""
        rows = activities[0].shape[1]
        pairs = zip(deltas, activities, strict=False)
        return Changes(loss, [d.mT @ below / rows for d, below in pairs], [d.mean(1) for d in deltas])


def slope(activity: Tensor) -> Tensor:
    """Derivative of tanh where it has this value."""
    return 1.0 - activity.square()


def synapses(widths: Sequence[int], first: int = 1) -> int:
    """How many weights layers ``first`` ... L have."""
    return sum(below * above for below, above in itertools.pairwise(widths[first - 1 :]))


class Rule(ABC):
    """One learning rule for S networks of one shape."""

    Settings: ClassVar[type[BaseModel]] = FrozenSettings
    locality: ClassVar[Locality]
    follows_gradient: ClassVar[float | None] = None
    """Largest angle in degrees between its mean change and the gradient, in every layer of an untrained network."""
    layered: ClassVar[bool] = True
    """Whether it teaches layered learners alone; otherwise it teaches every learner."""

    def __init__(self, settings: BaseModel) -> None:
        self.settings = settings
        self.own: dict[str, Tensor] = {}
        """What the rule keeps for itself, name -> ``[S, ...]``."""
        self.rngs: list[torch.Generator] = []

    def start(self, widths: Sequence[int], seeds: Iterable[int]) -> None:
        """Begin with networks of these widths, one per training seed."""
        self.rngs = [generator("rule", type(self).__name__, seed) for seed in seeds]
        self.own = self.initial(widths)

    def initial(self, widths: Sequence[int]) -> dict[str, Tensor]:
        """What :attr:`own` holds before anything is learned. Default: nothing."""
        return {}

    @abstractmethod
    def changes(self, network: Network, x: Tensor, y: Tensor) -> Changes:
        """Changes by inputs ``[S, B, d_0]`` with targets ``[S, B, d_L]``; may change :attr:`own`."""

    @abstractmethod
    def multiply_adds(self, widths: Sequence[int]) -> int:
        """Multiply-adds of all matrix products of :meth:`changes`, for one row of one network, in closed form.

        With F = :func:`synapses` of all layers, U those of layers 2 ... L: a forward pass takes F, and so does the
        outer product of errors and activities; errors that come down through the layers take U.
        """

    def normal(self, *shape: int) -> Tensor:
        """Standard normal numbers ``[S, *shape]``, of each seed from its own generator."""
        return torch.stack([torch.randn(*shape, generator=rng) for rng in self.rngs])

    def state(self, seed: int) -> dict[str, Tensor]:
        """All that one seed needs to go on."""
        return {"generator": self.rngs[seed].get_state(), **{name: t[seed].clone() for name, t in self.own.items()}}

    def load(self, seed: int, state: dict[str, Tensor]) -> None:
        """Put back what :meth:`state` gave."""
        self.rngs[seed].set_state(state["generator"])
        for name, whole in self.own.items():
            whole[seed] = state[name]
