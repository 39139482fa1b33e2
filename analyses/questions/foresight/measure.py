"""foresight_pieces: one taste at the end of a few walks, then plans in new rooms; what `foresight` measures.

    life       a world model learns from random walks without reward; an assessor reads its thoughts, and feels nothing
    events     k walks in other rooms end at a coin with a taste of 1; the three-factor rule takes ONE step per walk
    planning   plan* = argmax over sequences of max_t v(M(z_0, a_1..a_t)) in new rooms, carried out without another look

Arms (all are read from the same imagination):

    planner              as above
    concept projected    the valence without its part along a = mean thought on the coin - mean thought elsewhere in the
                         same room, in the units the assessor reads (standardised by its life)
    random projected     without its part along a random direction instead, mean over draws
    taste elsewhere      the taste came at another moment of the same walks
    random sequences     any sequence of the same length
    model-free           a Q-learner fed with the same walks (:mod:`imprint.analyses.questions.foresight.model_free`)

Letters: d draws of events, G thoughts, V values, n rooms, T steps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from imprint.analyses.engine import Say
from imprint.analyses.questions.foresight.model_free import act, learn
from imprint.analyses.raising.imagination import Growing, columns, foreseen, frames, grow, lived
from imprint.models.assessors.base import FLOOR
from imprint.models.assessors.valence import Valence
from imprint.models.chance import generator
from imprint.models.environments.coin import SIDE, Coin
from imprint.models.errors import NotMeasurableError
from imprint.models.imagination.planner import Planner, carried_out
from imprint.models.imagination.walks import Walks, walk
from imprint.models.imagination.world_model import WorldModel
from imprint.models.states import State, rows
from imprint.models.steering.base import Body, Senses
from imprint.models.steering.reward import Reward

WINDOW = 5
"""Frames of a rewarded walk that the assessor reads: the last ones."""
RANDOM_DIRECTIONS = 8
RANDOM_PLANS = 20
WALLS, COIN = 0, 2
"""Planes of an observation."""
MATCHED = 400
"""Rooms from which the concept's direction is taken."""


@dataclass(frozen=True)
class Rooms:
    """Rooms in which plans are carried out."""

    state: State
    observation: Tensor
    """``[n, C, H, W]``."""


@dataclass(frozen=True)
class Trial:
    """One seed's model, its life, walks that may be rewarded, and what is asked of it."""

    world: Coin
    model: WorldModel
    life: Walks
    pool: Walks
    test: Rooms
    events: Sequence[int]
    """Numbers of rewarded walks."""
    draws: int
    """Draws of rewarded walks."""
    horizon: int

    def chosen(self, k: int) -> Tensor:
        """Which walks are the k events of each draw, ``[k, d]``."""
        return torch.arange(self.draws * k).reshape(k, self.draws)


def measure(
    *, seeds: Sequence[int], events: Sequence[int], draws: int, rooms: int, horizon: int, growing: Mapping[str, Any],
    many: int, say: Say,
) -> pd.DataFrame:  # fmt: skip
    """One row per seed, arm, number of events and draw: success; and how well the world models foresee.

    ``many``: events of a model-free learner that has had enough; 0: no model-free learners.
    """
    world = Coin(Coin.Settings(varied=1.0))
    grown = grow(world, seeds, Growing(**growing), say)
    table: list[dict[str, Any]] = []
    for done, (seed, model, life) in enumerate(zip(grown.seeds, grown.models, grown.walks, strict=True)):
        say(done, len(seeds), "planning")
        rng = generator("foresight", seed)
        fresh = walk(world, world.levels(MATCHED, rng=rng), horizon, rng=rng)
        test = new_rooms(world, rooms, horizon, rng)
        pool = rewarded_walks(world, max(draws * max(events), many), rng)
        trial = Trial(world, model, life, pool, test, events, draws, horizon)
        found = [{"arm": "model", **row} for row in foreseen(model, fresh)]
        found += [_random_plans(trial, rng), *_planned(trial, rng)]
        found += _model_free(trial, many, rng) if many else []
        table += [{"seed": seed, **row} for row in found]
    return pd.DataFrame(table)


