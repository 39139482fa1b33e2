"""reward: a hardcoded weighted sum of senses, scaled by a body state.

    r(t) = clip( body * sum_k weight_k * sense_k(t),  low,  high )

Unit: reward. Without ``body`` the scale is 1. That the same food is worth more to a hungry animal is hardcoded here and
not learned (Byrnes, "Intro to brain-like-AGI safety", post 6).
"""

from __future__ import annotations

import torch
from pydantic import Field, model_validator
from torch import Tensor

from imprint.models.settings import Weight
from imprint.models.steering.base import Body, Senses, Signal, SignalSettings


class Reward(Signal):
    """A weighted sum of senses, scaled by one body state and clipped."""

    class Settings(SignalSettings):
        weights: dict[str, Weight]
        """Sense (or earlier signal) -> weight."""
        body: str | None = None
        """Body state that scales the reward, if any."""
        low: float = Field(0.0, ge=-1e6, le=1e6)
        """Smallest reward."""
        high: float = Field(1.0, ge=-1e6, le=1e6)
        """Largest reward."""

        @model_validator(mode="after")
        def _ordered(self) -> Reward.Settings:
            if not self.low < self.high:
                raise ValueError(f"low is {self.low} and high is {self.high}; low must be below high")
            if not self.weights:
                raise ValueError("weights is empty; name at least one sense")
            return self

    settings: Settings
    unit = "reward"

    @property
    def reads(self) -> frozenset[str]:
        """The senses that it weighs."""
        return frozenset(self.settings.weights)

    @property
    def range(self) -> tuple[float, float]:
        """The clipping range."""
        return (self.settings.low, self.settings.high)

    def compute(self, senses: Senses, body: Body, rng: torch.Generator) -> Tensor:
        """Reward ``[n, T]``."""
        settings = self.settings
        total = torch.stack([weight * senses[name] for name, weight in settings.weights.items()]).sum(0)
        if settings.body is not None:
            scale = senses.values.get(settings.body)  # a body state that changes from step to step is among the senses
            total = total * (body[settings.body][:, None] if scale is None else scale)
        return total.clamp(settings.low, settings.high)
