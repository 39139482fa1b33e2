"""A value that is taught on one's own meals, and what becomes of it when others eat.

Learners grow up in the world ``flock`` by predicting the next frame; they see themselves, flockmates and beasts eat
equally often, and nothing tells them that one of these is themselves. Then a linear valence reads their latents when
eater and meal were seen, and is taught to predict what is felt in the next frame, one episode at a time:

    alone        ``OWN`` own meals, felt by the sense ``pleasure``
    in company   a flockmate's meal, then one's own, and so on; ages count the flockmate's

    arm          learns from the flockmate's meals      felt then
    ungated      yes                                    nothing, as in truth
    gated        no: only while ``eating`` is sensed    -
    paid         yes                                    what the flockmate shows (the signal ``social``)
    others only  yes, and there are no own meals        nothing
    shuffled     as ungated, but pleasure was dealt out at random from the beginning

    V(eater)     mean of v(good meal) - v(bad meal) when that one eats, on handwriting that nobody saw before
    reads        area under the curve of v(a flockmate eats) for what that flockmate will feel
    overlap      cosine of the displacements of the latents from bad to good, when oneself and when a flockmate eats

Beside learners that have grown up so are *newborn* ones, which have not lived, and learners of a world in which
nothing that must be predicted depends on who eats (*undivided*: wings everywhere). Latents are standardised once, over
all eaters; the running standardisation of the assessor is off, since it would change a value without an event.

Values are those of weights that are averaged over orders of events.

Letters: S seeds, R orders of events, A arms, n episodes, D latent width.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from pydantic import Field
from torch import Tensor

from imprint.analyses.engine import Say
from imprint.analyses.statistics import areas
from imprint.models.assessors.base import FLOOR
from imprint.models.assessors.valence import Valence
from imprint.models.chance import birth, generator
from imprint.models.learners.recurrent import Recurrent
from imprint.models.learning.cohort import Cohort
from imprint.models.lifetimes.learner import Experience, signals_of
from imprint.models.settings import FrozenSettings
from imprint.models.setup.learner import frame_of
from imprint.models.steering.reward import Reward
from imprint.models.steering.social import Social
from imprint.models.worlds.base import World
from imprint.models.worlds.flock import EATERS, Flock

ARMS = ("ungated", "gated", "paid", "others only", "shuffled")
OWN = 2000
"""Own meals before there is company."""
BANK, TEST = 1000, 800
"""Episodes of each eater from which events are drawn, and on which values are measured."""
COOLING = 0.3
"""Last part of growing up in which the learning rate falls to zero."""
STEADY = 1 - 1e-9
"""Memory of the assessor's running moments: they stay 0 and 1."""
OFTEN = 100
"""Updates between two reports."""


class Growing(FrozenSettings):
    """How learners grow up."""

    updates: int = Field(500, ge=0, le=10_000_000)
    """Gradient steps."""
    batch: int = Field(64, ge=2, le=1_000_000)
    """Episodes in a gradient step."""
    width: int = Field(64, ge=2, le=65_536)
    """Width of the memory."""
    learning_rate: float = Field(4e-3, gt=0.0, le=1e6)
    """Highest learning rate."""


class Meals(NamedTuple):
    """Episodes of one eater, of every seed."""

    latents: Tensor
    """``[S, n, D]`` when eater and meal were seen, standardised."""
    good: Tensor
    """Whether the meal is of a good kind, bool ``[S, n]``."""
    glad: Tensor
    """What the eater will feel, bool ``[S, n]``."""
    felt: Mapping[str, Tensor]
    """``pleased``, ``eating`` and what the signal ``social`` says (``shared``) in the next frame, ``[S, n]`` each."""


def flock_of(seed: int, wings: str) -> Flock:
    """A world of its own for a seed."""
    plain = Flock.Settings(**{"wings": wings})
    constants = Flock.draw_constants(plain, generator("flock", seed))
    return Flock(Flock.Settings(**{**plain.model_dump(), **constants}))


