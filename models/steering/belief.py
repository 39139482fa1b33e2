"""belief: a reward for what the learner believes, and not only for what is sensed.

    believed(t) = clip( gain reading(t), 0, 1 ),   or  [ reading(t) > threshold ]
    signal  (t) = weight max( sense(t), believed(t) )                                sense in 0 to 1; 0 without one

Range 0 to ``weight``, unit: reward. The reading is a column of the scorecard: a predictor that was trained on a sense,
so that the reward goes on where the sense is silent and the belief is not (upstream generalisation: the spider that
was seen is believed to be behind the sofa), or a ``direction`` that was located in the learner, which makes it a reward
wired to a concept (Byrnes, "Intro to brain-like-AGI safety", post 14; Byrnes 2025, "Reward function design").

No gradient goes into beliefs: readings are detached. With ``gradient_into_learner`` = g above 0 the learner's loss is

    objective - g mean_t signal(t)                            (errors of the signal left out)

so that it also learns to believe what is rewarded; the arm in which interpretability-in-the-loop is expected to fail.

Letters: S seeds, n episodes, T steps.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from pydantic import Field, model_validator
from torch import Tensor

from imprint.models.steering.base import Body, ErrorProfile, Senses, Signal, with_errors


class Belief(Signal):
    """A reward for a reading of the learner's latents."""

    class Settings(ErrorProfile):
        reading: str
        """The column of the scorecard that it reads."""
        sense: str | None = None
        """Ground truth (a sense or earlier signal) that is rewarded as well; None: the belief alone."""
        gain: float = Field(1.0, ge=-1e6, le=1e6)
        """Belief per unit of the reading; negative when the reading is of the opposite."""
        threshold: float | None = Field(None, ge=-1e6, le=1e6)
        """Reading above which the belief is 1, and else 0; None: the belief is graded."""
        weight: float = Field(1.0, ge=-1e6, le=1e6)
        """Reward for a certain belief; negative for a punishment."""
        gradient_into_learner: float = Field(0.0, ge=0.0, le=1e6)
        """Weight of the signal in the learner's own loss; 0, the default: no gradient goes into beliefs."""

        @model_validator(mode="after")
        def _sensible(self) -> Belief.Settings:
            if self.gain == 0.0 or self.weight == 0.0:
                raise ValueError("gain or weight is 0, at which nothing is read; expected another number")
            if self.threshold is not None and self.gain != 1.0:
                raise ValueError(f"gain is {self.gain}, but a belief with a threshold is not graded; leave one out")
            if self.threshold is not None and self.gradient_into_learner:
                raise ValueError("a threshold has no gradient; leave threshold or gradient_into_learner out")
            return self

    settings: Settings
    unit = "reward"

    @property
    def reads(self) -> frozenset[str]:
        """The reading and the ground truth."""
        return frozenset({self.settings.reading} | ({self.settings.sense} if self.settings.sense else set()))

    @property
    def range(self) -> tuple[float, float]:
        """Between 0 and the reward for a certain belief."""
        return (min(0.0, self.settings.weight), max(0.0, self.settings.weight))

    @property
    def shapes_learner(self) -> bool:
        """Whether the gradient goes into the learner."""
        return self.settings.gradient_into_learner > 0.0

    def _exact(self, values: Mapping[str, Tensor]) -> Tensor:
        """The signal without errors, differentiable in the reading."""
        s = self.settings
        reading = values[s.reading]
        if s.threshold is None:
            believed = (s.gain * reading).clamp(0.0, 1.0)
        else:
            believed = (reading > s.threshold).to(reading.dtype)
        return s.weight * (believed if s.sense is None else torch.maximum(believed, values[s.sense].clamp(0.0, 1.0)))

    def compute(self, senses: Senses, body: Body, rng: torch.Generator) -> Tensor:
        """Reward ``[n, T]``."""
        exact = self._exact({name: senses[name] for name in self.reads})
        return with_errors(exact, self.settings, rng, alarm=self.settings.weight)

    def pressure(self, values: Mapping[str, Tensor]) -> Tensor:
        """The mean signal of each seed with the opposite sign, times ``gradient_into_learner``."""
        return -self.settings.gradient_into_learner * self._exact(values).mean((1, 2))
