"""A desire for a concept, attached by hand: its direction is located in a world model and added to the value.

    world model    is trained without reward on random walks in the rooms of ``onlooker``: in one half of them the
                   agent walks, in the other it looks on while another walks
    desire         a linear valence on its summary latents is taught that the marked corner is rewarded; nothing else
                   ever is
    located        the concept "on the coin", from labelled frames: the last of walks that end at the coin, and as
                   matched negatives the last of walks that end at the corner, and earlier frames of the former.
                   ``first``: the agent is the one who walks; ``third``: another, and the agent looks on
    edit           w <- w + dose x a / (mean reading of positives - mean reading of negatives), a the direction: dose 1
                   makes the concept worth as much as a reward of 1. Nothing is taught afterwards
    plans          plan* = argmax over sequences of max_t v(M(z_0, a_1..a_t)), carried out without looking again

Behaviour is seen in new rooms in which the agent is alone:

    conflict       coin and corner both within the horizon: which is reached first
    elsewhere      the corner within the horizon, the coin beyond it: whether the corner is still reached, which is the
                   choice of the other desire

Directions: ``difference`` of means; a ``probe`` (linear discriminant); the principal ``component`` that tells positives
from negatives best (found without labels); ``random``, of the probe's norm; ``shuffled``, a probe of shuffled labels,
scaled to that norm. ``unmatched``: a probe that tells positives from any frames of walks, in rooms of which most have
the coin in the corner, as labels come when nobody takes care. ``rewarded``: no edit, but a valence that was taught that
the coin is rewarded. All arms read the same imagination.

Letters: n rooms, m frames, G width of the summary latents, V values, T steps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from imprint.analyses.engine import Say
from imprint.analyses.raising.imagination import Growing, columns, foreseen, frames, grow, lived, near_rooms
from imprint.analyses.statistics import areas
from imprint.models.assessors.base import Owner
from imprint.models.assessors.direction import Direction, Located
from imprint.models.chance import generator
from imprint.models.environments.onlooker import Onlooker
from imprint.models.errors import NotMeasurableError
from imprint.models.imagination.planner import Planner, carried_out
from imprint.models.imagination.walks import Walks, walk
from imprint.models.imagination.world_model import WorldModel
from imprint.models.states import State, rows
from imprint.probes.discovery.principal_components import PrincipalComponents
from imprint.probes.readouts.linear_discriminant import LinearDiscriminant
from imprint.probes.readouts.mean_difference import MeanDifference

SITE = "hook_summary"
AGENT, COIN, CORNER, OTHER, HELD = range(1, 6)
"""Planes of an observation."""
DESIGN = "moved"
"""Coin and corner are anywhere, apart."""
USUAL = 0.2
"""Fraction of the rooms of unmatched labels in which the coin is not in the corner."""
PERSONS = {"first": 0.0, "third": 1.0}
"""Who walks where labels come from -> fraction of rooms in which the agent looks on."""
LABELLED, MATCHED, RANDOM = 400, 400, 4
"""Labelled walks; walks on which predictions are checked; random directions, and shuffles, for each person."""
TAUGHT, BATCH = 60, 64
"""Batches of frames by which a desire is taught, and frames in each, one half of them rewarded."""
SMALLEST = 1e-3
"""Components that vary less than this part of the first are not looked at."""
METHODS, DOSED, JUDGED = ("difference", "probe", "component"), ("difference", "probe"), "probe"
"""Directions; those that are given in every dose; the one that the verdict is about."""


@dataclass(frozen=True)
class Labels:
    """Summary latents of frames with and without the concept, ``[m, G]`` each."""

    positive: Tensor
    negative: Tensor

    @property
    def both(self) -> tuple[np.ndarray, np.ndarray]:
        """Latents ``[2 m, G]`` and labels."""
        x = torch.cat([self.positive, self.negative]).numpy()
        return x, np.arange(len(x)) < len(self.positive)

    def scaled(self, direction: Tensor) -> Tensor:
        """``direction`` ``[G]`` so that positives read 1 more than negatives in the mean."""
        difference = self.positive.mean(0) - self.negative.mean(0)
        gain = difference @ direction
        if not float(gain.abs()) > 1e-6 * float(difference.norm() * direction.norm()):
            raise NotMeasurableError("a direction reads the same on frames with the concept and without it")
        return direction / gain


@dataclass
class Values:
    """Values that plan side by side."""

    label: list[dict[str, Any]] = field(default_factory=list)
    weight: list[Tensor] = field(default_factory=list)
    bias: list[Tensor] = field(default_factory=list)

    def add(self, linear: tuple[Tensor, Tensor], **label: Any) -> None:
        """One value: weight ``[G, 1]`` and bias ``[1]``; ``label``: columns of its rows."""
        self.label.append({"draw": 0, **label})
        self.weight.append(linear[0])
        self.bias.append(linear[1])


def measure(
    *,
    seeds: Sequence[int],
    doses: Sequence[float],
    dose: float,
    rooms: int,
    horizon: int,
    growing: Mapping[str, Any],
    say: Say,
) -> pd.DataFrame:
    """Rows of seed, arm, labels, dose, draw, where, metric, value and n; and how well the world models predict.

    ``doses``: of the directions that are given in several, ``dose`` among them; ``dose``: of every other edit.
    """
    grown = grow(Onlooker(_settings(0.5), design=DESIGN), seeds, Growing(**growing), say)
    home, table = Onlooker(_settings(0.0), design=DESIGN), []
    for done, (seed, model, life) in enumerate(grown):
        say(done, len(seeds), "locating and planning")
        rng = generator("concept-edit", seed)
        fresh = walk(home, home.levels(MATCHED, rng=rng), horizon, rng=rng)
        own = [{"arm": "model", **row} for row in foreseen(model, fresh)]
        both = near_rooms(home, ("coin", "corner"), horizon, rooms, among=60 * rooms, design=DESIGN, rng=rng)
        tests = {"conflict": both, "elsewhere": beyond(home, horizon, rooms, rng)}
        values = edited(model, life, doses, dose, rng)
        for where, state in tests.items():
            own += played(home, Planner(model, horizon), state, values, where)
        table += [{"seed": seed, **row} for row in own]
    return pd.DataFrame(table)


def _settings(watched: float, varied: float = 1.0) -> Onlooker.Settings:
    return Onlooker.Settings(watched=watched, varied=varied, marked=True, shelter=True)


def beyond(world: Onlooker, horizon: int, n: int, rng: torch.Generator) -> State:
    """``n`` rooms with the corner 2 to ``horizon`` steps away and the coin farther."""
    levels = world.levels(60 * n, rng=rng)
    away = world.distances(levels)
    near = (away["corner"] >= 2) & (away["corner"] <= horizon) & (away["coin"] > horizon)
    index = torch.nonzero(near).flatten()[:n]
    if len(index) < n:
        raise NotMeasurableError(f"only {len(index)} of {n} rooms have the corner within {horizon} steps and no coin.")
    return rows(levels, index)


# -- locating ----------------------------------------------------------------------------------------------------------


def summaries(model: WorldModel, observation: Tensor) -> Tensor:
    """Summary latents ``[m, G]`` of frames ``[m, C, H, W]``."""
    with torch.no_grad():
        return torch.cat([model.summary(model.encode(part.float())) for part in observation.split(2048)])


def labelled(model: WorldModel, watched: float, rng: torch.Generator, *, matched: bool = True) -> Labels:
    """Labelled frames of walks of which a fraction ``watched`` are another's."""
    design, varied = (DESIGN, 1.0) if matched else ("train", USUAL)
    world = Onlooker(_settings(watched, varied), design=design)
    walks = walk(world, world.levels(12 * LABELLED, rng=rng), world.settings.limit, rng=rng)
    every, last = torch.arange(len(walks.last)), walks.last
    final = walks.observation[every, last]
    at_coin = torch.nonzero(met(final, COIN) & (last > 0)).flatten()[:LABELLED]
    if not matched:
        negative = frames(walks, LABELLED, rng=rng)
    else:
        at_corner = torch.nonzero(met(final, CORNER)).flatten()[: LABELLED // 2]
        earlier = (torch.rand(LABELLED // 2, generator=rng) * last[at_coin[::2]]).long()
        negative = torch.cat([final[at_corner], walks.observation[at_coin[::2], earlier]])
    if len(at_coin) < LABELLED or len(negative) < LABELLED:
        raise NotMeasurableError(f"fewer than {LABELLED} walks end at a coin, or half as many at a corner.")
    return Labels(summaries(model, final[at_coin]), summaries(model, negative))


def met(observation: Tensor, *planes: int) -> Tensor:
    """Whether who walks (the other, or the agent that is not held) is on any of ``planes`` in frames, bool ``[m]``."""
    walker = observation[:, OTHER] | (observation[:, AGENT] & ~observation[:, HELD])
    return torch.stack([(walker & observation[:, plane]).flatten(1).any(1) for plane in planes]).any(0)


def located(labels: Labels, method: str, rng: torch.Generator) -> Tensor:
    """The direction ``[G]`` that a method finds, scaled."""
    x, y = labels.both
    if method == "component":
        dictionary = PrincipalComponents().fit(torch.from_numpy(x), rng=rng)
        codes = dictionary.encode(torch.from_numpy(x)).double().numpy()
        told = np.abs(areas(codes, np.repeat(y[:, None], codes.shape[1], 1)) - 0.5)
        spread = codes.std(0)
        best = int(np.where(spread > SMALLEST * spread.max(), told, 0.0).argmax())
        return labels.scaled(dictionary.directions[best].float())
    readout = {"difference": MeanDifference, "probe": LinearDiscriminant}[method]()
    return labels.scaled(readout.fit(x, y).fitted_.direction[:, 0].float())


def attached(direction: Tensor, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Weight ``[G, 1]`` and bias ``[1]`` of the frozen readout along a direction."""
    where = Located(vector=tuple(direction.double().tolist()), concept="on the coin", site=SITE)
    assessor = Direction(Direction.Settings(directions={"every": where}), 1, len(direction))
    assessor.attach(0, Owner(seed, SITE))
    return columns(assessor)


# -- values ------------------------------------------------------------------------------------------------------------


def taught(model: WorldModel, life: Walks, planes: Sequence[int], rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Weight and bias of a valence that was taught that the agent on any of ``planes`` is rewarded."""
    shown = life.observation[life.known]
    rewarded = met(shown, *planes) & ~shown[:, OTHER].flatten(1).any(1)
    valence = lived(summaries(model, frames(life, 4000, rng=rng)), 1)
    events, gate = torch.nonzero(rewarded).flatten(), torch.ones(1, dtype=torch.bool)
    for _ in range(TAUGHT):
        half = BATCH // 2
        index = torch.cat([events[torch.randint(0, len(events), (half,), generator=rng)],
                           torch.randint(0, len(shown), (BATCH - half,), generator=rng)])  # fmt: skip
        latents = summaries(model, shown[index])
        valence.update(latents[None, :, None], rewarded[index].float()[None, :, None], gate)
    return columns(valence)


def edited(model: WorldModel, life: Walks, doses: Sequence[float], dose: float, rng: torch.Generator) -> Values:
    """The desire as it was taught, and every edit of it."""
    desire, values = taught(model, life, (CORNER,), rng), Values()

    def edit(direction: Tensor, amount: float, **label: Any) -> None:
        weight, bias = attached(direction)
        values.add((desire[0] + amount * weight, desire[1] + amount * bias), dose=amount, **label)

    values.add(desire, arm="unedited", labels="none", dose=0.0)
    values.add(taught(model, life, (COIN,), rng), arm="rewarded", labels="none", dose=0.0)
    for person, watched in PERSONS.items():
        labels = labelled(model, watched, rng)
        for method in METHODS:
            direction = located(labels, method, rng)
            for amount in doses if method in DOSED else (dose,):
                edit(direction, amount, arm=method, labels=person)
        careless = labelled(model, watched, rng, matched=False)
        edit(located(careless, JUDGED, rng), dose, arm="unmatched", labels=person)
        norm = located(labels, JUDGED, rng).norm()
        every = torch.cat([labels.positive, labels.negative])
        for draw in range(RANDOM):
            random = torch.randn(every.shape[1], generator=rng)
            edit(random / random.norm() * norm, dose, arm="random", labels=person, draw=draw)
            mixed = every[torch.randperm(len(every), generator=rng)]
            shuffled = located(Labels(mixed[:LABELLED], mixed[LABELLED:]), JUDGED, rng)
            edit(shuffled / shuffled.norm() * norm, dose, arm="shuffled", labels=person, draw=draw)
    return values


# -- behaviour ---------------------------------------------------------------------------------------------------------


def played(world: Onlooker, planner: Planner, state: State, values: Values, where: str) -> list[dict[str, Any]]:
    """What comes first under every value: the coin or the corner."""
    plan = planner.plan(world.observe(state), torch.cat(values.weight, 1), torch.cat(values.bias))
    table: list[dict[str, Any]] = []
    for v, label in enumerate(values.label):
        senses = carried_out(world, state, plan.action[:, v])
        coin, corner = (arrival(senses[name]) for name in ("coin_taken", "corner_reached"))
        for metric, hit in {"coin first": coin < corner, "corner first": corner < coin}.items():
            row = {"where": where, "metric": metric, "value": float(hit.float().mean()), "n": len(hit)}
            table.append({**label, **row})
    return table


def arrival(sense: Tensor) -> Tensor:
    """Step at which a sense ``[n, T]`` first fires, int64 ``[n]``; T where it never does."""
    fired = sense > 0
    return torch.where(fired.any(1), fired.float().argmax(1), sense.shape[1])
