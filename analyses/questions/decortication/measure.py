"""A small animal with a learner and a steering side, either of which is taken away at every age.

At every moment the animal is in one of ``SITUATIONS`` situations, drawn anew, and does one of ``ACTS`` acts. In most of
them one act leads to food; in the others a shadow falls, and one act leads out of it. Which act it is, and which
situations have a shadow, is drawn for each seed. Energy falls by ``COST`` and rises by ``FOOD``; the animal dies
without energy, or in the shadow with probability ``STRIKE`` unless it gets out.

    steering   withdraws when something looms (noticed but for ``MISS``), turns to food that is smelt (with ``SMELL``),
               and pays: 1 for food, -1 for a shadow that was not left
    learner    sees which situation it is; the value of each act there follows what was paid (three-factor rule); where
               no reflex fires it does the act of highest value, and any in ``EXPLORES`` of the moments

Two ways to grow up: the learner also learns from what the reflexes did (``watching``), or only from its own acts
(``own``). Values start at 0, so that the newborn acts at random.

At every age, copies live up to ``LIMIT`` moments from full energy, and learn nothing more:

    whole          both
    sham           both again, other random numbers (what differs where nothing was taken away)
    no learner     values are zero
    no steering    no reflex fires
    neither        random acts

``survival`` is the part that reached the limit; ``expectancy`` the moments lived for each death, steps / (deaths +
1/2), which does not level off at the limit and whose ratios say what a lesion costs.

Letters: S seeds, n copies, k situations, a acts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import pandas as pd
import torch
from torch import Tensor

from imprint.analyses.engine import Say
from imprint.models.chance import generator

SITUATIONS, SHADOWS, ACTS = 24, 6, 6
COST, FOOD, STRIKE = 0.05, 0.15, 0.4
MISS, SMELL, EXPLORES, RATE = 0.1, 0.2, 0.05, 0.05
BODIES, LIMIT = 4, 150
"""Bodies in which a learner lives side by side, reborn when they die, and moments of the examination."""
CONDITIONS = ("whole", "sham", "no learner", "no steering", "neither")
GROWING = ("watching", "own")


class Place(NamedTuple):
    """What is arbitrary about the world of each seed."""

    right: Tensor
    """The act that leads to food or out of the shadow, ``[S, k]``."""
    shadow: Tensor
    """Whether a shadow falls, ``[S, k]``."""


def places(seeds: Sequence[int]) -> Place:
    """The world of each seed."""
    rngs = [generator("decortication", seed) for seed in seeds]
    right = torch.stack([torch.randint(0, ACTS, (SITUATIONS,), generator=rng) for rng in rngs])
    order = torch.stack([torch.rand(SITUATIONS, generator=rng).argsort() for rng in rngs])
    return Place(right, order < SHADOWS)


class Moment(NamedTuple):
    """One moment of every copy, ``[S, n]`` each."""

    situation: Tensor
    act: Tensor
    reflex: Tensor
    """Whether a reflex acted."""
    fed: Tensor
    struck: Tensor
    """Whether a shadow was not left."""
    killed: Tensor


def moment(place: Place, values: Tensor, n: int, *, rng: torch.Generator, reflexes: bool = True) -> Moment:
    """What ``n`` copies meet, do and undergo with ``values`` ``[S, k, a]``."""
    shape = len(values), n
    chance = torch.rand(*shape, 5 + 2 * ACTS, generator=rng)
    situation = (chance[..., 0] * SITUATIONS).long()
    right, shadow = place.right.gather(1, situation), place.shadow.gather(1, situation)
    own = values.gather(1, situation[..., None].expand(-1, -1, ACTS)) + 1e-6 * chance[..., 5 : 5 + ACTS]
    chosen = torch.where(chance[..., 1] < EXPLORES, chance[..., 5 + ACTS :].argmax(2), own.argmax(2))
    fires = torch.where(shadow, chance[..., 2] >= MISS, chance[..., 2] < SMELL) & reflexes
    act = torch.where(fires, right, chosen)
    struck = shadow & (act != right)
    return Moment(situation, act, fires, ~shadow & (act == right), struck, struck & (chance[..., 3] < STRIKE))


def energy_after(energy: Tensor, now: Moment) -> tuple[Tensor, Tensor]:
    """Energy ``[S, n]`` after a moment, at most 1, and whether the animal is dead."""
    energy = (energy - COST + FOOD * now.fed).clamp_max(1.0)
    return energy, now.killed | (energy <= 0)


def learned(values: Tensor, now: Moment, *, watching: bool) -> Tensor:
    """Values ``[S, k, a]`` after a moment: moved towards what was paid, on average over the bodies of a seed."""
    paid = now.fed.float() - now.struck.float()
    counts = torch.ones_like(paid) if watching else (~now.reflex).float()
    cell = now.situation * ACTS + now.act
    weight = torch.zeros(len(values), SITUATIONS * ACTS).scatter_add(1, cell, counts)
    total = torch.zeros_like(weight).scatter_add(1, cell, counts * paid)
    flat = values.flatten(1)
    target = total / weight.clamp_min(1)
    moved = torch.where(weight > 0, flat + (1 - (1 - RATE) ** weight) * (target - flat), flat)
    return moved.reshape(values.shape)


def examined(place: Place, values: Tensor, copies: int, *, rng: torch.Generator) -> dict[tuple[str, str], Tensor]:
    """Condition and measure -> ``[S]``."""
    blank = torch.zeros_like(values)
    arms = {"whole": (values, True), "sham": (values, True), "no learner": (blank, True)}
    arms |= {"no steering": (values, False), "neither": (blank, False)}
    found = {}
    for condition, (known, reflexes) in arms.items():
        energy = torch.ones(len(values), copies)
        alive, lived = torch.ones_like(energy, dtype=torch.bool), torch.zeros_like(energy)
        for _ in range(LIMIT):
            lived += alive
            energy, dead = energy_after(energy, moment(place, known, copies, rng=rng, reflexes=reflexes))
            alive = alive & ~dead
        found[condition, "survival"] = alive.float().mean(1)
        found[condition, "expectancy"] = lived.sum(1) / ((~alive).sum(1) + 0.5)
    return found


def ages(moments: int, count: int) -> list[int]:
    """Birth, and ages that are evenly spaced up to ``moments``."""
    return [round(moments * i / (count - 1)) for i in range(count)]


def measure(*, seeds: Sequence[int], moments: int, planned: int, copies: int, say: Say) -> pd.DataFrame:
    """Rows of growing, age, condition, measure, seed and value; ``moments``: length of life, ``planned``: ages."""
    place, rows = places(seeds), []
    for number, growing in enumerate(GROWING):
        values, energy = torch.zeros(len(seeds), SITUATIONS, ACTS), torch.ones(len(seeds), BODIES)
        rng, exam = (generator("decortication", name, growing, *seeds) for name in ("life", "exam"))
        for age in range(moments + 1):
            if age in ages(moments, planned):
                for (condition, name), found in examined(place, values, copies, rng=exam).items():
                    rows += _rows({"growing": growing, "age": age, "condition": condition}, name, seeds, found)
                say(number * moments + age, len(GROWING) * moments, f"growing up, {growing}")
            now = moment(place, values, BODIES, rng=rng)
            values = learned(values, now, watching=growing == "watching")
            energy, dead = energy_after(energy, now)
            energy = torch.where(dead, torch.ones_like(energy), energy)
    return pd.DataFrame(rows)


def _rows(about: dict[str, Any], name: str, seeds: Sequence[int], values: Tensor) -> list[dict[str, Any]]:
    each = zip(seeds, values.tolist(), strict=True)
    return [{**about, "measure": name, "seed": seed, "value": value} for seed, value in each]
