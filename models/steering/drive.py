"""drive: how far a state of the body is from its set point, or how much nearer a step has brought it.

    urge     d(t) = weight |state(t) - set_point(t)|
    relief   d(t) = weight (|before(t) - set_point(t)| - |state(t) - set_point(t)|)           when ``before`` is named

Unit: distance from the set point. Paid as a reward, relief is worth what the body lacks: the same meal is worth more to
a hungry animal, with no learning (drive reduction: Hull 1943; homeostatic reinforcement learning: Keramati & Gutkin
2014, eLife 3:e04811, equation 2, here with exponents of 1 and one state).

The set point is an *innate adjustable variable*: a few numbers that a hand-written rule moves, not a learner. With
``drift`` above 0 it follows what the body has been like,

    set_point(t + 1) = set_point(t) + drift (state(t) - set_point(t)),

as a thermostat that resets itself (allostasis: Sterling 2012). It starts at ``set_point``, or where the body state
``<name>.set_point`` says; :meth:`Drive.adjusted` gives what to hand on to the next call.

Letters: n episodes, T steps.
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor

from imprint.models.steering.base import Body, Senses, Signal, SignalSettings


class Drive(Signal):
    """Distance from a set point, or its reduction."""

    class Settings(SignalSettings):
        sense: str
        """The state of the body, as it is felt after the step."""
        before: str | None = None
        """The same before the step; if named, the signal is relief, otherwise urge."""
        set_point: float = 0.0
        """Where the body wants to be, at first."""
        drift: float = Field(0.0, ge=0.0, le=1.0)
        """Part of the way that the set point follows the state in a step."""
        weight: float = Field(1.0, gt=0.0)
        """Signal per distance."""
        high: float = Field(1.0, gt=0.0)
        """Largest signal; relief is cut off at its negative, too."""

    unit = "distance from the set point"

    @property
    def reads(self) -> frozenset[str]:
        """The state after the step and, for relief, before it."""
        assert isinstance(self.settings, Drive.Settings)
        return frozenset({self.settings.sense} | ({self.settings.before} if self.settings.before else set()))

    @property
    def range(self) -> tuple[float, float]:
        """Urge is never negative, relief may be."""
        assert isinstance(self.settings, Drive.Settings)
        return (-self.settings.high if self.settings.before else 0.0, self.settings.high)

    def set_points(self, state: Tensor, body: Body) -> Tensor:
        """Set points before each step and after the last, ``[n, T + 1]``, for states ``[n, T]``."""
        settings = self.settings
        assert isinstance(settings, Drive.Settings)
        steps, name = state.shape[1], f"{settings.name}.set_point"
        first = body[name] if name in body.values else torch.full_like(state[:, 0], settings.set_point)
        kept, later = 1 - settings.drift, torch.arange(steps + 1)
        lag = later[:, None] - 1 - torch.arange(steps)  # set_point(t) holds state(k) with weight drift kept^(t - 1 - k)
        weight = settings.drift * kept ** lag.clamp(min=0) * (lag >= 0)
        return first[:, None] * kept**later + state @ weight.to(state.dtype).T

    def compute(self, senses: Senses, body: Body, rng: torch.Generator) -> Tensor:
        """Urge or relief ``[n, T]``."""
        settings = self.settings
        assert isinstance(settings, Drive.Settings)
        state = senses[settings.sense]
        point = self.set_points(state, body)[:, :-1]
        signal = (state - point).abs()
        if settings.before is not None:
            signal = (senses[settings.before] - point).abs() - signal
        return (settings.weight * signal).clamp(*self.range)

    def adjusted(self, senses: Senses, body: Body) -> dict[str, Tensor]:
        """The innate adjustable variable after these steps, ``<name>.set_point`` ``[n]``: a body state."""
        assert isinstance(self.settings, Drive.Settings)
        return {f"{self.settings.name}.set_point": self.set_points(senses[self.settings.sense], body)[:, -1]}
