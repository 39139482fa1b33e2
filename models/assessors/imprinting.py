"""imprinting: a short-term predictor whose learning window is opened by what it first meets, and then shuts for good.

    opens    at the first episode in which the magnitude of the signal is above ``threshold`` at some step
    closes   after ``events`` such episodes, or ``lasts`` experiences after it opened, whichever comes first
    between  the rule of ``valence``; before and after, nothing is learned

That is the sensitive period of filial imprinting: a crude detector opens it, what is then in view is learned, and later
signals change nothing (Bateson 1979, Anim Behav 27:470; Byrnes, "Intro to brain-like-AGI safety", post 13). The window
is exact to the episode: those before the first event of a batch, and those after the last that counts, teach nothing.
``opens_at`` and ``closes_at`` bound it by age besides; events outside of these are not noticed. A window that never
opened leaves the value at 0 everywhere. The window is gating of an assessor and so is a kind of assessor: whether it is
open depends on its own past, which a steering signal, being hardcoded and without memory, has not.

Letters: S seeds, n episodes, T steps, D latent width.
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor

from imprint.models.assessors.base import LinearAssessor, LinearSettings


class Imprinting(LinearAssessor):
    """A linear value of latents that is learned within a window that events open and close."""

    class Settings(LinearSettings):
        threshold: float = Field(0.5, ge=0.0, le=1e6)
        """An episode is an event when the signal's magnitude is above this at some step."""
        events: int | None = Field(None, ge=1, le=10**12)
        """The window closes after this many events, the one that opened it included; None: after any number."""
        lasts: int | None = Field(None, ge=1, le=10**12)
        """It closes this many experiences after the first event, which is the first of them; None: never."""

    rule = "three-factor (delta), normalised, within a window that events open and close"
    kept = (*LinearAssessor.kept, "opened", "events", "lived")
    settings: Settings

    def __init__(self, settings: Imprinting.Settings, seeds: int, width: int) -> None:
        super().__init__(settings, seeds, width)
        self.opened = torch.zeros(seeds, dtype=torch.bool)
        """Whether the window has ever been open."""
        self.events = torch.zeros(seeds, dtype=torch.int64)
        """Events learned from."""
        self.lived = torch.zeros(seeds, dtype=torch.int64)
        """Experiences since it opened."""

    def update(self, latents: Tensor, signal: Tensor, gate: Tensor) -> Tensor:
        """One step of the rule on the episodes within the window of every seed whose ``gate`` is true."""
        latents = latents.detach()
        rows = self._window((signal.abs() > self.settings.threshold).any(2), gate)
        gate = gate & rows.any(1)
        self._observe(latents, gate, rows)
        return self._learn(latents, signal, gate, rows)

    def _window(self, event: Tensor, gate: Tensor) -> Tensor:
        """Which episodes, bool ``[S, n]``, lie within the window, of those in which ``event`` ``[S, n]`` happened."""
        s, n = self.settings, event.shape[1]
        begun = (event.cumsum(1) > 0) | self.opened[:, None]
        lived = self.lived[:, None] + begun.cumsum(1)
        before = self.events[:, None] + event.cumsum(1) - event.long()
        inside = begun & gate[:, None]
        if s.lasts is not None:
            inside &= lived <= s.lasts
        if s.events is not None:
            inside &= before < s.events
        self.opened = self.opened | (begun[:, n - 1] & gate)
        self.events = self.events + (event & inside).sum(1)
        self.lived = torch.where(gate, lived[:, n - 1], self.lived)
        return inside
