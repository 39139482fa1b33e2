"""curiosity: surprise is worth something.

    signal(t) = clip( scale * max(0, surprise(t) - bored),  0,  high )

Unit: surprise. The steering side does not know what is surprising: it reads one number, computed beside the learner and
handed to it as a sense. In a setup of agents that is ``surprise``, by :mod:`imprint.models.learning.novelty`, or a
sense of the world. What is worth is hardcoded here: how much, up to where, and from which level on (Burda et al. 2018,
"Exploration by random network distillation", arXiv 1810.12894, section 2.2).

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
        scale: float = Field(1.0, gt=0.0)
        """Signal per surprise."""
        bored: float = Field(0.0, ge=0.0)
        """Surprise that is worth nothing yet."""
        high: float = Field(5.0, gt=0.0)
        """Largest signal."""

    unit = "surprise"

    @property
    def reads(self) -> frozenset[str]:
        """Its one sense."""
        assert isinstance(self.settings, Curiosity.Settings)
        return frozenset({self.settings.sense})

    @property
    def range(self) -> tuple[float, float]:
        """Nothing to the largest signal."""
        assert isinstance(self.settings, Curiosity.Settings)
        return (0.0, self.settings.high)

    def compute(self, senses: Senses, body: Body, rng: torch.Generator) -> Tensor:
        """Curiosity ``[n, T]``."""
        settings = self.settings
        assert isinstance(settings, Curiosity.Settings)
        surprise = senses[settings.sense]
        return (settings.scale * (surprise - settings.bored)).clamp(0.0, settings.high)
