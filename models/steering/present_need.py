"""present_need: the valence that a steering side reads off a scorecard, given what the body needs now.

    valence(t) = clip( sum_k weight_k need_k(t) column_k(t),  low,  high )

Range ``low`` to ``high``, unit: valence. What a thought would lead to is learned, one labelled column for each innate
channel; how much that is worth is hardcoded and depends on the present need. So a new need changes the value of
everything at once, without relearning (instant revaluation: Tindell et al. 2009, J Neurophysiol 101:2929; Byrnes,
"Intro to brain-like-AGI safety", post 6), whereas an assessor that was taught this signal keeps what it has cached.

The needs are body states, senses or earlier signals. Error profile: ``need_noise``, an error of each need that is drawn
once an episode, and ``need_delay``, by which the need is out of date.

Letters: n episodes, T steps, k columns.
"""

from __future__ import annotations

import torch
from pydantic import Field, model_validator
from torch import Tensor

from imprint.models.errors import unknown_name
from imprint.models.settings import Weight
from imprint.models.steering.base import Body, Senses, Signal, SignalSettings


class PresentNeed(Signal):
    """A sum over needs of present need times learned column."""

    class Settings(SignalSettings):
        columns: dict[str, Weight]
        """Column of the scorecard (or sense, or earlier signal) -> weight."""
        needs: dict[str, str] = Field(default_factory=dict)
        """Column -> body state (or sense) that says how much it is needed now; without one the need is 1."""
        need_noise: float = Field(0.0, ge=0.0, le=1e6)
        """Standard deviation of the error with which a need is felt, in its own unit."""
        need_delay: int = Field(0, ge=0, le=10_000_000)
        """Steps by which a felt need is out of date; before that many steps it is that of the first step."""
        low: float = Field(-1.0, ge=-1e6, le=1e6)
        """Smallest valence."""
        high: float = Field(1.0, ge=-1e6, le=1e6)
        """Largest valence."""

        @model_validator(mode="after")
        def _fits(self) -> PresentNeed.Settings:
            if not self.columns:
                raise ValueError("columns is empty; name at least one column of the scorecard")
            for name in self.needs:
                if name not in self.columns:
                    raise unknown_name("column in needs", name, self.columns)
            if not self.needs and (self.need_noise or self.need_delay):
                raise ValueError("need_noise and need_delay are of needs, and needs is empty; name a need")
            if not self.low < self.high:
                raise ValueError(f"low is {self.low} and high is {self.high}; low must be below high")
            return self

    settings: Settings
    unit = "valence"

    @property
    def reads(self) -> frozenset[str]:
        """Columns and, where they are no body states, needs."""
        return frozenset({*self.settings.columns, *self.settings.needs.values()})

    @property
    def range(self) -> tuple[float, float]:
        """The clipping range."""
        return (self.settings.low, self.settings.high)

    def compute(self, senses: Senses, body: Body, rng: torch.Generator) -> Tensor:
        """Valence ``[n, T]``."""
        s = self.settings
        total = torch.stack([w * senses[name] * self._need(name, senses, body, rng) for name, w in s.columns.items()])
        return total.sum(0).clamp(s.low, s.high)

    def _need(self, column: str, senses: Senses, body: Body, rng: torch.Generator) -> Tensor:
        """The felt need of a column, ``[n, T]`` or broadcastable to it."""
        s, name = self.settings, self.settings.needs.get(column)
        if name is None:
            return torch.ones(())
        if name not in body.values and name not in senses.values:
            raise unknown_name("need", name, [*body.values, *senses.values])
        need = senses[name] if name in senses.values else body[name][:, None]
        steps = torch.arange(need.shape[1])
        need = need[:, (steps - s.need_delay).clamp(min=0)]
        if s.need_noise:
            need = need + s.need_noise * torch.randn(len(need), 1, generator=rng)
        return need
