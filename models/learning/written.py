"""Learners that write their experience into themselves, and learn by nothing else, side by side.

Letters: S seeds, n episodes, T steps, D latent width.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import torch
from torch import Tensor

from imprint.models.errors import ImprintError
from imprint.models.learners.base import Learner, Taught, Writing
from imprint.models.learning.cohort import Cohort


class WrittenCohort(Cohort):
    """S learners, each a :class:`imprint.models.learners.base.Written`."""

    by_gradient = False

    def __init__(self, learners: Sequence[Learner]) -> None:
        super().__init__(learners, learning_rate=0.0)

    def learn(
        self, observation: Tensor, pressure: Callable[[Tensor], Tensor] | None = None, *, taught: Tensor | None = None
    ) -> Taught:
        """Write ``[S, n, T, C, H, W]``; losses ``[S]`` and latents ``[S, n, T, D]`` from before it.

        Raises :class:`ImprintError` for ``pressure`` and ``taught``, which are about gradients.
        """
        if pressure is not None or taught is not None:
            raise ImprintError("a learner that is written has no gradient that steering could add to or hold back.")
        with torch.no_grad():
            before, parameters = cast(Writing, self.call(observation, method="write"))
            self.strike_out(torch.isfinite(before.loss))
            for name, value in parameters.items():
                self.parameters[name].copy_(value)
            self.strike_out(self.finite())
        return Taught(before.loss, before.latents)
