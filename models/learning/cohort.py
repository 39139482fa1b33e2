"""Learners of one kind that train together, one per seed, each on its own experience.

How seeds are kept apart, and what happens to one that diverges, is told in :mod:`imprint.models.learning.stacked`.

Letters: S seeds, n episodes, T steps, D latent width.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

import torch
from torch import Tensor

from imprint.models.errors import ImprintError
from imprint.models.learners.base import Learner, Taught, Written
from imprint.models.learning.stacked import Stacked


class Cohort(Stacked):
    """S learners and their optimiser."""

    by_gradient: ClassVar[bool] = True
    """Whether an optimiser moves the weights, by a gradient or by what a rule puts in its place."""

    def __init__(self, learners: Sequence[Learner], learning_rate: float) -> None:
        if self.by_gradient and isinstance(learners[0], Written):
            raise ImprintError(
                f"{type(learners[0]).__name__} is written, and no gradient reaches it; take a learner that has one, or "
                "run it in a setup, where it writes."
            )
        super().__init__(learners, keys=("learner.{}", "optimiser.learner.{}/{}"), lr=learning_rate)

    def learn(
        self, observation: Tensor, pressure: Callable[[Tensor], Tensor] | None = None, *, taught: Tensor | None = None
    ) -> Taught:
        """One step on ``[S, n, T, C, H, W]``; losses ``[S]`` and latents ``[S, n, T, D]`` from before it.

        ``pressure`` gives, from these latents, what is added to the objectives ``[S]``; its gradient goes through them.
        ``taught``: the latents that the gradient of the objectives reaches, bool ``[S, n, T, D]``; None: all.
        """
        if taught is None:
            loss, latents = self.call(observation, method="objective")
        else:
            loss, latents = self.call(observation, taught, method="routed_objective")
        self.backward(loss if pressure is None else loss + pressure(latents))
        self.strike_out(torch.isfinite(loss.detach()))
        self.optimiser.step()
        self.strike_out(self.finite())
        return Taught(loss.detach(), latents.detach())
