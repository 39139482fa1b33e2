"""Novelty of observations by random network distillation: the error of a trained copy of a random network.

    target  f(o): a network with random weights that is never trained;  predictor  g(o): is trained to give the same
    surprise  |f(o) - g(o)|^2 / D, divided by the running standard deviation of its own past values

Steering signals read it as the sense ``surprise`` (``SENSE``). When one does,
:class:`imprint.models.learning.rollout.Play` computes it for the observations that the steps of a rollout led to, and
trains the predictors once on each rollout.

Observations seen often are predicted well, others are not (Burda et al. 2018, arXiv 1810.12894, sections 2.2 to 2.4).
Each of S seeds has its own target, predictor and statistics. Deviations: perceptrons with one hidden layer instead of
convolutions; observations already lie in [0, 1] and are not whitened; the surprise is divided by its own standard
deviation and not by that of discounted returns.

Letters: S seeds, n observations, P numbers in one, D outputs of a network.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from imprint.models.learning.stacked import Stacked
from imprint.models.steering.base import Signal

SENSE = "surprise"
HIDDEN, WIDTH = 64, 32
MEMORY = 0.99


class _Perceptron(nn.Module):
    """One hidden layer; initial weights keep the variance of a layer's inputs (He et al. 2015)."""

    stacks = True

    def __init__(self, inputs: int, rng: torch.Generator) -> None:
        super().__init__()
        self.first = nn.Parameter(torch.randn(inputs, HIDDEN, generator=rng).mul(math.sqrt(2 / inputs)))
        self.first_bias = nn.Parameter(torch.zeros(1, HIDDEN))
        self.second = nn.Parameter(torch.randn(HIDDEN, WIDTH, generator=rng).mul(math.sqrt(2 / HIDDEN)))
        self.second_bias = nn.Parameter(torch.zeros(1, WIDTH))

    def forward(self, observation: Tensor) -> Tensor:
        """Outputs ``[S, n, D]`` of flat observations ``[S, n, P]``, under parameters with a leading seed axis."""
        hidden = torch.relu(torch.baddbmm(self.first_bias, observation, self.first))
        return torch.baddbmm(self.second_bias, hidden, self.second)


class Novelty:
    """Targets, predictors and running statistics of S seeds."""

    def __init__(self, inputs: int, *, rngs: list[torch.Generator], rate: float = 1e-3) -> None:
        self.target = Stacked([_Perceptron(inputs, rng) for rng in rngs], keys=("target.{}", ""))  # never taught
        predictors = [_Perceptron(inputs, rng) for rng in rngs]
        self.predictor = Stacked(predictors, keys=("predictor.{}", "optimiser.{}.{}"), lr=rate, fused=False)
        self.square, self.mean, self.updates = (torch.zeros(len(rngs)) for _ in range(3))

    def _error(self, observation: Tensor) -> Tensor:
        flat = observation.flatten(2)
        with torch.no_grad():
            target = self.target.call(flat)
        difference: Tensor = self.predictor.call(flat) - target
        return difference.square().mean(-1)

    @torch.no_grad()
    def surprise(self, observation: Tensor) -> Tensor:
        """Surprise ``[S, n]`` of observations ``[S, n, ...]``, in standard deviations of the surprise so far."""
        spread = (self.square - self.mean.square()).clamp(min=0).sqrt()
        scale = torch.where(spread > 1e-8, spread, torch.ones_like(spread))
        return self._error(observation) / scale[:, None]

    @torch.enable_grad()
    def learn(self, observation: Tensor) -> Tensor:
        """One step of the predictors on observations ``[S, n, ...]``; mean squared errors ``[S]`` before it."""
        error = self._error(observation)
        loss = self.predictor.step(error.mean(1))
        self.updates += 1
        keep = torch.minimum(torch.full_like(self.updates, MEMORY), 1 - 1 / self.updates)
        self.mean = keep * self.mean + (1 - keep) * loss
        self.square = keep * self.square + (1 - keep) * error.detach().square().mean(1)
        return loss

    def state(self, s: int) -> dict[str, Tensor]:
        """Everything that the ``s``-th seed's surprise depends on, for a checkpoint."""
        networks = self.target.state(s) | self.predictor.state(s)
        del networks["alive"]
        return networks | {name: getattr(self, name)[s].clone() for name in ("mean", "square", "updates")}

    def load(self, states: list[dict[str, Tensor]]) -> None:
        """Put back what :meth:`state` gave, all seeds of the same age."""
        for stack in (self.target, self.predictor):
            stack.load([{**state, "alive": torch.tensor(True)} for state in states])
        for name in ("mean", "square", "updates"):
            setattr(self, name, torch.stack([state[name] for state in states]))


def reads_surprise(signals: Sequence[Signal]) -> bool:
    """Whether one of ``signals`` reads the sense ``surprise``, and not an earlier signal of that name."""
    named = {signal.settings.name for signal in signals}
    return SENSE not in named and any(SENSE in signal.reads for signal in signals)
