"""tally: a tally of fights won, by which an animal is bolder or meeker.

    signal(t)  = weight tally(t) opponent(t)
    tally(t+1) = tally(t) + rate fought(t) (won(t) - tally(t))          by :class:`imprint.models.synapse.Synapse`

Range 0 to ``weight``, unit: boldness. The tally is an *innate adjustable variable* (``<name>.tally``, 0 to 1): a fixed
rule (the more wins, the bolder) has a number in it that experience sets. A synapse may hold it and it is no learner,
since more of them would not make it better (Byrnes, "Intro to brain-like-AGI safety", post 2, section 2.3.3; winner
effect: Hsu, Earley & Wolf 2006, Biol Rev 81:33).

Letters: n episodes, T steps.
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor

from imprint.models.steering.base import Body, Senses, Signal, SignalSettings
from imprint.models.synapse import Synapse


class Tally(Signal):
    """Boldness by a tally of fights."""

    class Settings(SignalSettings):
        opponent: str
        """Sense that says how near an opponent is, 0 to 1."""
        fought: str
        """Sense that is 1 in a step with a fight."""
        won: str
        """Sense that is 1 if it was won; read where there was one."""
        rate: float = Field(0.1, gt=0.0, le=1.0)
        """Part of the way to the result that the tally moves in a fight."""
        start: float = Field(0.5, ge=0.0, le=1.0)
        """Tally at birth."""
        weight: float = Field(1.0, gt=0.0, le=1e6)
        """Boldness of who has always won."""

    settings: Settings
    unit = "boldness"

    @property
    def reads(self) -> frozenset[str]:
        """Opponent, fights and their results."""
        return frozenset({self.settings.opponent, self.settings.fought, self.settings.won})

    @property
    def range(self) -> tuple[float, float]:
        """0 to ``weight``."""
        return (0.0, self.settings.weight)

    def tallies(self, senses: Senses, body: Body) -> Tensor:
        """The tally before each step and after the last, ``[n, T + 1]``."""
        s, synapse = self.settings, Synapse(self.settings.rate, 0.0, 1.0)
        fought, won = (senses[name].clamp(0.0, 1.0) for name in (s.fought, s.won))
        name = f"{s.name}.tally"
        values = [body[name] if name in body.values else torch.full_like(fought[:, 0], s.start)]
        for step in range(fought.shape[1]):
            values.append(synapse.changed(values[-1], fought[:, step], won[:, step] - values[-1]))
        return torch.stack(values, 1)

    def compute(self, senses: Senses, body: Body, rng: torch.Generator) -> Tensor:
        """Boldness ``[n, T]``."""
        near = senses[self.settings.opponent].clamp(0.0, 1.0)
        return self.settings.weight * self.tallies(senses, body)[:, :-1] * near

    def adjusted(self, senses: Senses, body: Body) -> dict[str, Tensor]:
        """The tally after these steps, ``[n]``, as the body state ``<name>.tally``."""
        return {f"{self.settings.name}.tally": self.tallies(senses, body)[:, -1]}
