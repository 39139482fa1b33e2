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
from functools import lru_cache
from typing import Any

import numpy as np

from imprint.analyses.organisms.detectors.access import Activations, Floats
from imprint.analyses.organisms.folder import Organism
from imprint.analyses.organisms.raising.litters import world_of
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


@lru_cache(maxsize=1024)
def equivalences_of(subject: str, seed: int) -> Mapping[tuple[tuple[int, ...], str], frozenset[str]]:
    """For the world of a learner or an agent: (latch, level) -> words other than its own that are equivalent to it."""
    world = world_of(subject, seed)
    named = world.arrangement.candidates()
    if isinstance(world, Rooms):
        shows = {latch: _walked(world, latch) for latch in named}
    else:
        shows = {latch: _approached(world, latch) for latch in named}
    return {
        (latch, level): frozenset(
            other_word
            for other, other_word in named.items()
            if other_word != word and _same(shows[latch][level], shows[other][level], level)
        )
        for latch, word in named.items()
        for level in SHOWN
    }


def equivalent_words(organism: Organism, facts: Sequence[str], level: str) -> frozenset[str]:
    """Words other than its own that are equivalent for an organism that latched onto these facts."""
    if level not in SHOWN:
        return frozenset()
    latch = tuple(sorted(organism.about.names.index(name) for name in facts))
    return equivalences_of(organism.about.subject, organism.world_seed)[latch, level]


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
