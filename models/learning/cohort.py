"""Learners of one kind that train together, one per seed, each on its own experience.

Learners that allow it (``stackable``) are one stack; the others take turns, each a stack of one. How seeds are kept
apart, and what happens to one that diverges, is told in :mod:`imprint.models.learning.stacked`.

Letters: S seeds, n episodes, T steps, D latent width.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from imprint.models.learners.base import Learner, Taught
from imprint.models.learning.stacked import Stacked


class Cohort:
    """S learners and their optimisers."""

    def __init__(self, learners: Sequence[Learner], learning_rate: float) -> None:
        self.learners = list(learners)
        groups = [self.learners] if learners[0].stackable else [[learner] for learner in learners]
        keys = ("learner.{}", "optimiser.learner.{}/{}")
        self.stacks = [Stacked(group, keys=keys, lr=learning_rate) for group in groups]

    @property
    def alive(self) -> Tensor:
        """Seeds that have not diverged, bool ``[S]``."""
        return torch.cat([stack.alive for stack in self.stacks])

    def learn(self, observation: Tensor) -> Taught:
        """One step on ``[S, n, T, C, H, W]``.

        Returns losses ``[S]`` and latents ``[S, n, T, D]`` from before the step.
        """
        parts = observation.split([len(stack.modules) for stack in self.stacks])
        taught = [_learn(stack, part) for stack, part in zip(self.stacks, parts, strict=True)]
        return Taught(*(torch.cat(values) for values in zip(*taught, strict=True)))

    def state(self, seed: int) -> dict[str, Tensor]:
        """One seed's parameters and optimiser moments, for a checkpoint."""
        stack, index = self._of(seed)
        return stack.state(index)

    def load(self, states: Sequence[dict[str, Tensor]]) -> None:
        """Put back what :meth:`state` gave, all seeds of the same age."""
        for stack in self.stacks:
            size = len(stack.modules)
            stack.load(states[:size])
            states = states[size:]

    def member(self, seed: int) -> dict[str, Tensor]:
        """Views on one seed's parameters."""
        stack, index = self._of(seed)
        return stack.member(index)

    def unstack(self) -> list[Learner]:
        """The learners with the parameters they have learned, in evaluation mode."""
        return [learner for stack in self.stacks for learner in stack.unstack()]

    def _of(self, seed: int) -> tuple[Stacked, int]:
        """The stack that holds a seed, and its place in it."""
        return (self.stacks[0], seed) if len(self.stacks) == 1 else (self.stacks[seed], 0)


def _learn(stack: Stacked, observation: Tensor) -> Taught:
    loss, latents = stack.call(observation, method="objective")
    gradients = stack.backward(loss)
    stack.strike_out(torch.isfinite(loss.detach()), gradients)
    stack.optimiser.step()
    stack.strike_out_broken()
    return Taught(loss.detach(), latents.detach())
