"""Predictors that are shown one world before birth and another after it, several seeds as one batch.

Letters: S seeds, n episodes, T steps, C channels, H and W pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from imprint.models.chance import generator
from imprint.models.learners.base import LEARNERS, Learner
from imprint.models.learning.cohort import Cohort
from imprint.models.setup.learner import frame_of
from imprint.models.worlds.base import World
from imprint.models.worlds.waves import Waves

BATCH, RATE = 32, 3e-3
"""Episodes of a step, and learning rate of Adam unless another is given."""


def waves(**settings: Any) -> World:
    """The world ``waves`` with these settings."""
    return Waves(Waves.Settings(**settings))


def newborn(kind: str, seeds: Sequence[int], *, rate: float = RATE, line: str = "birth") -> Cohort:
    """Untrained learners of a kind with its default settings.

    ``rate``: learning rate of Adam; ``line``: name of the draw of their weights.
    """
    cls, frame = LEARNERS.load(kind), frame_of(waves())
    learners: list[Learner] = [cls.born(cls.Settings(), frame, rng=generator(line, seed)) for seed in seeds]
    return Cohort(learners, rate)


def shown(worlds: Sequence[World], seeds: Sequence[int], steps: int, *, when: str) -> Tensor:
    """What each seed sees in its world, ``[steps, S, BATCH, T, C, H, W]``; ``when``: name of the draw."""
    seen = [
        world.sample(steps * BATCH, rng=generator("womb", when, seed)).observation.unflatten(0, (steps, BATCH))
        for world, seed in zip(worlds, seeds, strict=True)
    ]
    return torch.stack(seen, 1)


def live(cohort: Cohort, seen: Tensor, say: Callable[[int, int], None]) -> None:
    """One step of learning on each of ``seen`` ``[steps, S, n, T, C, H, W]``."""
    for step, batch in enumerate(seen):
        cohort.learn(batch)
        say(step, len(seen))


@torch.no_grad()
def errors(cohort: Cohort, seen: Tensor) -> Tensor:
    """Objective ``[S]`` on ``[S, n, T, C, H, W]``."""
    loss: Tensor = cohort.call(seen, method="objective").loss
    return loss


def arms_of(arms: Mapping[str, Mapping[str, Any]]) -> dict[str, World]:
    """A world for each arm, from its settings."""
    return {arm: waves(**settings) for arm, settings in arms.items()}
