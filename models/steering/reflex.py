"""reflex: a hardcoded action that a strong enough sense triggers, without any learning.

    fires(t) = [ max_k sense_k(t) > threshold ]  and  [ every sense in ``when`` is above its level ]
    action(t) = the action of the strongest sense

Range 0 to 1, unit: firing. The signal says whether it fired, for other signals or an assessor to read.
:meth:`Reflex.act` gives the action; :mod:`imprint.models.wrappers.reflexes` has it replace the action that the agent
chose. Of several reflexes in a setup the first that fires acts.

Such a rule is enough to escape from what looms or to turn towards the smell of food, as the fixed wiring from crude
senses to muscles in the brainstem does (Byrnes, "Intro to brain-like-AGI safety", post 2, section 2.3.2, and post 3).

Letters: n episodes, T steps.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from pydantic import Field, field_validator
from torch import Tensor

from imprint.models.errors import unknown_name
from imprint.models.settings import Weight
from imprint.models.steering.base import Body, Senses, Signal, SignalSettings


class Reflex(Signal):
    """The strongest of a few senses chooses the action."""

    class Settings(SignalSettings):
        actions: dict[str, int]
        """Sense -> number of the action that it triggers."""
        threshold: float = Field(0.0, ge=-1e6, le=1e6)
        """It fires above this, in the unit of the senses."""
        when: dict[str, Weight] = Field(default_factory=dict)
        """Sense, or body state, -> level above which it must be for the reflex to fire."""

        @field_validator("actions")
        @classmethod
        def _triggers(cls, actions: dict[str, int]) -> dict[str, int]:
            if not actions or min(actions.values()) < 0:
                raise ValueError("name at least one sense and the number of its action, 0 or more")
            return actions

    settings: Settings
    unit = "firing"
    range = (0.0, 1.0)

    @property
    def reads(self) -> frozenset[str]:
        """Senses that trigger it and those that it depends on."""
        return frozenset({*self.settings.actions, *self.settings.when})

    def compute(self, senses: Senses, body: Body, rng: torch.Generator) -> Tensor:
        """Firing ``[n, T]``."""
        steps = next(iter(senses.values.values())).shape[1] if senses.values else 1
        states = {name: value[:, None].expand(-1, steps) for name, value in body.values.items()}
        return (self._choice({**states, **senses.values}) >= 0).float()

    def act(self, senses_now: Mapping[str, Tensor], body: Body) -> Tensor:
        """The action int64 ``[n]`` that senses ``[n]`` trigger; -1 where it does not fire."""
        return self._choice({**body.values, **Senses(senses_now).values})

    def _choice(self, values: Mapping[str, Tensor]) -> Tensor:
        """Action, or -1, from senses and body states of any one shape."""
        settings = self.settings
        for name in self.reads:
            if name not in values:
                raise unknown_name("sense", name, values)
        strength = torch.stack([values[name] for name in settings.actions], -1)
        most, which = strength.max(-1)
        fires = most > settings.threshold
        for name, level in settings.when.items():
            fires = fires & (values[name] > level)
        action = torch.tensor(list(settings.actions.values()))[which]
        return torch.where(fires, action, -1)
