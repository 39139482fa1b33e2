"""long_term: a predictor that is trained by its own later output until ground truth overrides it.

    switch  supervisor  y(t) = u(t) g(t) + (1 - u(t)) v(t)           g the signal, u the override, v its own output
    sum     supervisor  y(t) = g(t) + discount (1 - u(t)) v(t)       u the end of an episode
            error       e(t) = y(t) - v(t - lag)

While ground truth overrides (u = 1) this is a short-term predictor. While the steering side defers to the predictor
(u = 0) the output is its own target ``lag`` steps later: temporal-difference learning, TD(0), with no discount, and
with a switch in place of the textbook's sum. Consequences: the prediction moves to the earliest reliable cue and stays
constant from there on (no ramp); a prediction that no override ever reaches is a fixed point. A target of zero at the
end of a trial *is* an override; for an episode that is cut off without ground truth u must be 0.

An array of labelled assessors, one per innate channel (the scorecard), is this object with the channels along the
leading axis: ``LongTerm(settings, seeds=channels, width=D)`` given latents ``x.expand(channels, ...)``.

Sources: Byrnes, "Intro to brain-like-AGI safety", post 5 (switch); Sutton & Barto 2018, section 6.1 (sum). Deviation
from both: the step is that of :class:`imprint.models.assessors.base.LinearAssessor`, unless ``plain``; then one update
with T = 2 and n = 1 is one step of TD(0) with linear function approximation (ibid., section 9.4, semi-gradient).
Numbers are kept in double precision.

Letters: S seeds or channels, n episodes, T steps, D latent width.
"""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor

from imprint.models.assessors.base import LinearAssessor, LinearSettings


class LongTerm(LinearAssessor):
    """A linear prediction that is its own target until ground truth overrides it."""

    class Settings(LinearSettings):
        form: Literal["switch", "sum"] = "switch"
        """How ground truth and the current output are combined into the target."""
        discount: float = Field(1.0, ge=0.0, le=1.0)
        """Discount of ``sum``; the switch has none."""
        threshold: float | None = Field(None, ge=0.0, le=1e6)
        """Magnitude of the signal above which ground truth overrides, in updates of ``switch`` without an explicit
        override. None: at every step."""
        plain: bool = False
        """The textbook rule: raw latents, no bias, ``rate`` undivided."""

        @model_validator(mode="after")
        def _of_one_form(self) -> LongTerm.Settings:
            if self.form == "switch" and self.discount != 1.0:
                raise ValueError(f"discount is {self.discount}, but a switch has none; set form: sum")
            if self.form == "sum" and self.threshold is not None:
                raise ValueError(f"threshold is {self.threshold}, but a sum has no override; set form: switch")
            return self

    rule = "TD(0): its own output is its target until ground truth overrides it"

    def __init__(self, settings: LongTerm.Settings, seeds: int, width: int) -> None:
        super().__init__(settings, seeds, width, torch.float64)
        self.s = settings
        self.plain = settings.plain

    def supervisor(self, signal: Tensor, output: Tensor, override: Tensor | None = None) -> Tensor:
        """Target of the output ``[S, n, T]``, from signal, output and override (bool), all ``[S, n, T]``."""
        if self.s.form == "sum":
            going_on = torch.ones_like(output) if override is None else (~override).to(output.dtype)
            return signal + self.s.discount * going_on * output
        if override is None:
            if self.s.threshold is None:
                return signal.to(output.dtype)
            override = signal.abs() > self.s.threshold
        return torch.where(override, signal.to(output.dtype), output)

    def update(self, latents: Tensor, signal: Tensor, gate: Tensor, override: Tensor | None = None) -> Tensor:
        """One step of the rule on every seed whose ``gate`` is true; latents are detached.

        ``override`` bool ``[S, n, T]``: where ground truth takes over (``switch``), where an episode is over (``sum``).
        """
        latents = latents.detach()
        self._observe(latents, gate)
        return self._learn(latents, self.supervisor(signal, self._value(latents), override), gate)
