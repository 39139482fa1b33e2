"""reflex: when a crude sense is strong enough, an action; competent at birth, without any learning.

    fires(t) = [ max_k sense_k(t) > threshold ]  and  [ every sense in ``when`` is above its level ]
    action(t) = the action of the strongest sense

Range 0 to 1, unit: firing. As a signal it says that it fired, so that other signals, or an assessor that anticipates
it, can read it. :meth:`Reflex.act` gives the action of the moment; :mod:`imprint.models.wrappers.reflexes` lets the
body act before the learner is asked. Reflexes in a setup are asked in order: the first that fires acts.

A rule here is all an animal needs to escape from what looms, or to turn towards what smells of food: fixed wiring from
crude senses to muscles in the brainstem (Byrnes, "Intro to brain-like-AGI safety", post 2, section 2.3.2, and post 3).

Letters: n episodes, T steps.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from pydantic import Field, field_validator
from torch import Tensor

from imprint.models.errors import unknown_name
from imprint.models.steering.base import Body, Senses, Signal, SignalSettings


class Reflex(Signal):
    """The strongest of a few senses picks an action."""

    class Settings(SignalSettings):
        actions: dict[str, int]
        """Sense -> number of the action it triggers."""
        threshold: float = 0.0
        """It fires above this, in the unit of the senses."""
        when: dict[str, float] = Field(default_factory=dict)
        """Sense, or body state, -> level it must be above for the reflex to be awake."""

        @field_validator("actions")
        @classmethod
        def _some(cls, actions: dict[str, int]) -> dict[str, int]:
            if not actions or min(actions.values()) < 0:
                raise ValueError("name at least one sense and the number of its action, 0 or more")
            return actions

    unit = "firing"

    @property
    def reads(self) -> frozenset[str]:
        """Senses that trigger it and those that keep it awake."""
        assert isinstance(self.settings, Reflex.Settings)
        return frozenset({*self.settings.actions, *self.settings.when})

    @property
    def range(self) -> tuple[float, float]:
        """Silent is 0, firing is 1."""
        return (0.0, 1.0)

    def compute(self, senses: Senses, body: Body, rng: torch.Generator) -> Tensor:
        """Firing ``[n, T]``."""
        steps = next(iter(senses.values.values())).shape[1] if senses.values else 1
        held = {name: value[:, None].expand(-1, steps) for name, value in body.values.items()}
        return (self._choice({**held, **senses.values}) >= 0).float()

    def act(self, senses_now: Mapping[str, Tensor], body: Body) -> Tensor:
        """The action of the moment int64 ``[n]`` from senses ``[n]``; -1: it leaves the moment to the learner."""
        return self._choice({**body.values, **Senses(senses_now).values})

    def _choice(self, felt: Mapping[str, Tensor]) -> Tensor:
        settings = self.settings
        assert isinstance(settings, Reflex.Settings)
        for name in self.reads:
            if name not in felt:
                raise unknown_name("sense", name, felt)
        strength = torch.stack([felt[name] for name in settings.actions], -1)
        most, which = strength.max(-1)
        fires = most > settings.threshold
        for name, level in settings.when.items():
            fires = fires & (felt[name] > level)
        action = torch.tensor(list(settings.actions.values()))[which]
        return torch.where(fires, action, -1)
