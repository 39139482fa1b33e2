"""looming: an innate detector of what grows, is dark and is overhead, and an escape whose vigour rises with the threat.

    threat    d(t) = clip(expansion(t), 0, 1) clip(darkness(t), 0, 1) [overhead(t) > 1/2]
    evidence  e(t) = keep e(t - 1) + d(t)
    flees     with probability  1 / (1 + exp(-slope (e(t) - threshold)))   where d(t) > 0
    signal(t) = weight (least + (1 - least) min(e(t) / full, 1))   when it flees, else 0

Range 0 to ``weight``, unit: vigour of escape. The superior colliculus adds up threat, a synapse passes on to the dorsal
periaqueductal grey what exceeds a threshold, and both the probability and the vigour of escape rise with it (Evans et
al. 2018, Nature 558:590). Nothing here was ever learned: a newborn flees from what looms (Byrnes, "Intro to
brain-like-AGI safety", post 2, section 2.3.2). Evidence is empty at the start of an episode.

Letters: n episodes, T steps.
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor

from imprint.models.steering.base import Body, Senses, Signal, SignalSettings


class Looming(Signal):
    """Escape from what looms overhead."""

    class Settings(SignalSettings):
        expansion: str
        """Sense that says how much the dark has grown."""
        darkness: str
        """Sense that says how much is dark."""
        overhead: str
        """Sense that says which part of it is overhead."""
        keep: float = Field(0.8, ge=0.0, lt=1.0)
        """Part of the evidence that is still there a step later."""
        threshold: float = Field(0.4, ge=0.0, le=1e6)
        """Evidence at which it flees half of the time."""
        slope: float = Field(20.0, gt=0.0, le=1e6)
        """Steepness of the probability of escape."""
        full: float = Field(1.5, gt=0.0, le=1e6)
        """Evidence at which it flees with all its might."""
        least: float = Field(0.3, ge=0.0, le=1.0)
        """Vigour of the weakest escape, as a part of the strongest."""
        weight: float = Field(1.0, gt=0.0, le=1e6)
        """Strongest vigour."""

    settings: Settings
    unit = "vigour of escape"

    @property
    def reads(self) -> frozenset[str]:
        """The three senses."""
        return frozenset({self.settings.expansion, self.settings.darkness, self.settings.overhead})

    @property
    def range(self) -> tuple[float, float]:
        """0 to the strongest vigour."""
        return (0.0, self.settings.weight)

    def threat(self, senses: Senses) -> Tensor:
        """Momentary threat ``[n, T]``, 0 to 1."""
        s = self.settings
        grows, dark = senses[s.expansion].clamp(0.0, 1.0), senses[s.darkness].clamp(0.0, 1.0)
        return grows * dark * (senses[s.overhead] > 0.5)

    def evidence(self, senses: Senses) -> Tensor:
        """Threat added up, ``[n, T]``."""
        threat = self.threat(senses)
        later = torch.arange(threat.shape[1])
        lag = later[:, None] - later
        return threat @ (self.settings.keep ** lag.clamp(min=0) * (lag >= 0)).to(threat.dtype).T

    def compute(self, senses: Senses, body: Body, rng: torch.Generator) -> Tensor:
        """Vigour of escape ``[n, T]``."""
        s, threat, evidence = self.settings, self.threat(senses), self.evidence(senses)
        chance = torch.sigmoid(s.slope * (evidence - s.threshold))
        flees = (torch.rand(chance.shape, generator=rng) < chance) & (threat > 0)
        vigour = s.least + (1.0 - s.least) * (evidence / s.full).clamp(max=1.0)
        return s.weight * torch.where(flees, vigour, 0.0)
