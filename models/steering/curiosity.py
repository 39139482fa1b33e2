"""curiosity: a reward for what was badly predicted.

    signal(t) = clip( scale * max(0, surprise(t) - bored),  0,  high )

Unit: surprise. The steering side does not know what is surprising: it reads one number, computed beside the learner and
handed to it as a sense. In a setup of agents that is ``surprise``, by :mod:`imprint.models.learning.novelty`, or a
sense of the world. How much surprise is rewarded, from which level on and up to where, is hardcoded here (Burda et al.
2018, "Exploration by random network distillation", arXiv 1810.12894, section 2.2).

Letters: n episodes, T steps.
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor

from imprint.models.steering.base import Body, Senses, Signal, SignalSettings


class Curiosity(Signal):
    """Scaled and clipped surprise."""

    class Settings(SignalSettings):
        sense: str
        """The sense that holds the surprise."""
        scale: float = Field(1.0, gt=0.0, le=1e6)
        """Signal per surprise."""
        bored: float = Field(0.0, ge=0.0, le=1e6)
        """Surprise up to which the signal is 0."""
        high: float = Field(5.0, gt=0.0, le=1e6)
        """Largest signal."""

    settings: Settings
    unit = "surprise"

    @property
    def reads(self) -> frozenset[str]:
        """The sense that holds the surprise."""
        return frozenset({self.settings.sense})

    @property
    def range(self) -> tuple[float, float]:
        """0 to the largest signal."""
        return (0.0, self.settings.high)

    def compute(self, senses: Senses, body: Body, rng: torch.Generator) -> Tensor:
        """Curiosity ``[n, T]``."""
        s = self.settings
        return (s.scale * (senses[s.sense] - s.bored)).clamp(0.0, s.high)
