"""neuromodulator: a command that says how fast is learned, from moment to moment and by age.

    command(t) = clip( base + gain max(0, sense(t) - threshold), 0, high )       while opens <= age < closes, else 0

Range 0 to ``high``, unit: learning rate, as a multiple. Learning rules are innate and so is what turns them up and down
(Byrnes, "Intro to brain-like-AGI safety", post 2, section 2.3.1): surprise does (Yu & Dayan 2005), and a critical
period ends. ``age`` is a body state; without one the period never ends. Who learns takes the command as its rate
(:meth:`imprint.models.synapse.Synapse.changed`).

Letters: n episodes, T steps.
"""

from __future__ import annotations

import torch
from pydantic import Field, model_validator
from torch import Tensor

from imprint.models.steering.base import Body, Senses, Signal, SignalSettings


class Neuromodulator(Signal):
    """A learning rate as a command."""

    class Settings(SignalSettings):
        sense: str
        """Sense, earlier signal or reading that turns learning up (surprise, arousal)."""
        base: float = Field(0.1, ge=0.0, le=1e6)
        """Rate when nothing turns it up."""
        gain: float = Field(1.0, ge=0.0, le=1e6)
        """Rate per unit of the sense."""
        threshold: float = Field(0.0, ge=-1e6, le=1e6)
        """Level of the sense from which it counts."""
        high: float = Field(1.0, gt=0.0, le=1e6)
        """Highest rate."""
        age: str | None = None
        """Body state that is the age; None: there is no critical period."""
        opens: float = Field(0.0, ge=0.0, le=1e12)
        """Age at which the critical period begins."""
        closes: float = Field(1e12, ge=0.0, le=1e12)
        """Age at which it ends."""

        @model_validator(mode="after")
        def _period(self) -> Neuromodulator.Settings:
            if self.closes <= self.opens:
                raise ValueError(f"closes is {self.closes:g}, not after opens ({self.opens:g})")
            return self

    settings: Settings
    unit = "learning rate"

    @property
    def reads(self) -> frozenset[str]:
        """What turns learning up."""
        return frozenset({self.settings.sense})

    @property
    def range(self) -> tuple[float, float]:
        """0 to the highest rate."""
        return (0.0, self.settings.high)

    def compute(self, senses: Senses, body: Body, rng: torch.Generator) -> Tensor:
        """The command ``[n, T]``."""
        s = self.settings
        command = (s.base + s.gain * (senses[s.sense] - s.threshold).clamp(min=0.0)).clamp(0.0, s.high)
        if s.age is None:
            return command
        age = body[s.age]
        return command * ((age >= s.opens) & (age < s.closes))[:, None]
