"""valence: a linear short-term predictor taught by the three-factor (delta) rule.

    error  e(t) = y(t + lag) - v(t)
    weight w   <- w + rate * mean_t [ x(t) e(t) ] / mean_t |x(t)|^2          (presynaptic x eligibility x error)

x is the latent after running standardisation: each assessor keeps the mean and variance of what it reads, both frozen
when its window closes. v = w . x + b predicts the signal ``lag`` steps ahead; with ``lag`` 0 the cue of the moment is
in its own context, and the rule latches onto the cue (short-term predictor: Byrnes, post 4).

Deviations from the plain delta rule: (1) the step is divided by the mean squared norm of x (normalised LMS, Nagumo &
Noda 1967), which makes ``rate`` free of the learner's scale; (2) x is standardised; (3) updates are averaged over the
batch.
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor

from imprint.models.assessors.base import Assessor, AssessorSettings

FLOOR = 1e-4


class Valence(Assessor):
    """Linear value of latents, learned by normalised LMS."""

    class Settings(AssessorSettings):
        rate: float = Field(1.0, gt=0.0, lt=2.0)
        """Learning rate; normalised LMS is stable below 2."""
        memory: float = Field(0.99, ge=0.0, lt=1.0)
        """Decay per update of the running mean and variance of the latents."""

    rule = "three-factor (delta), normalised"

    def __init__(self, settings: Valence.Settings, seeds: int, width: int) -> None:
        super().__init__(settings, seeds, width)
        self.s = settings
        self.weight = torch.zeros(seeds, width)
        self.bias = torch.zeros(seeds)
        self.mean = torch.zeros(seeds, width)
        self.variance = torch.ones(seeds, width)
        self.updates = torch.zeros(seeds)

    def _standardise(self, latents: Tensor) -> Tensor:
        scale = (self.variance + FLOOR).rsqrt()
        return (latents - self.mean[:, None, None]) * scale[:, None, None]

    def predict(self, latents: Tensor) -> Tensor:
        """Value ``[S, n, T]``."""
        return torch.einsum("sntd,sd->snt", self._standardise(latents), self.weight) + self.bias[:, None, None]

    def update(self, latents: Tensor, signal: Tensor, gate: Tensor) -> Tensor:
        """One step of the rule on every seed whose gate is open; latents are detached."""
        latents = latents.detach()
        self._observe(latents, gate)
        lag = self.s.lag
        steps = latents.shape[2] - lag
        x = self._standardise(latents[:, :, :steps])
        value = torch.einsum("sntd,sd->snt", x, self.weight) + self.bias[:, None, None]
        error = signal[:, :, lag:] - value
        norm = x.square().sum(-1).mean((1, 2)) + 1.0
        pace = self.s.rate * gate.to(x.dtype)
        self.weight = self.weight + (pace / norm)[:, None] * torch.einsum("sntd,snt->sd", x, error) / error[0].numel()
        self.bias = self.bias + pace / norm * error.mean((1, 2))
        return error.square().mean((1, 2))

    def _observe(self, latents: Tensor, gate: Tensor) -> None:
        mean, variance = latents.mean((1, 2)), latents.var((1, 2), unbiased=False)
        self.updates = self.updates + gate.to(self.updates.dtype)
        keep = torch.minimum(torch.tensor(self.s.memory), 1.0 - 1.0 / self.updates.clamp(min=1.0))
        keep = torch.where(gate, keep, torch.ones_like(keep))[:, None]
        self.mean = keep * self.mean + (1 - keep) * mean
        self.variance = keep * self.variance + (1 - keep) * variance

    def linear(self, seed: int) -> tuple[Tensor, Tensor]:
        """Weight and bias on raw latents."""
        weight = self.weight[seed] * (self.variance[seed] + FLOOR).rsqrt()
        return weight, self.bias[seed] - self.mean[seed] @ weight

    def state(self, seed: int) -> dict[str, Tensor]:
        """Weight, bias, running moments and count."""
        return {name: getattr(self, name)[seed].clone() for name in ("weight", "bias", "mean", "variance", "updates")}

    def load(self, seed: int, state: dict[str, Tensor]) -> None:
        """Put back what :meth:`state` gave."""
        for name, value in state.items():
            getattr(self, name)[seed] = value
