"""tutor: an innate template of a whole song, which scores every frame of it together when the song is over.

    away_kt  = (sense_k(t) - template_k(t)) / tolerance
    score(T) = weight exp( -1/2 mean_kt away_kt^2 + noise ),   0 when below ``floor``;   score(t) = 0 before the end T

Range 0 to ``weight``, unit: agreement with the template. What it compares are spectro-temporal features that are heard,
so that it knows what a good song sounds like, and nothing of the muscles; it says how good, and neither where the song
went wrong nor what to do about it (Byrnes, "Intro to brain-like-AGI safety", post 2, section 2.3.2; auditory template:
Konishi 1965). :mod:`imprint.models.steering.judge` judges moments; this judge, a course in time. The template must have
a value for every frame of what it judges, or one value for all; a template of another length is refused.

Letters: n episodes, T steps, k features.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from pydantic import Field, field_validator
from torch import Tensor

from imprint.models.errors import ImprintError
from imprint.models.settings import Weight
from imprint.models.steering.base import Body, ErrorProfile, Senses, Signal, with_errors


class Tutor(Signal):
    """A score of a whole song against a fixed template."""

    class Settings(ErrorProfile):
        template: dict[str, Weight | tuple[Weight, ...]]
        """Sense -> its value in every frame of a perfect song, or one value for all frames."""
        tolerance: float = Field(0.1, gt=0.0, le=1e6)
        """Distance from the template, in all frames and features, at which the score has fallen to 61%."""
        floor: float = Field(0.0, ge=0.0, le=1.0)
        """Part of the largest score below which a song counts as nothing."""
        weight: float = Field(1.0, gt=0.0, le=1e6)
        """Score of a perfect song."""
        noise: float = Field(0.0, ge=0.0, le=1e6)
        """Standard deviation of the error of judgement, in the exponent."""

        @field_validator("template")
        @classmethod
        def _one_length(cls, template: dict[str, float | tuple[float, ...]]) -> dict[str, float | tuple[float, ...]]:
            if not template:
                raise ValueError("name at least one sense and its values in a perfect song")
            lengths = {name: len(values) for name, values in template.items() if isinstance(values, tuple)}
            if len(set(lengths.values())) > 1 or 0 in lengths.values():
                raise ValueError(f"the features have {lengths} frames; expected the same number, at least 1, of each")
            return template

    settings: Settings
    unit = "agreement with the template"

    @property
    def reads(self) -> frozenset[str]:
        """The features of the template."""
        return frozenset(self.settings.template)

    @property
    def range(self) -> tuple[float, float]:
        """0 to the score of a perfect song."""
        return (0.0, self.settings.weight)

    def compute(self, senses: Senses, body: Body, rng: torch.Generator) -> Tensor:
        """Scores ``[n, T]``: 0, and that of the song in the last step. :class:`ImprintError` for another length."""
        s = self.settings
        heard = torch.stack([senses[name] for name in s.template])
        away = (heard - self._template(heard.shape[2]).to(heard.dtype)) / s.tolerance
        score = -0.5 * away.square().mean((0, 2))
        if s.noise:
            score = score + s.noise * torch.randn(score.shape, generator=rng)
        score = score.exp().clamp(max=1.0)
        last = s.weight * torch.where(score >= s.floor, score, 0.0)[:, None]
        return with_errors(F.pad(last, (heard.shape[2] - 1, 0)), s, rng, alarm=s.weight)

    def _template(self, steps: int) -> Tensor:
        """The template ``[k, 1, T]``."""
        lines = []
        for name, values in self.settings.template.items():
            if isinstance(values, tuple) and len(values) != steps:
                raise ImprintError(
                    f"template of {self.settings.name!r}: {name} has {len(values)} frames, and the song has {steps}; "
                    f"give {steps} values, or one number for all frames."
                )
            lines.append(list(values) if isinstance(values, tuple) else [values] * steps)
        return torch.tensor(lines)[:, None]