def measure(
    *,
    seeds: Sequence[int],
    growing: Mapping[str, Any],
    rates: Sequence[float],
    ages: Sequence[int],
    orders: int,
    wings: str,
    say: Say,
) -> pd.DataFrame:
    """Rows of rate, arm, age (flockmate's meals), measure, seed and value, over ``orders`` of events.

    ``wings``: setting of the world, see :mod:`imprint.models.worlds.flock`.
    """
    worlds = [flock_of(seed, wings) for seed in seeds]
    learners = grown(worlds, seeds, Growing(**growing), say=say)
    raw = [meals_of(learners, worlds, BANK, "bank")]
    raw.append(meals_of(learners, [world.held_out() for world in worlds], TEST, "test"))
    bank, test = standardised(raw)
    overlap = overlaps(test)
    rows = [
        {"rate": 0.0, "arm": "latents", "age": 0, "measure": "overlap", "seed": seed, "value": value}
        for seed, value in zip(seeds, overlap.tolist(), strict=True)
    ]
    for done, rate in enumerate(rates):
        say(done, len(rates), f"events at rate {rate:g}")
        for age, valence in Events(bank, rate, orders).lived(ages):
            for name, values in numbers_of(valence, test, orders).items():
                rows += [
                    {"rate": rate, "arm": arm, "age": age, "measure": name, "seed": seed, "value": float(value)}
                    for arm, of_seeds in zip(ARMS, values, strict=True)
                    for seed, value in zip(seeds, of_seeds, strict=True)
                ]
    return pd.DataFrame(rows)


def grown(worlds: Sequence[Flock], seeds: Sequence[int], settings: Growing, *, say: Say) -> list[Recurrent]:
    """Learners that have lived by prediction alone."""
    kind = Recurrent.Settings(patch=4, width=settings.width)
    learners = [Recurrent.born(kind, frame_of(worlds[0]), rng=birth(seed)) for seed in seeds]
    cohort = Cohort(learners, settings.learning_rate)
    streams = [Experience(world, settings.batch, seed) for world, seed in zip(worlds, seeds, strict=True)]
    for update in range(settings.updates):
        left = (settings.updates - update) / (COOLING * settings.updates)
        cohort.set_learning_rate(settings.learning_rate * min(1.0, left))
        loss = cohort.learn(torch.stack([stream.next().observation for stream in streams])).loss
        if update % OFTEN == 0:
            say(update, settings.updates, f"growing up, loss {float(loss.mean()):.3f}")
    return cohort.unstack()


def meals_of(learners: Sequence[Recurrent], worlds: Sequence[World], n: int, name: str) -> dict[str, Meals]:
    """``n`` meals of each eater, of the training distribution, in which a good one nearly always makes glad.

    Latents are raw.
    """
    return {
        eater: _joined([_meals(*pair, eater, n, name) for pair in zip(learners, worlds, strict=True)])
        for eater in EATERS
    }


def _meals(learner: Recurrent, world: World, eater: str, n: int, name: str) -> Meals:
    """Meals of one seed, without the axis S."""
    batch, at = world.sample(n, rng=generator("meals", name, eater), do={"eater": eater}), world.moments["seen"]
    social = Social(Social.Settings(name="shared", feeling="shown", present="conspecific"))
    own = Reward(Reward.Settings(name="pleased", weights={"pleasure": 1.0, "eating": 0.0}))
    felt = signals_of([own, social], world, batch, generator("no errors"))
    good, glad = (torch.from_numpy(batch.concepts[fact].to_numpy(dtype=bool).copy()) for fact in ("good", "glad"))
    later = {sense: felt[sense][:, at + 1] for sense in ("pleased", "eating", "shared")}
    return Meals(learner.latents(batch.observation)[:, at], good, glad, later)


def _joined(seeds: Sequence[Meals]) -> Meals:
    """Meals of several seeds with the axis S."""
    felt = {name: torch.stack([each.felt[name] for each in seeds]) for name in seeds[0].felt}
    latents, good = torch.stack([each.latents for each in seeds]), torch.stack([each.good for each in seeds])
    return Meals(latents, good, torch.stack([each.glad for each in seeds]), felt)


def standardised(parts: Sequence[Mapping[str, Meals]]) -> list[dict[str, Meals]]:
    """Latents less the mean over all eaters of the first part, in standard deviations of it."""
    whole = torch.cat([meals.latents for meals in parts[0].values()], 1)
    mean, scale = whole.mean(1, keepdim=True), (whole.var(1, keepdim=True) + FLOOR).rsqrt()
    return [
        {eater: meals._replace(latents=(meals.latents - mean) * scale) for eater, meals in part.items()}
        for part in parts
    ]


