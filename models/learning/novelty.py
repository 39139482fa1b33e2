"""Novelty: how badly a network that learns foretells one that does not (random network distillation).

    target  f(o): a network with random weights that never learns;  predictor  g(o): learns to give the same
    surprise  |f(o) - g(o)|^2 / D, divided by the running standard deviation of its own past values

Steering signals read it as the sense ``surprise`` (``SENSE``): :class:`imprint.models.learning.rollout.Play` computes
it of the observations that a rollout arrived at when a signal asks for it, and has the predictors learn once from each
rollout.

What was seen often is foretold well; what was not is not, whatever it looks like (Burda et al. 2018, arXiv 1810.12894,
sections 2.2 to 2.4). S seeds at once, each with target, predictor and statistics of its own. Deviations: perceptrons
with one hidden layer instead of convolutions; observations already lie in [0, 1] and are not whitened; the surprise is
divided by its own spread and not by that of discounted returns.

Letters: S seeds, n observations, P numbers in one, H hidden width, D width of what is foretold.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from imprint.models.steering.base import Signal

SENSE = "surprise"
HIDDEN, WIDTH = 64, 32
MEMORY = 0.99
NAMES = ("first", "first_bias", "second", "second_bias")


class Novelty:
    """Target and predictor of S seeds."""

    def __init__(self, inputs: int, *, rngs: list[torch.Generator], rate: float = 1e-3) -> None:
        self.target = _born(inputs, rngs)
        self.predictor = {name: value.requires_grad_(True) for name, value in _born(inputs, rngs).items()}
        self._optimiser = torch.optim.Adam(self.predictor.values(), lr=rate)
        self.square = torch.zeros(len(rngs))
        self.mean = torch.zeros(len(rngs))
        self.updates = torch.zeros(len(rngs))

    def _error(self, observation: Tensor) -> Tensor:
        flat = observation.flatten(2)
        with torch.no_grad():
            wanted = _said(self.target, flat)
        return (_said(self.predictor, flat) - wanted).square().mean(-1)

    @torch.no_grad()
    def surprise(self, observation: Tensor) -> Tensor:
        """Surprise ``[S, n]`` of observations ``[S, n, ...]``, in standard deviations of what it has been so far."""
        spread = (self.square - self.mean.square()).clamp(min=0).sqrt()
        scale = torch.where(spread > 1e-8, spread, torch.ones_like(spread))
        return self._error(observation) / scale[:, None]

    @torch.enable_grad()
    def learn(self, observation: Tensor) -> Tensor:
        """One step of the predictors on observations ``[S, n, ...]``; mean squared errors ``[S]`` before it."""
        error = self._error(observation)
        self._optimiser.zero_grad(set_to_none=True)
        error.mean(1).sum().backward()
        self._optimiser.step()
        said = error.detach()
        self.updates += 1
        keep = torch.minimum(torch.full_like(self.updates, MEMORY), 1 - 1 / self.updates)
        self.mean = keep * self.mean + (1 - keep) * said.mean(1)
        self.square = keep * self.square + (1 - keep) * said.square().mean(1)
        return said.mean(1)

    def state(self, s: int) -> dict[str, Tensor]:
        """Everything the ``s``-th seed's surprise depends on, for a checkpoint."""
        kept = {f"target.{name}": self.target[name][s].clone() for name in NAMES}
        for name, value in self.predictor.items():
            kept[f"predictor.{name}"] = value.detach()[s].clone()
            for key, moment in self._optimiser.state.get(value, {}).items():
                kept[f"optimiser.{name}.{key}"] = (moment if moment.ndim == 0 else moment[s]).clone()
        return kept | {name: getattr(self, name)[s].clone() for name in ("mean", "square", "updates")}

    def load(self, states: list[dict[str, Tensor]]) -> None:
        """Put back what :meth:`state` gave, all seeds of the same age."""
        for name in NAMES:
            self.target[name] = torch.stack([state[f"target.{name}"] for state in states])
            with torch.no_grad():
                self.predictor[name].copy_(torch.stack([state[f"predictor.{name}"] for state in states]))
            moments = {}
            for key in ("step", "exp_avg", "exp_avg_sq"):
                if (entry := f"optimiser.{name}.{key}") in states[0]:
                    values = [state[entry] for state in states]
                    moments[key] = values[0].clone() if key == "step" else torch.stack(values)
            self._optimiser.state[self.predictor[name]] = moments
        for name in ("mean", "square", "updates"):
            setattr(self, name, torch.stack([state[name] for state in states]))


def asked(signals: Sequence[Signal]) -> bool:
    """Whether one of ``signals`` reads the sense ``surprise``, and not an earlier signal of that name."""
    named = {signal.settings.name for signal in signals}
    return SENSE not in named and any(SENSE in signal.reads for signal in signals)


def _born(inputs: int, rngs: list[torch.Generator]) -> dict[str, Tensor]:
    """Weights of S perceptrons, scaled so that every layer keeps the spread of its inputs (He et al. 2015)."""

    def drawn(rows: int, columns: int) -> Tensor:
        return torch.stack([torch.randn(rows, columns, generator=rng).mul(math.sqrt(2 / rows)) for rng in rngs])

    first, second = drawn(inputs, HIDDEN), drawn(HIDDEN, WIDTH)
    blank = torch.zeros(len(rngs), 1, HIDDEN), torch.zeros(len(rngs), 1, WIDTH)
    return dict(zip(NAMES, (first, blank[0], second, blank[1]), strict=True))


def _said(weights: dict[str, Tensor], flat: Tensor) -> Tensor:
    hidden = torch.relu(torch.baddbmm(weights["first_bias"], flat, weights["first"]))
    return torch.baddbmm(weights["second_bias"], hidden, weights["second"])
