"""detector: a crude threshold on one sense, with the error profile of a real innate detector.

    fires(t) = [sense(t - delay) > threshold]   then   missed with P(miss), false alarm with P(false_alarm)

Range 0 to 1, unit: firing. Misses and false alarms are drawn per episode and step. The biological example is the newly
hatched chick's predisposition towards head-like, moving things (the two-process account of Johnson, Bolhuis and Horn).
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor

from imprint.models.steering.base import Body, Senses, Signal, SignalSettings


class Detector(Signal):
    """A threshold on one sense with settable misses, false alarms and delay."""

    class Settings(SignalSettings):
        sense: str
        """The sense that it reads."""
        threshold: float = Field(0.5, ge=-1e6, le=1e6)
        """It fires above this, in the unit of the sense."""
        miss: float = Field(0.0, ge=0.0, le=1.0)
        """Probability that a true firing is lost."""
        false_alarm: float = Field(0.0, ge=0.0, le=1.0)
        """Probability of firing where it should not."""
        delay: int = Field(0, ge=0, le=10_000_000)
        """Steps between the sense and the firing."""

    settings: Settings
    unit = "firing"
    range = (0.0, 1.0)

    @property
    def reads(self) -> frozenset[str]:
        """The one sense that it reads."""
        return frozenset({self.settings.sense})

    def compute(self, senses: Senses, body: Body, rng: torch.Generator) -> Tensor:
        """Firing ``[n, T]``; the first ``delay`` steps are silent but for false alarms."""
        settings = self.settings
        sense = senses[settings.sense]
        true = torch.zeros_like(sense, dtype=torch.bool)
        steps = sense.shape[1]
        if settings.delay < steps:
            true[:, settings.delay :] = sense[:, : steps - settings.delay] > settings.threshold
        hit = true & (torch.rand(sense.shape, generator=rng) >= settings.miss)
        alarm = ~true & (torch.rand(sense.shape, generator=rng) < settings.false_alarm)
        return (hit | alarm).to(sense.dtype)
