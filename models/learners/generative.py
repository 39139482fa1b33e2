"""generative: a hierarchy of two levels that predicts from the top, corrects itself by its errors, and can dream.

    x_t = W low_t + b                                    frames from the lower level
    low_t = V high_t + c                                 the lower level from the higher one
    high_t = tanh(A [high_{t-1}; action_{t-1}] + d)      its intrinsic dynamics: what it expects before it looks

Inference at every step: low_t is the least-squares estimate from the frame, with a penalty of 1 on its square, which
needs no settling because the level is linear; the higher level starts from what it expects and is corrected by the
error that is left, high_t <- high_t + G (low_t - V high_t - c). Objective: the errors per
pixel of frames as the lower level gives them, as the higher one does, and as they were expected one step before; and
the negative log-likelihood, per unit, of the first high_t under a normal distribution, and of later corrections under
another. Dreams (:meth:`dream`) are drawn from these two; no gradient goes from them into what they are fitted to.

Predictive coding as a Kalman filter with learned gains (Rao 1999, Vision Research 39:1963; hierarchy: Rao & Ballard
1999). Deviations from the sources: (1) the gain G is learned by the gradient of the objective instead of being derived
from covariances; (2) the lower level is not corrected from above; (3) weights learn by backpropagation through time.
Action planes are known to the dynamics and never predicted; in a dream there is no action.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from pydantic import Field
from torch import Tensor, nn
from transformer_lens.hook_points import HookPoint

from imprint.models.learners.base import Frame, Learner, Taught
from imprint.models.settings import FrozenSettings


class Errors(NamedTuple):
    """Mean squared errors per pixel, from the bottom to the top."""

    low: Tensor
    """Of frames as the lower level gives them."""
    high: Tensor
    """Of frames as the higher level gives them."""
    expected: Tensor
    """Of frames as they were expected before they were seen."""


class Generative(Learner):
    """Two levels that predict downwards and correct upwards."""

    class Settings(FrozenSettings):
        low: int = Field(48, ge=1, le=65_536)
        """Units of the lower level."""
        width: int = Field(32, ge=1, le=65_536)
        """D, units of the higher level."""

    latent_hook = "hook_high"
    read_points = ("hook_low", "hook_high")

    def __init__(self, settings: Generative.Settings, frame: Frame) -> None:
        super().__init__(settings, frame)
        self.s = s = settings
        pixels = frame.height * frame.width
        self.pixels = nn.Linear(s.low, frame.sensory_channels * pixels)
        self.explained = nn.Linear(s.width, s.low)
        self.dynamics = nn.Linear(s.width + frame.action_channels * pixels, s.width)
        self.gain = nn.Linear(s.low, s.width, bias=False)
        self.first_mean = nn.Parameter(torch.zeros(s.width))
        self.first_precision = nn.Parameter(torch.zeros(s.width, s.width))
        self.later_precision = nn.Parameter(torch.zeros(s.width, s.width))
        self.hook_low, self.hook_high = HookPoint(), HookPoint()
        self.setup()  # type: ignore[no-untyped-call]

    def sensory(self, observation: Tensor) -> Tensor:
        """What is to be explained, ``[n, T, pixels]``."""
        return observation[:, :, : self.frame.sensory_channels].flatten(2)

    def infer(self, observation: Tensor) -> tuple[Tensor, Tensor]:
        """Both levels, ``[n, T, units]``."""
        weight = self.pixels.weight
        inner = weight.T @ weight + torch.eye(self.s.low, dtype=weight.dtype, device=weight.device)
        solved = torch.linalg.solve(inner, weight.T)
        low: Tensor = self.hook_low((self.sensory(observation) - self.pixels.bias) @ solved.T)
        actions = observation[:, :, self.frame.sensory_channels :].flatten(2)
        high, action = torch.zeros_like(low[:, 0, :1]).expand(-1, self.s.width), torch.zeros_like(actions[:, 0])
        highs = []
        for now, acting in zip(low.unbind(1), actions.unbind(1), strict=True):
            expected = torch.tanh(self.dynamics(torch.cat([high, action], -1)))
            high = expected + self.gain(now - self.explained(expected))
            action = acting
            highs.append(high)
        return low, self.hook_high(torch.stack(highs, 1))

    def forward(self, observation: Tensor) -> Tensor:
        """The higher level ``[n, T, D]``."""
        return self.infer(observation)[1]

    def objective(self, observation: Tensor) -> Taught:
        """The errors of all levels, and how improbable it is to dream these states."""
        errors, high = self.explain(observation)
        state = high.detach()
        surprise = _surprise(state[:, 0] - self.first_mean, self.first_precision)
        surprise = surprise + _surprise(state[:, 1:] - self.ahead(observation, state).detach(), self.later_precision)
        return Taught(errors.low + errors.high + errors.expected + surprise, high)

    def ahead(self, observation: Tensor, high: Tensor) -> Tensor:
        """The higher level ``[n, T - 1, D]`` as it is expected at every step but the first."""
        actions = observation[:, :-1, self.frame.sensory_channels :].flatten(2)
        expected: Tensor = torch.tanh(self.dynamics(torch.cat([high[:, :-1], actions], -1)))
        return expected

    def explain(self, observation: Tensor) -> tuple[Errors, Tensor]:
        """Errors by level, each ``[]``, and the higher level ``[n, T, D]``."""
        low, high = self.infer(observation)
        frames = self.sensory(observation)
        expected = self.pixels(self.explained(self.ahead(observation, high)))
        parts = (frames - self.pixels(low), frames - self.pixels(self.explained(high)), frames[:, 1:] - expected)
        return Errors(*(part.square().mean() for part in parts)), high

    @torch.no_grad()
    def dream(self, n: int, steps: int, *, rng: torch.Generator) -> Tensor:
        """Frames ``[n, steps, C, H, W]`` from the top alone, without actions; C: sensory channels."""
        high = self.first_mean + _drawn(self.first_precision, n, rng)
        still = high.new_zeros(n, self.dynamics.in_features - self.s.width)
        frames = []
        for _ in range(steps):
            frames.append(self.pixels(self.explained(high)))
            expected = torch.tanh(self.dynamics(torch.cat([high, still], -1)))
            high = expected + _drawn(self.later_precision, n, rng)
        shape = self.frame.sensory_channels, self.frame.height, self.frame.width
        dreamt: Tensor = torch.stack(frames, 1).unflatten(2, shape)
        return dreamt


def _factor(precision: Tensor) -> Tensor:
    """Lower triangular factor ``[D, D]`` of a precision from free parameters: its diagonal is their exponential."""
    return precision.tril(-1) + torch.diag_embed(precision.diagonal().exp())


def _surprise(state: Tensor, precision: Tensor) -> Tensor:
    """Negative log-likelihood per unit, but for a constant, of states ``[..., D]`` of mean 0."""
    return 0.5 * (state @ _factor(precision).T).square().mean() - precision.diagonal().mean()


def _drawn(precision: Tensor, n: int, rng: torch.Generator) -> Tensor:
    """``n`` states ``[n, D]`` of mean 0."""
    chance = torch.randn(n, len(precision), generator=rng)
    drawn: Tensor = torch.linalg.solve_triangular(_factor(precision), chance.T, upper=False)
    return drawn.T
