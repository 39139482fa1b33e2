"""social: what another shows of its feelings, as a sense that one cares about.

    shown(t)  = feeling(t) with probability ``honesty``, else 1 - feeling(t); drawn once an episode
    signal(t) = relation shown(t)  where ``present`` is above 1/2,   then delay, misses and false alarms

Range 0 to ``relation``, unit: shared feeling. The feeling is a sense in 0 to 1. A positive relation makes the other's
joy one's own (sympathy), a negative one makes it a pain (spite): the bit that multiplies a perceived feeling in Byrnes,
"Intro to brain-like-AGI safety", post 13, and "Neuroscience of human social instincts". ``present`` is the crude flag
that there is somebody at all. Whoever is dishonest displays the opposite throughout an episode; misses and false
alarms are the observer's own errors, drawn at every step.

Letters: n episodes, T steps.
"""

from __future__ import annotations

import torch
from pydantic import Field, field_validator
from torch import Tensor

from imprint.models.steering.base import Body, ErrorProfile, Senses, Signal, with_errors


class Social(Signal):
    """Another's displayed feeling, times one's relation to it."""

    class Settings(ErrorProfile):
        feeling: str
        """The sense that holds what the other feels, 0 to 1."""
        present: str | None = None
        """The sense that says whether there is another; None: there always is."""
        honesty: float = Field(1.0, ge=0.0, le=1.0)
        """Probability that the other shows in an episode what it feels."""
        relation: float = Field(1.0, ge=-1e6, le=1e6)
        """Signal for the strongest feeling: positive for a friend, negative for a rival."""

        @field_validator("relation")
        @classmethod
        def _related(cls, relation: float) -> float:
            if relation == 0.0:
                raise ValueError("expected another number than 0, at which the other does not matter")
            return relation

    settings: Settings
    unit = "shared feeling"

    @property
    def reads(self) -> frozenset[str]:
        """The feeling and the flag."""
        return frozenset({self.settings.feeling} | ({self.settings.present} if self.settings.present else set()))

    @property
    def range(self) -> tuple[float, float]:
        """Between 0 and the signal for the strongest feeling."""
        return (min(0.0, self.settings.relation), max(0.0, self.settings.relation))

    def compute(self, senses: Senses, body: Body, rng: torch.Generator) -> Tensor:
        """Shared feeling ``[n, T]``."""
        s = self.settings
        feeling = senses[s.feeling].clamp(0.0, 1.0)
        honest = torch.rand(len(feeling), 1, generator=rng) < s.honesty
        shown = s.relation * torch.where(honest, feeling, 1.0 - feeling)
        if s.present is not None:
            shown = torch.where(senses[s.present] > 0.5, shown, 0.0)
        return with_errors(shown, s, rng, alarm=s.relation)