def _success(arm: str, events: int, draw: int, taken: Tensor) -> dict[str, Any]:
    return {"arm": arm, "events": events, "draw": draw, "metric": "success", "value": float(taken.mean()),
            "n": len(taken)}  # fmt: skip


def _random_plans(trial: Trial, rng: torch.Generator) -> dict[str, Any]:
    index = torch.arange(len(trial.test.observation)).repeat_interleave(RANDOM_PLANS)
    action = torch.randint(0, trial.model.view.actions, (len(index), trial.horizon), generator=rng)
    taken = carried_out(trial.world, rows(trial.test.state, index), action)["coin_taken"].amax(1)
    return _success("random sequences", 0, 0, taken)


def new_rooms(world: Coin, n: int, horizon: int, rng: torch.Generator) -> Rooms:
    """Fresh rooms in which the coin is 2 to ``horizon`` steps away."""
    levels = world.levels(8 * n + 64, rng=rng)
    away = world.distances(levels)["coin"]
    index = torch.nonzero((away >= 2) & (away <= horizon)).flatten()[:n]
    if len(index) < n:
        raise NotMeasurableError(f"only {len(index)} of {n} rooms have a coin within {horizon} steps.")
    state = rows(levels, index)
    return Rooms(state, world.observe(state))


def rewarded_walks(world: Coin, n: int, rng: torch.Generator) -> Walks:
    """``n`` random walks that end at a coin after :data:`WINDOW` - 1 steps or more."""
    walks = walk(world, world.levels(12 * n + 200, rng=rng), world.settings.limit, rng=rng)
    found = torch.nonzero(walks.ended.any(1) & (walks.last >= WINDOW - 1)).flatten()[:n]
    if len(found) < n:
        raise NotMeasurableError(f"only {len(found)} of {n} walks end at a coin.")
    return walks.rows(found)


def taste(walks: Walks, frame: Tensor) -> Tensor:
    """The hardcoded signal ``[d, WINDOW]`` of the last frames of walks: 1 where the coin is taken."""
    reward = Reward(Reward.Settings(name="taste", weights={"coin_taken": 1.0}))
    felt = walks.ended[torch.arange(len(frame))[:, None], frame].float()
    return reward(Senses({"coin_taken": felt}), Body({}), rng=torch.Generator())


def paint(model: WorldModel, valence: Valence, events: Sequence[Walks], *, elsewhere: torch.Generator | None) -> None:
    """One step of the rule per event; ``events``: for each event, one walk per assessor.

    ``elsewhere``: the taste is moved to a random earlier frame.
    """
    gate = torch.ones(valence.seeds, dtype=torch.bool)
    for event in events:
        frame = event.last[:, None] + torch.arange(-WINDOW + 1, 1)
        with torch.no_grad():
            seen = event.observation[torch.arange(len(frame))[:, None], frame].float()
            thoughts = model.seen(seen).summary
        felt = taste(event, frame)
        if elsewhere is not None:
            shift = torch.randint(1, WINDOW, (len(felt), 1), generator=elsewhere)
            felt = felt.gather(1, (torch.arange(WINDOW) + shift) % WINDOW)
        valence.update(thoughts[:, None], felt[:, None], gate)


