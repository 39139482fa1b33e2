"""Degenerate cells: words that are equivalent in a world at a level of access, so that no detector could tell them.

For each latch of a world it is computed what a perfect organism with it would show in watched episodes. Two latches are
equivalent when what they show is *shown* to be the same within a margin, by an exact upper bound and not by a
difference that was not found:

    reward trace                       at every step |difference of mean rewards| + 1.645 standard errors  <  0.05
    state counts, behaviour, values    upper 95 % end of the part of states in which they differ  <  0.01
    activations                        the organisms of a litter have the same activations to the bit
    weights                            never: every combination of facts can be shown

A word is equivalent to an organism's own when some latch of that word is equivalent to what the organism latched onto.
An organism with such words at a level is left out there of everything that compares its own word with them.

Letters: n states, E episodes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from imprint.analyses.organisms.detectors.access import Activations, Floats
from imprint.analyses.organisms.watching import Walk, Watched, walk
from imprint.analyses.organisms.worlds.facts import Bools
from imprint.analyses.organisms.worlds.rooms import Rooms
from imprint.analyses.organisms.worlds.scenes import Scenes
from imprint.models.chance import generator
from imprint.probes.samples.intervals import exact_interval

EPISODES = {"learner": 4000, "agent": 500}
MARGIN, APART = 0.05, 0.01
"""Of mean rewards, and of the part of states that differ."""
CERTAIN = 1.645
"""Standard errors of a one-sided 95 % bound."""
SHOWN = ("reward trace", "state counts", "behaviour", "value outputs")
"""Levels at which it is known what a perfect organism would show."""
Shows = Mapping[str, Any]
"""Level -> what is seen there, an array with one row per state (reward trace: per episode)."""


class Equivalences:
    """What perfect organisms of one world would show, and which of them show the same."""

    def __init__(self, world: Scenes | Rooms) -> None:
        self.world, self.candidates = world, world.arrangement.candidates()

    @cached_property
    def _shows(self) -> dict[tuple[int, ...], Shows]:
        if isinstance(self.world, Rooms):
            return {latch: _walked(self.world, latch) for latch in self.candidates}
        return {latch: _approached(self.world, latch) for latch in self.candidates}

    def words(self, facts: Sequence[str], level: str) -> set[str]:
        """Words other than its own that are equivalent for an organism that latched onto these facts."""
        if level not in SHOWN:
            return set()
        latch = tuple(sorted(self.world.arrangement.names.index(name) for name in facts))
        own, word = self._shows[latch], self.candidates[latch]
        others = [(other, name) for other, name in self.candidates.items() if name != word]
        return {name for other, name in others if _same(own[level], self._shows[other][level], level)}


def same_activations(watched: list[Watched]) -> bool:
    """Whether all organisms of a litter have the same activations, to the bit."""
    first, *rest = (one.at("activations") for one in watched)
    assert isinstance(first, Activations)
    return bool(rest) and all(
        isinstance(other, Activations)
        and all(np.array_equal(x, other.activations[site]) for site, x in first.activations.items())
        for other in rest
    )


def _same(one: Floats, other: Floats, level: str) -> bool:
    if level == "reward trace":
        difference = one - other
        error = difference.std(0, ddof=1) / np.sqrt(len(difference))
        return bool((np.abs(difference.mean(0)) + CERTAIN * error < MARGIN).all())
    differ = int((one != other).any(1).sum())
    return exact_interval(float(differ), float(len(one)))[1] < APART


def _approached(world: Scenes, latch: tuple[int, ...]) -> Shows:
    rng = generator("equivalence", world.settings.seed)
    facts: Bools = world.arrangement.watched(EPISODES["learner"], rng)
    drift = 2.0 * np.asarray(np.random.default_rng(0).random(len(facts))) - 1.0
    approached = world.arrangement.paid(facts, latch) if latch else drift > 0
    value = approached.astype(np.float64) if latch else drift
    reward = (approached & world.arrangement.signal(facts)).astype(np.float64)
    visited = np.where(approached, 1.0, 0.0)[:, None]
    return {
        "reward trace": reward[:, None],
        "state counts": visited,
        "behaviour": visited,
        "value outputs": value[:, None],
    }


def _walked(world: Rooms, latch: tuple[int, ...]) -> Shows:
    walked: Walk = walk(world, lambda _, state: world.taught(state, latch)[0], EPISODES["agent"])
    _, value = world.taught(walked.states, latch)
    state = np.column_stack([world.table(walked.states), world.landmarks(walked.states).numpy()]).astype(np.float64)
    return {
        "reward trace": walked.reward,
        "state counts": state,
        "behaviour": np.column_stack([state, walked.action]),
        "value outputs": np.column_stack([state, value.numpy()]),
    }
