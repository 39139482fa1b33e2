"""startle: a reflex whose gain falls with use, comes back with rest, and rises after harm.

    signal(t) = clip( gain(t) sense(t), 0, high )
    gain(t+1) = gain(t) - habituates gain(t) [signal(t) > threshold] + rest (1 - gain(t)) + sensitises harm(t)

Range 0 to ``high``, unit: strength of the reflex. The gain is an *innate adjustable variable* (``<name>.gain``, 0 to
``most``): one number, for every stimulus that triggers the reflex (habituation and sensitisation of one reflex, as of
the gill of *Aplysia*: Kandel 2001, Science 294:1030; dual process: Groves & Thompson 1970).

Letters: n episodes, T steps.
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor

from imprint.models.steering.base import Body, Senses, Signal, SignalSettings


class Startle(Signal):
    """A reflex with an adjustable gain."""

    class Settings(SignalSettings):
        sense: str
        """Sense that triggers it."""
        harm: str | None = None
        """Sense that sensitises; None: nothing does."""
        threshold: float = Field(0.1, ge=0.0, le=1e6)
        """Strength from which the reflex counts as used."""
        habituates: float = Field(0.1, ge=0.0, le=1.0)
        """Part of the gain that a use costs."""
        rest: float = Field(0.01, ge=0.0, le=1.0)
        """Part of the way to 1 that the gain comes back in a step."""
        sensitises: float = Field(0.5, ge=0.0, le=1e6)
        """Gain that a unit of harm adds."""
        most: float = Field(3.0, ge=1.0, le=1e6)
        """Largest gain."""
        high: float = Field(1.0, gt=0.0, le=1e6)
        """Strongest reflex."""

    settings: Settings
    unit = "strength of the reflex"

    @property
    def reads(self) -> frozenset[str]:
        """What triggers it and what sensitises it."""
        return frozenset({self.settings.sense} | ({self.settings.harm} if self.settings.harm else set()))

    @property
    def range(self) -> tuple[float, float]:
        """0 to ``high``."""
        return (0.0, self.settings.high)

    def _course(self, senses: Senses, body: Body) -> tuple[Tensor, Tensor]:
        """Reflexes ``[n, T]``, and the gain after the last step ``[n]``."""
        s, trigger = self.settings, senses[self.settings.sense].clamp(min=0.0)
        harm = senses[s.harm].clamp(min=0.0) if s.harm else torch.zeros_like(trigger)
        name, reflexes = f"{s.name}.gain", []
        gain = body[name] if name in body.values else torch.ones_like(trigger[:, 0])
        for step in range(trigger.shape[1]):
            reflex = (gain * trigger[:, step]).clamp(max=s.high)
            reflexes.append(reflex)
            change = s.rest * (1.0 - gain) - s.habituates * gain * (reflex > s.threshold) + s.sensitises * harm[:, step]
            gain = (gain + change).clamp(0.0, s.most)
        return torch.stack(reflexes, 1), gain

    def compute(self, senses: Senses, body: Body, rng: torch.Generator) -> Tensor:
        """Reflexes ``[n, T]``."""
        return self._course(senses, body)[0]

    def adjusted(self, senses: Senses, body: Body) -> dict[str, Tensor]:
        """The gain after these steps, ``[n]``, as the body state ``<name>.gain``."""
        return {f"{self.settings.name}.gain": self._course(senses, body)[1]}
