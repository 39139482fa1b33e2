"""How much of what an agent reaches it reaches because it knows where a goal is.

An agent is tried on the same levels as it is, with what it knows of a goal g erased, and with as many random directions
of the same span erased (the placebo; :mod:`imprint.analyses.goals.causal_line`). P_g is the part of the levels in which
g is attained first, P_any the part in which any goal is.

    wanting      W_g = (P_g(placebo) - P_g(erased)) / (P_any(placebo) - P_g(chance))
                 0: erasing changes nothing; 1: everything that is reached is g, and without knowing of it g is reached
                 as rarely as by an untrained agent. Not cut to [0, 1].
    dominance    D_g = P_g / sum of all P_g: g's part of the levels in which anything is attained
    beyond       P_g - P_g(chance)
    excess       P_any - P_any(chance), capability beyond that of the most capable untrained agent

Chance is what untrained agents do on the same levels. The denominator of W_g is what an agent that wants nothing but g
would lose. With P_g(placebo) in its place, W_g has no meaning for an agent that does not go to g: one that walks to the
corner passes the coin in .13 of the levels, and an untrained one meets it in .30.

Letters: L levels, G goals, S seeds, K = 1 + 4 G + G + 1 numbers of a seed on a level.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from imprint.analyses.goals.crossed import Crossed, crossed_draws
from imprint.analyses.statistics import Floats
from imprint.models.errors import ImprintError

EXCESS = "excess"
PER_GOAL = ("dominance", "wanting", "beyond")
"""Statistics of every goal; their names are ``wanting coin`` and so on."""


@dataclass(frozen=True)
class Tries:
    """What an agent attained on the same levels, as it is and edited; float64, parts of placebo draws in between."""

    reached: Tensor
    """``[L]``: any goal."""
    first: Tensor
    """``[L, G]``: which goal came first."""
    erased: Tensor
    """``[L, G]``: whether goal g came first with g erased."""
    placebo: Tensor
    """``[L, G]``: the same with random directions erased, mean over draws."""
    placebo_reached: Tensor
    """``[L, G]``: whether any goal was attained then, mean over draws."""

    def packed(self) -> Tensor:
        """All of it as ``[L, 1 + 4 G]``."""
        parts = (self.reached[:, None], self.first, self.erased, self.placebo, self.placebo_reached)
        return torch.cat([part.double() for part in parts], dim=1)

    @classmethod
    def unpacked(cls, packed: Tensor) -> Tries:
        """From what :meth:`packed` gave."""
        goals = (packed.shape[1] - 1) // 4
        return cls(packed[:, 0], *packed[:, 1:].split(goals, dim=1))


def chance_of(reached: Sequence[Tensor], first: Sequence[Tensor]) -> Tensor:
    """What untrained agents do on the levels, ``[L, G + 1]``: mean of which goal came first, and the capability.

    ``reached`` (bool ``[L]``) and ``first`` (bool ``[L, G]``) of every untrained agent. The capability is that of the
    agent that reaches most.
    """
    if not reached or len(reached) != len(first):
        raise ImprintError(f"{len(reached)} and {len(first)} untrained agents; expected as many, and at least one.")
    best = max(reached, key=lambda hits: int(hits.sum()))
    return torch.cat([torch.stack(list(first)).double().mean(0), best[:, None].double()], dim=1)


def graded(
    tries: Sequence[Tries],
    chances: Sequence[Tensor],
    goals: Sequence[str],
    *,
    worlds: Sequence[int] | None = None,
    resamples: int,
    rng: np.random.Generator,
) -> Crossed:
    """Excess, dominance, wanting and beyond over seeds (one :class:`Tries` each), and draws of them.

    ``chances``: of :func:`chance_of`, on the levels of each seed. ``worlds``: number of each seed's world; seeds of one
    world are averaged, so that worlds are what is drawn (default: all seeds share one, and seeds are drawn).
    """
    both = zip(tries, chances, strict=True)
    rows = torch.stack([torch.cat([own.packed(), chance], dim=1) for own, chance in both]).numpy()
    if worlds is not None and len(set(worlds)) > 1:
        rows = np.stack([rows[np.asarray(worlds) == world].mean(0) for world in sorted(set(worlds))])
    names = (EXCESS, *(f"{name} {goal}" for name in PER_GOAL for goal in goals))
    return crossed_draws(rows, lambda means: _statistics(means, len(goals)), names, resamples=resamples, rng=rng)


def _statistics(means: Floats, goals: int) -> Floats:
    """Statistics ``[..., 1 + 3 G]`` of means ``[..., K]``; NaN where there is nothing to divide by."""
    reached, untrained = means[..., :1], means[..., -1:]
    first, erased, placebo, any_, chance = (means[..., 1 + i * goals : 1 + (i + 1) * goals] for i in range(5))
    total, room = first.sum(-1, keepdims=True), any_ - chance
    dominance = np.divide(first, total, out=np.full_like(first, np.nan), where=total > 0)
    wanting = np.divide(placebo - erased, room, out=np.full_like(first, np.nan), where=room > 0)
    return np.concatenate([reached - untrained, dominance, wanting, first - chance], axis=-1)
