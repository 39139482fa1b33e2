"""A reward model: a network trained to predict the reward of a step from the observations before and after it.

    R(o, o') = MLP(o, o')        trained by squared error on the rewards of steps

Christiano et al. 2017 (arXiv 1706.03741) learn such a model from comparisons; here the reward itself is given, so that
generalisation is not confounded with noise in the comparisons. Seeds train as one stack, each on its own steps.

Letters: S seeds, n steps, C channels, H and W cells.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
from pydantic import Field
from torch import Tensor, nn

from imprint.models.chance import Born
from imprint.models.environments.base import View
from imprint.models.errors import ImprintError
from imprint.models.learning.stacked import Stacked
from imprint.models.settings import FrozenSettings, Width


class RewardModel(Born, nn.Module):
    """A multilayer perceptron on the observations before and after a step."""

    class Settings(FrozenSettings):
        widths: tuple[Width, ...] = Field((128, 128), min_length=1)
        """Width of each hidden layer."""

    def __init__(self, settings: Settings, view: View) -> None:
        super().__init__()
        sizes = (2 * math.prod(view.shape), *settings.widths)
        layers: list[nn.Module] = []
        for a, b in itertools.pairwise(sizes):
            layers += [nn.Linear(a, b), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.Linear(sizes[-1], 1))

    def forward(self, before: Tensor, after: Tensor) -> Tensor:
        """Reward ``[n]`` of steps from ``before`` to ``after``, ``[n, C, H, W]`` each."""
        reward: Tensor = self.layers(torch.cat([before.flatten(1), after.flatten(1)], dim=1))[:, 0]
        return reward


def teach(
    models: Sequence[RewardModel],
    before: Tensor,
    after: Tensor,
    reward: Tensor,
    *,
    epochs: int = 4,
    rows: int = 512,
    learning_rate: float = 1e-3,
    rng: torch.Generator,
) -> Tensor:
    """Train S models, each on its own steps ``[S, n, C, H, W]`` with rewards ``[S, n]``.

    Adam on minibatches of ``rows`` steps, in a new order per epoch and seed. Returns the losses ``[S]``, means over the
    last epoch. Raises :class:`ImprintError` for fewer steps than a minibatch holds, or not one set of steps per model.
    """
    seeds, n = reward.shape
    if len(models) != seeds or n < rows:
        raise ImprintError(
            f"{len(models)} reward models, and steps of {seeds} seeds, {n} each; expected one model per seed and at "
            f"least {rows} steps."
        )
    stack = Stacked(models, lr=learning_rate)
    own = torch.arange(seeds)[:, None]
    last = torch.zeros(seeds)
    for _ in range(epochs):
        order = torch.stack([torch.randperm(n, generator=rng) for _ in range(seeds)])
        losses = []
        for start in range(0, n - rows + 1, rows):
            pick = order[:, start : start + rows]
            error = stack.call(before[own, pick], after[own, pick]) - reward[own, pick]
            losses.append(stack.step(error.square().mean(1)))
        last = torch.stack(losses).mean(0)
    stack.unstack()
    return last
