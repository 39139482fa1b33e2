"""homeostat: several needs with a set point each; the urge is how far the body is from all of them.

    urge      D(h) = ( sum_k weight_k |set_point_k - h_k|^power )^(1 / root)          h: levels of the needs
    relief    D(before) - D(h)                                                        when ``before`` is named
    foreseen  D(h) - D(h + gain c)                                                    when ``expected`` is named

Range: 0 to ``high`` for the urge, from ``-high`` for the others. Unit: distance from the set points.

*Relief* as a reward is drive reduction (Hull 1943; homeostatic reinforcement learning: Keramati & Gutkin 2014, eLife
3:e04811, equations 1 and 2). What a meal is worth depends on all that is missing: more of what there is enough of takes
the body away from its set point, and the same outcome becomes a punishment.

*Foreseen* is the relief that what is expected would bring now. The expected changes c are readings of a scorecard,
which learned what each cue leads to, whatever that was worth at the time; the worth is hardcoded here. So a new deficit
changes the value of everything at once, without relearning (instant revaluation: Tindell et al. 2009, J Neurophysiol
101:2929; Byrnes, "Intro to brain-like-AGI safety", post 6).

Deviations: time is not discounted; set points do not move (:mod:`imprint.models.steering.drive` has one that does).

Letters: n episodes, T steps, k needs.
"""

from __future__ import annotations

import torch
from pydantic import Field, model_validator
from torch import Tensor

from imprint.models.errors import unknown_name
from imprint.models.settings import Weight
from imprint.models.steering.base import Body, Senses, Signal, SignalSettings


class Homeostat(Signal):
    """The distance of several needs from their set points, its reduction, or the reduction that is foreseen."""

    class Settings(SignalSettings):
        set_points: dict[str, Weight]
        """Sense (or body state) with the level of a need after the step -> the level at which nothing is missing."""
        weights: dict[str, float] = Field(default_factory=dict)
        """The same senses -> how much a need counts; 1 where it is not said."""
        before: dict[str, str] = Field(default_factory=dict)
        """The same senses -> sense with the level before the step, for every need; then the signal is relief."""
        expected: dict[str, str] = Field(default_factory=dict)
        """The same senses -> column of the scorecard (or sense) with the expected change; then relief is foreseen."""
        gain: float = Field(1.0, ge=-1e6, le=1e6)
        """Change of a level per unit of an expected change."""
        power: float = Field(2.0, ge=1.0, le=16.0)
        """Exponent of each deficit: above 1, large ones count more."""
        root: float = Field(2.0, ge=1.0, le=16.0)
        """Root of the sum."""
        high: float = Field(1.0, gt=0.0, le=1e6)
        """Largest signal; relief is also clipped at its negative."""

        @model_validator(mode="after")
        def _fits(self) -> Homeostat.Settings:
            if not self.set_points:
                raise ValueError("set_points is empty; name at least one need")
            for name, table in (("weights", self.weights), ("before", self.before), ("expected", self.expected)):
                for need in table:
                    if need not in self.set_points:
                        raise unknown_name(f"need in {name}", need, self.set_points)
            if any(weight < 0 for weight in self.weights.values()):
                raise ValueError(f"weights are {self.weights}; expected none below 0")
            if self.before and self.expected:
                raise ValueError("before and expected are both given: relief is felt or foreseen; leave one out")
            if self.before and (missing := sorted(self.set_points.keys() - self.before.keys())):
                raise ValueError(
                    f"before says nothing of {missing[0]!r}; name the sense with its level before the step"
                )
            return self

    settings: Settings
    unit = "distance from the set points"

    @property
    def reads(self) -> frozenset[str]:
        """Levels and, by what is named, levels before or expected changes."""
        s = self.settings
        return frozenset({*s.set_points, *s.before.values(), *s.expected.values()})

    @property
    def range(self) -> tuple[float, float]:
        """0 to the largest signal for the urge, from its negative for relief."""
        s = self.settings
        return (-s.high if s.before or s.expected else 0.0, s.high)

    def urge(self, levels: dict[str, Tensor]) -> Tensor:
        """D of levels ``[n, T]``, by need: ``[n, T]``."""
        s = self.settings
        parts = [
            s.weights.get(need, 1.0) * (level - s.set_points[need]).abs() ** s.power for need, level in levels.items()
        ]
        return torch.stack(parts).sum(0) ** (1 / s.root)

    def compute(self, senses: Senses, body: Body, rng: torch.Generator) -> Tensor:
        """Urge, relief or foreseen relief ``[n, T]``."""
        s = self.settings
        levels = {need: _level(need, senses, body) for need in s.set_points}
        signal = self.urge(levels)
        if s.before:
            signal = self.urge({need: _level(s.before[need], senses, body) for need in levels}) - signal
        elif s.expected:
            changes = {need: s.gain * senses[column] for need, column in s.expected.items()}
            signal = signal - self.urge({need: level + changes.get(need, 0.0) for need, level in levels.items()})
        return signal.clamp(*self.range)


def _level(name: str, senses: Senses, body: Body) -> Tensor:
    """A level ``[n, T]``, from the senses, or of a body state that is the same at every step."""
    if name in senses.values or name not in body.values:
        return senses[name]
    steps = next(iter(senses.values.values())).shape[1] if senses.values else 1
    return body[name][:, None].expand(-1, steps)
