"""saccade: a jump of the eye to where something is, whose gain is set by where the eye has landed.

    landing(t) = strength gain(t) target(t)                    strength of the muscle, 1 at birth
    signal(t)  = clip( gain(t) target(t), -high, high )
    gain(t+1)  = gain(t) + rate target(t) (target(t) - landing(t))            by :class:`imprint.models.synapse.Synapse`

Range -``high`` to ``high``, unit: eccentricity. The gain is an *innate adjustable variable* (``<name>.gain``, 0 to
``most``): when a muscle weakens, jumps fall short, and the gain rises until they land (Optican & Robinson 1980, J
Neurophysiol 44:1058). The strength is a sense or a body state; without one it is 1. The error is the one that is seen
after the movement, which is worked out here because worlds have no eyes.

Letters: n episodes, T steps.
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor

from imprint.models.errors import unknown_name
from imprint.models.steering.base import Body, Senses, Signal, SignalSettings
from imprint.models.synapse import Synapse


class Saccade(Signal):
    """A movement of the eye with an adjustable gain."""

    class Settings(SignalSettings):
        target: str
        """Sense that says where something is, from the centre of gaze."""
        strength: str | None = None
        """Sense, or body state, that is the strength of the muscle; None: 1."""
        rate: float = Field(0.1, gt=0.0, le=1.0)
        """How strongly the error, times the target, moves the gain."""
        most: float = Field(3.0, ge=1.0, le=1e6)
        """Largest gain."""
        high: float = Field(1.0, gt=0.0, le=1e6)
        """Longest movement."""

    settings: Settings
    unit = "eccentricity"

    @property
    def reads(self) -> frozenset[str]:
        """The target and the strength of the muscle."""
        return frozenset({self.settings.target} | ({self.settings.strength} if self.settings.strength else set()))

    @property
    def range(self) -> tuple[float, float]:
        """The longest movements to either side."""
        return (-self.settings.high, self.settings.high)

    def gains(self, senses: Senses, body: Body) -> Tensor:
        """The gain before each step and after the last, ``[n, T + 1]``."""
        s, target = self.settings, senses[self.settings.target].clamp(-self.settings.high, self.settings.high)
        synapse, strength = Synapse(s.rate, 0.0, s.most), torch.ones_like(target)
        if s.strength is not None:
            states = {name: value[:, None].expand_as(target) for name, value in body.values.items()}
            known = {**states, **senses.values}
            if s.strength not in known:
                raise unknown_name("sense", s.strength, known)
            strength = known[s.strength]
        name = f"{s.name}.gain"
        values = [body[name] if name in body.values else torch.ones_like(target[:, 0])]
        for step in range(target.shape[1]):
            aim = target[:, step]
            values.append(synapse.changed(values[-1], aim, aim - strength[:, step] * values[-1] * aim))
        return torch.stack(values, 1)

    def compute(self, senses: Senses, body: Body, rng: torch.Generator) -> Tensor:
        """Movements ``[n, T]``."""
        high = self.settings.high
        return (self.gains(senses, body)[:, :-1] * senses[self.settings.target].clamp(-high, high)).clamp(*self.range)

    def adjusted(self, senses: Senses, body: Body) -> dict[str, Tensor]:
        """The gain after these steps, ``[n]``, as the body state ``<name>.gain``."""
        return {f"{self.settings.name}.gain": self.gains(senses, body)[:, -1]}
