"""drive: the distance of a body state from its set point, or how much a step has reduced it.

    urge     d(t) = weight |state(t) - set_point(t)|
    relief   d(t) = weight (|before(t) - set_point(t)| - |state(t) - set_point(t)|)           when ``before`` is named

Unit: distance from the set point. As a reward, relief makes the same meal worth more to a hungry animal, without any
learning (drive reduction: Hull 1943; homeostatic reinforcement learning: Keramati & Gutkin 2014, eLife 3:e04811,
equation 2, here with exponents of 1 and one state).

The set point is an *innate adjustable variable*: a number that a hand-written rule moves, not a learned parameter. With
``drift`` above 0 it is a running average of the body state,

    set_point(t + 1) = set_point(t) + drift (state(t) - set_point(t)),

as in a thermostat that resets itself (allostasis: Sterling 2012). It starts at ``set_point``, or at the body state
``<name>.set_point`` if there is one; :meth:`Drive.adjusted` gives the value to start the next call with.

Letters: n episodes, T steps.
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor

from imprint.models.steering.base import Body, Senses, Signal, SignalSettings


class Drive(Signal):
    """Distance of a body state from its set point, or the reduction of that distance."""

    class Settings(SignalSettings):
        sense: str
        """The sense that holds the body state after the step."""
        before: str | None = None
        """The sense that holds it before the step; if given, the signal is relief, otherwise urge."""
        set_point: float = Field(0.0, ge=-1e6, le=1e6)
        """Set point at the start."""
        drift: float = Field(0.0, ge=0.0, le=1.0)
        """Part of the distance to the state by which the set point moves in a step."""
        weight: float = Field(1.0, gt=0.0, le=1e6)
        """Signal per unit of distance."""
        high: float = Field(1.0, gt=0.0, le=1e6)
        """Largest signal; relief is also clipped at its negative."""

    settings: Settings
    unit = "distance from the set point"

    @property
    def reads(self) -> frozenset[str]:
        """The body state after the step and, for relief, before it."""
        return frozenset({self.settings.sense} | ({self.settings.before} if self.settings.before else set()))

    @property
    def range(self) -> tuple[float, float]:
        """0 to the largest signal for urge, from its negative for relief."""
        return (-self.settings.high if self.settings.before else 0.0, self.settings.high)

    def set_points(self, state: Tensor, body: Body) -> Tensor:
        """Set points before each step and after the last, ``[n, T + 1]``, for states ``[n, T]``."""
        settings = self.settings
        steps, name = state.shape[1], f"{settings.name}.set_point"
        first = body[name] if name in body.values else torch.full_like(state[:, 0], settings.set_point)
        kept, later = 1 - settings.drift, torch.arange(steps + 1)
        lag = later[:, None] - 1 - torch.arange(steps)  # set_point(t) holds state(k) with weight drift kept^(t - 1 - k)
        weight = settings.drift * kept ** lag.clamp(min=0) * (lag >= 0)
        return first[:, None] * kept**later + state @ weight.to(state.dtype).T

    def compute(self, senses: Senses, body: Body, rng: torch.Generator) -> Tensor:
        """Urge or relief ``[n, T]``."""
        settings = self.settings
        state = senses[settings.sense]
        point = self.set_points(state, body)[:, :-1]
        signal = (state - point).abs()
        if settings.before is not None:
            signal = (senses[settings.before] - point).abs() - signal
        return (settings.weight * signal).clamp(*self.range)

    def adjusted(self, senses: Senses, body: Body) -> dict[str, Tensor]:
        """The set point after these steps, ``[n]``, as the body state ``<name>.set_point``."""
        return {f"{self.settings.name}.set_point": self.set_points(senses[self.settings.sense], body)[:, -1]}
