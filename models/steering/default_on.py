"""default_on: a reward, or a flinch, that is there from birth and that a learned reading turns off.

    signal(t) = weight [ sense(t) > threshold ] ( 1 - clip( gain off(t), 0, 1 ) )

Range 0 to ``weight`` (which is negative for a flinch), unit: reaction. Nothing has to be learned for it to come on;
``off`` is what turns it off, normally a column of the scorecard that was taught by what goes along with safety. A chick
is afraid of whoever comes near, until its reading of *who* this is predicts warmth (Byrnes, "Intro to brain-like-AGI
safety", post 13: fear of strangers as a default that familiarity cancels). An untaught column reads 0, so the
reaction is unchanged where nothing was learned.

Letters: n episodes, T steps.
"""

from __future__ import annotations

import torch
from pydantic import Field, field_validator
from torch import Tensor

from imprint.models.steering.base import Body, ErrorProfile, Senses, Signal, with_errors


class DefaultOn(Signal):
    """A reaction that is on by default and that a reading turns off."""

    class Settings(ErrorProfile):
        off: str
        """The reading (or sense, or earlier signal) that turns it off; 1 turns it off completely."""
        sense: str | None = None
        """The sense that sets it off; None: it is always on."""
        threshold: float = Field(0.5, ge=-1e6, le=1e6)
        """The sense sets it off above this, in its own unit."""
        gain: float = Field(1.0, gt=0.0, le=1e6)
        """How strongly ``off`` counts."""
        weight: float = Field(1.0, ge=-1e6, le=1e6)
        """The reaction at full strength; negative for a flinch."""

        @field_validator("weight")
        @classmethod
        def _strong(cls, weight: float) -> float:
            if weight == 0.0:
                raise ValueError("expected another number than 0, at which there is no reaction")
            return weight

    settings: Settings
    unit = "reaction"

    @property
    def reads(self) -> frozenset[str]:
        """What sets it off and what turns it off."""
        return frozenset({self.settings.off} | ({self.settings.sense} if self.settings.sense else set()))

    @property
    def range(self) -> tuple[float, float]:
        """Between 0 and the full reaction."""
        return (min(0.0, self.settings.weight), max(0.0, self.settings.weight))

    def compute(self, senses: Senses, body: Body, rng: torch.Generator) -> Tensor:
        """Reaction ``[n, T]``."""
        s = self.settings
        reaction = s.weight * (1.0 - (s.gain * senses[s.off]).clamp(0.0, 1.0))
        if s.sense is not None:
            reaction = torch.where(senses[s.sense] > s.threshold, reaction, 0.0)
        return with_errors(reaction, s, rng, alarm=s.weight)