class Events:
    """Valences of A arms times R orders times S seeds that live through the same events, one episode at a time."""

    def __init__(self, bank: Mapping[str, Meals], rate: float, orders: int) -> None:
        self.bank, self.orders = bank, orders
        self.seeds, self.rows, width = bank["self"].latents.shape
        settings = Valence.Settings(signal="felt", lag=0, rate=rate, memory=STEADY)
        self.valence = Valence(settings, len(ARMS) * orders * self.seeds, width)
        for each in range(self.valence.seeds):
            self.valence.load(each, {"updates": torch.tensor(1 / (1 - STEADY))})
        self.rng = generator("events")

    def lived(self, ages: Sequence[int]) -> Iterator[tuple[int, Valence]]:
        """The valences at each of the increasing ``ages``; 0: after one's own meals alone."""
        for _ in range(OWN):
            self._own([True] * len(ARMS))
        age = 0
        for until in ages:
            for _ in range(until - age):
                self._others()
                self._own([arm != "others only" for arm in ARMS])
            age = until
            yield age, self.valence

    def _own(self, learning: Sequence[bool]) -> None:
        """A meal of one's own in every order; whose pleasure is shuffled feels that of another."""
        row, elsewhere = torch.randint(0, self.rows, (2, self.orders), generator=self.rng)
        meals = self.bank["self"]
        pleased = meals.felt["pleased"]
        felt = torch.stack([pleased[:, elsewhere if arm == "shuffled" else row] for arm in ARMS])
        self._teach(meals.latents[:, row], felt, torch.tensor(learning)[:, None, None].expand(felt.shape))

    def _others(self) -> None:
        """A flockmate's meal in every order."""
        row, meals = torch.randint(0, self.rows, (self.orders,), generator=self.rng), self.bank["flockmate"]
        truth, shared = meals.felt["pleased"][:, row], meals.felt["shared"][:, row]
        sensed = meals.felt["eating"][:, row] > 0.5
        felt = torch.stack([shared if arm == "paid" else truth for arm in ARMS])
        self._teach(meals.latents[:, row], felt, torch.stack([sensed | (arm != "gated") for arm in ARMS]))

    def _teach(self, latents: Tensor, felt: Tensor, gate: Tensor) -> None:
        """One step on latents ``[S, R, D]`` towards ``felt`` ``[A, S, R]`` where ``gate`` ``[A, S, R]`` is true."""
        rows = latents.expand(len(ARMS), *latents.shape).flatten(0, 2)
        self.valence.update(rows[:, None, None], felt.flatten()[:, None, None], gate.flatten())


def numbers_of(valence: Valence, test: Mapping[str, Meals], orders: int) -> dict[str, Tensor]:
    """The numbers of the module docstring, ``[A, S]`` each."""
    seeds = len(test["self"].good)
    pairs = [valence.linear(each) for each in range(valence.seeds)]
    weight = torch.stack([w for w, _ in pairs]).unflatten(0, (len(ARMS), seeds, orders)).mean(2)
    numbers = {}
    for eater, meals in test.items():
        values, good = torch.einsum("asd,snd->asn", weight, meals.latents), meals.good.float()
        higher = (values * good).sum(2) / good.sum(1) - (values * (1 - good)).sum(2) / (1 - good).sum(1)
        numbers[f"V({eater})"] = higher
        if eater == "flockmate":
            truth = np.broadcast_to(meals.glad.numpy(), values.shape).reshape(-1, values.shape[2]).T
            read = areas(values.flatten(0, 1).numpy().T, truth)
            numbers["reads"] = torch.from_numpy(read).reshape(values.shape[:2])
    return numbers


def overlaps(test: Mapping[str, Meals]) -> Tensor:
    """Cosine of the displacements from bad to good meals, oneself and a flockmate, ``[S]``."""
    moved = []
    for eater in ("self", "flockmate"):
        latents, good = test[eater].latents, test[eater].good.float()[..., None]
        moved.append((latents * good).sum(1) / good.sum(1) - (latents * (1 - good)).sum(1) / (1 - good).sum(1))
    return torch.cosine_similarity(moved[0], moved[1], dim=1)
