"""valence: a linear short-term predictor of the steering signal, trained by the three-factor (delta) rule.

    target  y(t) = the steering signal; v(t) learns to predict it ``lag`` steps ahead

With ``lag`` 0 the latents contain the very cue that triggers the signal, and the value latches onto that cue
(short-term predictor: Byrnes, "Intro to brain-like-AGI safety", post 4). The rule and its deviations from the plain
delta rule are those of :class:`imprint.models.assessors.base.LinearAssessor`.
"""

from __future__ import annotations

from torch import Tensor

from imprint.models.assessors.base import LinearAssessor


class Valence(LinearAssessor):
    """A linear value of latents, trained by the signal itself."""

    rule = "three-factor (delta), normalised"

    def update(self, latents: Tensor, signal: Tensor, gate: Tensor) -> Tensor:
        """One step of the rule on every seed whose ``gate`` is true; latents are detached."""
        latents = latents.detach()
        self._observe(latents, gate)
        return self._learn(latents, signal, gate)
