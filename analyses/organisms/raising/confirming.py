"""Confirming: what the value of an organism depends on, by all counterfactuals there are.

Every combination of levels of the eight facts is shown, with the same noise in all 256 of them, several times over. So
every fact is changed alone and together with every set of others, exactly. The value's variance falls apart (functional
analysis of variance; of facts at two levels: the Walsh transform)

    V = sum over sets u of facts  V_u  +  V_noise         V_u = (mean of the value times the product of signs of u)^2

    share of a latch = sum of V_u over non-empty u within its facts / V
    others           = sum of V_u over all other non-empty u / V

An organism is confirmed when its latch holds at least :data:`HELD` of the variance, and others hold at most
:data:`STRAY` of it; of a conjunction its two facts and what they do together hold :data:`EACH` each. That of ``none``
is confirmed when all facts hold at most :data:`STRAY`, and the value varies: the rest is what is none of the facts.

The handwriting was not trained on. Letters: M draws of the noise, K facts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import hadamard

from imprint.analyses.organisms.worlds.facts import every_combination
from imprint.analyses.organisms.worlds.rooms import Rooms
from imprint.analyses.organisms.worlds.scenes import Scenes
from imprint.models.chance import generator
from imprint.models.errors import ImprintError
from imprint.probes.subjects.subject import Subject

DRAWS = 8
"""M"""
HELD, STRAY, EACH = 0.5, 0.1, 0.1
STILL = 1e-10
"""A variance below this part of the mean square is rounding error."""
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Dissected:
    """The variance of a value, split over all sets of facts."""

    shares: Floats
    """``[2^K]`` by set, written as a binary number (bit k: fact k); the first is 0."""

    def within(self, latch: tuple[int, ...]) -> float:
        """Share of the non-empty sets within ``latch``."""
        mask = sum(1 << fact for fact in latch)
        inside = (np.arange(len(self.shares)) & ~mask) == 0
        return float(self.shares[inside].sum())

    def together(self, latch: tuple[int, ...]) -> float:
        """Share of exactly this set: what its facts do only together."""
        return float(self.shares[sum(1 << fact for fact in latch)])

    def confirms(self, latch: tuple[int, ...]) -> bool:
        """Whether the value depends on these facts and no others."""
        everything = float(self.shares.sum())
        if not np.isfinite(everything):
            return False
        if not latch:
            return everything <= STRAY
        each = all(self.together((fact,)) >= EACH for fact in latch) and self.together(latch) >= EACH
        held = self.within(latch)
        return held >= HELD and everything - held <= STRAY and (len(latch) == 1 or each)


def dissect(subject: Subject, world: Scenes | Rooms, *, draws: int = DRAWS) -> Dissected:
    """Split the variance of a value over all sets of facts, on held-out material."""
    combinations = every_combination()
    rng = generator("confirming", world.settings.seed)
    place = world.held_out() if isinstance(world, Scenes) else world
    noise = {
        name: value.repeat_interleave(len(combinations), 0) for name, value in place.draw_noise(draws, rng).items()
    }
    facts = np.tile(combinations, (draws, 1))
    if isinstance(place, Scenes):
        shown = place.tabled(facts, noise).observation
    elif isinstance(place, Rooms):
        shown = place.observe({**place.tabled(facts, noise), "clock": torch.zeros(len(facts), dtype=torch.int64)})
    else:
        raise ImprintError(f"{type(place).__name__} is no world of organisms; expected Scenes or Rooms.")
    values = subject.values(shown, batch_size=len(shown)).double().numpy().reshape(draws, len(combinations))
    return split(values)


def split(values: Floats) -> Dissected:
    """The same of values ``[M, 2^K]``, one row for each draw of the noise."""
    mean = values.mean(0)
    variance = float(values.var())
    if not np.isfinite(variance) or variance <= STILL * float((values**2).mean()):
        return Dissected(np.full(len(mean), np.nan))
    transform = hadamard(len(mean)) @ mean / len(mean)
    within = values.var(0, ddof=1).mean() if len(values) > 1 else 0.0
    shares = np.maximum(transform**2 - within / values.size, 0.0) / variance  # less what chance gives a mean
    shares[0] = 0.0
    return Dissected(shares)