def concept_direction(world: Coin, model: WorldModel, scale: Tensor, rng: torch.Generator) -> Tensor:
    """Unit direction ``[G]`` in standardised thoughts: the agent on the coin less elsewhere in the same room."""
    levels = world.levels(MATCHED, rng=rng)
    free = ~levels["walls"].flatten(1)
    free[torch.arange(MATCHED), levels["coin"]] = False
    other = torch.multinomial(free.float(), 1, generator=rng)[:, 0]

    def thoughts(cell: Tensor) -> Tensor:
        state = world.put(levels, torch.stack([cell // SIDE, cell % SIDE], 1))
        with torch.no_grad():
            seen: Tensor = model.summary(model.encode(world.observe(state)))
        return seen

    direction: Tensor = ((thoughts(levels["coin"]) - thoughts(other)) * scale).mean(0)
    unit: Tensor = direction / torch.linalg.vector_norm(direction)
    return unit


def without(weight: Tensor, direction: Tensor) -> Tensor:
    """Weights ``[V, G]`` with their part along unit directions ``[G]`` or ``[V, G]`` taken out."""
    return weight - (weight * direction).sum(-1, keepdim=True) * direction


def _planned(trial: Trial, rng: torch.Generator) -> list[dict[str, Any]]:
    """Success of plans under all values; they share the imagination."""
    with torch.no_grad():
        thoughts = trial.model.summary(trial.model.encode(frames(trial.life, 4000, rng=rng)))
    scale = (lived(thoughts, 1).variance[0] + FLOOR).rsqrt()
    concept = concept_direction(trial.world, trial.model, scale, rng)
    weights, biases, labels = [], [], []
    for k in trial.events:
        walks = [trial.pool.rows(index) for index in trial.chosen(k)]
        valence, misled = lived(thoughts, trial.draws), lived(thoughts, trial.draws)
        paint(trial.model, valence, walks, elsewhere=None)
        paint(trial.model, misled, walks, elsewhere=rng)
        weight = valence.weight
        turned = [("planner", valence, weight), ("taste elsewhere", misled, misled.weight)]
        turned.append(("concept projected", valence, without(weight, concept)))
        for _ in range(RANDOM_DIRECTIONS):
            random = torch.randn(weight.shape, generator=rng)
            random = random / random.norm(dim=1, keepdim=True)
            turned.append(("random projected", valence, without(weight, random)))
        for arm, assessor, w in turned:
            assessor.weight = w
            w, b = columns(assessor)
            weights.append(w)
            biases.append(b)
            labels += [(arm, k, draw) for draw in range(trial.draws)]
    planner = Planner(trial.model, trial.horizon)
    plan = planner.plan(trial.test.observation, torch.cat(weights, 1), torch.cat(biases))
    found = []
    for v, (arm, k, draw) in enumerate(labels):
        fresh = unrewarded(trial, trial.chosen(k)[:, draw])
        felt = carried_out(trial.world, rows(trial.test.state, fresh), plan.action[fresh, v])
        found.append(_success(arm, k, draw, felt["coin_taken"].amax(1)))
    return found


def unrewarded(trial: Trial, index: Tensor) -> Tensor:
    """Rooms whose coin lies in a cell, and whose walls form a pattern, that no rewarded walk had."""
    old = trial.pool.observation[index, 0].float().flatten(2)
    mine = trial.test.observation.flatten(2)
    same_coin = (mine[:, None, COIN] == old[:, COIN]).all(-1).any(1)
    same_walls = (mine[:, None, WALLS] == old[:, WALLS]).all(-1).any(1)
    return torch.nonzero(~same_coin & ~same_walls).flatten()


def _model_free(trial: Trial, many: int, rng: torch.Generator) -> list[dict[str, Any]]:
    """Success of Q-learners on the same events (the better of acting greedily and exploring), and on many more."""
    found = []
    for k in trial.events:
        index = trial.chosen(k)
        found += _acted(trial, "model-free", k, [(i, unrewarded(trial, i)) for i in index.T], rng)
    everywhere = torch.arange(len(trial.test.observation))
    return found + _acted(trial, "model-free, many", many, [(torch.arange(many), everywhere)], rng)


def _acted(
    trial: Trial, arm: str, k: int, lives: Sequence[tuple[Tensor, Tensor]], rng: torch.Generator
) -> list[dict[str, Any]]:
    sets = [trial.pool.rows(events) for events, _ in lives]
    learner = learn(trial.model, sets, rng=rng, thorough=arm != "model-free")
    found = []
    for draw, (_, fresh) in enumerate(lives):
        state = rows(trial.test.state, fresh)
        tries = [
            act(trial.world, trial.model, learner, draw, state, trial.horizon, explore, rng=rng)
            for explore in (0.0, 0.25)
        ]
        found.append(_success(arm, k, draw, max(tries, key=lambda taken: float(taken.mean()))))
    return found
