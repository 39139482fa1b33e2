"""valence: a linear short-term predictor taught by the three-factor (delta) rule.

    target  y(t) = the steering signal; v(t) learns to say it ``lag`` steps ahead

With ``lag`` 0 the cue of the moment is in its own context, and the rule latches onto the cue (short-term predictor:
Byrnes, post 4). The rule and its deviations from the plain one: :class:`imprint.models.assessors.base.LinearAssessor`.
"""

from __future__ import annotations

from torch import Tensor

from imprint.models.assessors.base import LinearAssessor


class Valence(LinearAssessor):
    """Linear value of latents, taught by the signal itself."""

    rule = "three-factor (delta), normalised"

    def update(self, latents: Tensor, signal: Tensor, gate: Tensor) -> Tensor:
        """One step of the rule on every seed whose gate is open; latents are detached."""
        latents = latents.detach()
        self._observe(latents, gate)
        return self._learn(latents, signal, gate)
