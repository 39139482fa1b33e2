"""judge: an innate standard without a recipe, which scores how close an outcome comes to it and says nothing else.

    outcome x_k(t) = mean of sense_k over the last ``span`` steps
    score     (t)  = weight exp( -1/2 mean_k ((x_k(t) - standard_k) / tolerance)^2 + noise ),   0 when below ``floor``

Range 0 to ``weight``, unit: agreement with the standard. The judge knows what a good outcome is like, as the young
songbird's innate template does, and not how one is reached: it gives one number, and no direction in which to improve
(Byrnes, "Intro to brain-like-AGI safety", post 2, section 2.3.2). What it judges are senses of the world, or readings
of the learner. ``noise`` is drawn anew at every step; misses, false alarms and delay are those of a detector.

Letters: n episodes, T steps, k standards.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from pydantic import Field, field_validator
from torch import Tensor

from imprint.models.settings import Weight
from imprint.models.steering.base import Body, ErrorProfile, Senses, Signal, with_errors


class Judge(Signal):
    """A score of an outcome against a fixed standard."""

    class Settings(ErrorProfile):
        standard: dict[str, Weight]
        """Sense (or reading, or earlier signal) -> the value that it has in a perfect outcome."""
        tolerance: float = Field(0.2, gt=0.0, le=1e6)
        """Distance from the standard at which the score has fallen to 61% of its largest value."""
        span: int = Field(1, ge=1, le=10_000_000)
        """Steps over which an outcome is averaged; 1: every step is judged by itself."""
        floor: float = Field(0.05, ge=0.0, le=1.0)
        """Part of the largest score below which an outcome counts as nothing."""
        weight: float = Field(1.0, gt=0.0, le=1e6)
        """Score of a perfect outcome."""
        noise: float = Field(0.0, ge=0.0, le=1e6)
        """Standard deviation of the error of judgement, in the exponent."""

        @field_validator("standard")
        @classmethod
        def _some(cls, standard: dict[str, Weight]) -> dict[str, float]:
            if not standard:
                raise ValueError("name at least one sense and its value in a perfect outcome")
            return standard

    settings: Settings
    unit = "agreement with the standard"

    @property
    def reads(self) -> frozenset[str]:
        """What the standard speaks of."""
        return frozenset(self.settings.standard)

    @property
    def range(self) -> tuple[float, float]:
        """0 to the score of a perfect outcome."""
        return (0.0, self.settings.weight)

    def compute(self, senses: Senses, body: Body, rng: torch.Generator) -> Tensor:
        """Scores ``[n, T]``; at the first steps of an episode the average is over those that there are."""
        s = self.settings
        outcome = torch.stack([_recent(senses[name], s.span) for name in s.standard])
        perfect = torch.tensor(list(s.standard.values()), dtype=outcome.dtype)[:, None, None]
        score = -0.5 * ((outcome - perfect) / s.tolerance).square().mean(0)
        if s.noise:
            score = score + s.noise * torch.randn(score.shape, generator=rng)
        score = score.exp().clamp(max=1.0)
        return with_errors(s.weight * torch.where(score >= s.floor, score, 0.0), s, rng, alarm=s.weight)


def _recent(sense: Tensor, span: int) -> Tensor:
    """Mean of ``sense`` ``[n, T]`` over the last ``span`` steps, or as many as there are."""
    steps = sense.shape[1]
    total = F.pad(sense.double().cumsum(1), (1, 0))
    ends = torch.arange(1, steps + 1)
    starts = (ends - span).clamp(min=0)
    return ((total[:, ends] - total[:, starts]) / (ends - starts)).to(sense.dtype)
