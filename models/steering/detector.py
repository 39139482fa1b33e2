"""detector: a crude threshold on one sense, with the error profile of a real innate detector.

    fires(t) = [sense(t - delay) > threshold]   then   missed with P(miss), false alarm with P(false_alarm)

Range 0 to 1, unit: firing. Misses and false alarms are drawn per episode and step. The biological example is the newly
hatched chick's predisposition towards head-like, moving things (the two-process account of Johnson, Bolhuis and Horn).
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor

from imprint.models.steering.base import Body, ErrorProfile, Senses, Signal, with_errors


class Detector(Signal):
    """A threshold on one sense with settable misses, false alarms and delay."""

    class Settings(ErrorProfile):
        sense: str
        """The sense that it reads."""
        threshold: float = Field(0.5, ge=-1e6, le=1e6)
        """It fires above this, in the unit of the sense."""

    settings: Settings
    unit = "firing"
    range = (0.0, 1.0)

    @property
    def reads(self) -> frozenset[str]:
        """The one sense that it reads."""
        return frozenset({self.settings.sense})

    def compute(self, senses: Senses, body: Body, rng: torch.Generator) -> Tensor:
        """Firing ``[n, T]``; the first ``delay`` steps are silent but for false alarms."""
        sense = senses[self.settings.sense]
        return with_errors((sense > self.settings.threshold).to(sense.dtype), self.settings, rng)
