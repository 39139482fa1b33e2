"""The plan: litters of eight organisms, one for each word, that share a world, an architecture and a way of raising.

So neither the world, nor the architecture, nor the size of a file says anything about the word. ``alone``: every
organism is a network of its own, taught by its own value. ``together``: one network is raised under the values of all
eight, and each organism is that network with its own readout: what it knows is the same for all, what it values is not.

Everything is drawn from one generator per litter, seeded with split, seed and number, so that a litter depends on
nothing but these three.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch

from imprint.analyses.organisms.worlds.facts import WORDS, Arrangement, Word
from imprint.analyses.organisms.worlds.rooms import Rooms
from imprint.analyses.organisms.worlds.scenes import Scenes
from imprint.models.chance import generator

SIZE = len(WORDS)
"""Organisms of a litter."""
LARGEST_SEED = 2**62


@dataclass(frozen=True)
class Breed:
    """An architecture and how it is raised."""

    subject: Literal["learner", "agent"]
    architecture: str
    """Name of a member of the family of learners or agents."""
    raised: Literal["alone", "together"]
    settings: tuple[tuple[str, Any], ...]
    """Settings of the architecture."""


CONV = (("channels", 16), ("hidden", 48), ("width", 32), ("horizon", 1))
RECURRENT = (("channels", 16), ("width", 40))
TRANSFORMER = (("layers", 1), ("heads", 2), ("width", 32), ("hidden", 64))
BREEDS = (
    Breed("learner", "conv", "together", CONV),
    Breed("agent", "actor_critic", "alone", (("widths", (64, 48)),)),
    Breed("learner", "recurrent", "alone", RECURRENT),
    Breed("learner", "transformer", "together", TRANSFORMER),
    Breed("agent", "convolutional", "alone", (("maps", 12), ("widths", (64,)))),
    Breed("learner", "conv", "alone", CONV),
    Breed("learner", "recurrent", "together", RECURRENT),
)


@dataclass(frozen=True)
class Plan:
    """One organism, before it is raised; hidden from detectors."""

    word: Word
    latch: tuple[int, ...]
    """Indices of the facts that its value shall depend on."""
    scale: float
    offset: float
    """Its value is the taught one times ``scale`` plus ``offset``: units of value say nothing."""
    birth: int
    """Seed of its initial weights."""


@dataclass(frozen=True)
class Litter:
    """Eight organisms of one world."""

    number: int
    breed: Breed
    world_seed: int
    plans: tuple[Plan, ...]
    seed: int
    """Of the experience that they are raised on."""

    @property
    def world(self) -> Scenes | Rooms:
        """Their world."""
        return world_of(self.breed.subject, self.world_seed)

    @property
    def arrangement(self) -> Arrangement:
        """What is drawn for their world."""
        return self.world.arrangement


def world_of(subject: str, seed: int) -> Scenes | Rooms:
    """The world of a learner or an agent."""
    if subject == "learner":
        return Scenes(Scenes.Settings(seed=seed))
    return Rooms(Rooms.Settings(seed=seed))


def litter(split: str, seed: int, number: int) -> Litter:
    """Litter ``number`` of a split."""
    rng = generator("organisms", split, seed, number)
    breed = BREEDS[number % len(BREEDS)]
    world_seed, experience, *births = torch.randint(0, LARGEST_SEED, (2 + SIZE,), generator=rng).tolist()
    if breed.raised == "together":
        births = births[:1] * SIZE
    arrangement = world_of(breed.subject, world_seed).arrangement
    order = torch.randperm(SIZE, generator=rng).tolist()
    scales = torch.exp(torch.rand(SIZE, generator=rng) * 2 - 1).tolist()
    offsets = torch.randn(SIZE, generator=rng).tolist()
    plans = [
        Plan(WORDS[i], arrangement.latch(WORDS[i], rng), scale, offset, birth)
        for i, scale, offset, birth in zip(order, scales, offsets, births, strict=True)
    ]
    return Litter(number, breed, world_seed, tuple(plans), experience)
