"""detector: a crude threshold on one sense, with the error profile of a real innate detector.

    fires(t) = [sense(t - delay) > threshold]   then   missed with P(miss), false alarm with P(false_alarm)

Range 0 to 1, unit: firing. Misses and false alarms are drawn per episode and step. The newly hatched chick's
predisposition towards head-like, moving things is the model case (Johnson, Bolhuis and Horn's two-process account).
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor

from imprint.models.steering.base import Body, Senses, Signal, SignalSettings


class Detector(Signal):
    """Thresholds one sense; misses, false alarms and delay are dials."""

    class Settings(SignalSettings):
        sense: str
        """Which sense it reads."""
        threshold: float = 0.5
        """Fires above this, in the unit of the sense."""
        miss: float = Field(0.0, ge=0.0, le=1.0)
        """Probability that a true firing is lost."""
        false_alarm: float = Field(0.0, ge=0.0, le=1.0)
        """Probability of firing on nothing."""
        delay: int = Field(0, ge=0)
        """Steps between the sense and the firing."""

    unit = "firing"

    @property
    def reads(self) -> frozenset[str]:
        """Its one sense."""
        assert isinstance(self.settings, Detector.Settings)
        return frozenset({self.settings.sense})

    @property
    def range(self) -> tuple[float, float]:
        """Silent is 0, firing is 1."""
        return (0.0, 1.0)

    def compute(self, senses: Senses, body: Body, rng: torch.Generator) -> Tensor:
        """Firing ``[n, T]``; the first ``delay`` steps are silent but for false alarms."""
        settings = self.settings
        assert isinstance(settings, Detector.Settings)
        sense = senses[settings.sense]
        true = torch.zeros_like(sense, dtype=torch.bool)
        steps = sense.shape[1]
        if settings.delay < steps:
            true[:, settings.delay :] = sense[:, : steps - settings.delay] > settings.threshold
        kept = true & (torch.rand(sense.shape, generator=rng) >= settings.miss)
        alarm = ~true & (torch.rand(sense.shape, generator=rng) < settings.false_alarm)
        return (kept | alarm).to(sense.dtype)
