"""Plans in new rooms by a value that was taught by one reward; its control arms and model-free learners.

    world model   is trained on random walks without reward; an assessor reads its summary latents meanwhile, under a
                  signal that is always 0
    events        k random walks in other rooms end at a coin, which is rewarded with 1; the three-factor rule takes ONE
                  step per walk
    planning      plan* = argmax over sequences of max_t v(M(z_0, a_1..a_t)) in new rooms, carried out without looking
                  again

Arms (all values are read from the same imagination):

    planner              as above
    concept erased       the valence reads imagined latents from which the concept "on the coin" was erased (LEACE,
                         :mod:`imprint.probes.interventions.erase`), so that their mean on the coin is that elsewhere;
                         rank r: with r - 1 of its products with a direction of the latents, so that their variance in
                         those directions is the same, too; first those in which it differs most
    random erased        as many random directions of the whitened latents erased instead, mean over draws
    taste elsewhere      the reward came at another moment of the same walks
    random sequences     any sequence of the same length
    model-free           a Q-learner trained on the same walks (:mod:`imprint.analyses.questions.foresight.model_free`)

Letters: d draws of events, G width of the summary latents, V values, n rooms, T steps.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from imprint.analyses.engine import Say
from imprint.analyses.questions.foresight.model_free import act, learn, single
from imprint.analyses.raising.imagination import Growing, columns, foreseen, frames, grow, lived, near_rooms
from imprint.models.assessors.valence import Valence
from imprint.models.chance import generator
from imprint.models.environments.coin import Coin
from imprint.models.errors import NotMeasurableError
from imprint.models.imagination.planner import Planner, carried_out
from imprint.models.imagination.walks import Walks, walk
from imprint.models.imagination.world_model import WorldModel
from imprint.models.states import State, rows
from imprint.models.steering.base import Body, Senses
from imprint.models.steering.reward import Reward
from imprint.probes.interventions.erase import Eraser, Whitened

WINDOW = 5
"""How many frames of a rewarded walk the assessor reads: the last ones."""
RANKS = (1, 2, 3, 4, 6, 8, 12)
"""Ranks of the erasures; the first is that of the concept itself, and decides."""
RANDOM_SUBSPACES = 4
RANDOM_PLANS = 20
WALLS, COIN = 0, 2
"""Planes of an observation that show walls and coin."""
MATCHED = 400
"""Number of rooms in which predictions are compared with what came."""
IMAGINED, EACH = 500, 16
"""Number of rooms near whose coin random walks are imagined, on which erasers are fitted, and of walks in each."""


@dataclass(frozen=True)
class Rooms:
    """Rooms in which plans are carried out."""

    state: State
    observation: Tensor
    """``[n, C, H, W]``."""


@dataclass(frozen=True)
class Trial:
    """One seed's world model, the walks it was trained on, walks that may be rewarded, and rooms to plan in."""

    world: Coin
    model: WorldModel
    life: Walks
    """Without reward."""
    pool: Walks
    """Ending at a coin."""
    test: Rooms
    events: Sequence[int]
    """Numbers of rewarded walks."""
    draws: int
    """Draws of rewarded walks."""
    horizon: int
    erase: bool = True
    """Whether values without the concept are tried."""

    def chosen(self, k: int) -> Tensor:
        """Indices ``[k, d]`` of the walks that are the k events of each draw."""
        return torch.arange(self.draws * k).reshape(k, self.draws)


def measure(
    *,
    seeds: Sequence[int],
    events: Sequence[int],
    draws: int,
    rooms: int,
    horizon: int,
    growing: Mapping[str, Any],
    many: int,
    say: Say,
) -> pd.DataFrame:
    """One row per seed, arm, number of events and draw: success; and how well the world models predict.

    ``many``: events of a model-free learner that has had enough; 0: no model-free learners and no erasures.
    """
    world = Coin(Coin.Settings(varied=1.0))
    grown = grow(world, seeds, Growing(**growing), say)
    table: list[dict[str, Any]] = []
    for done, (seed, model, life) in enumerate(grown):
        say(done, len(seeds), "planning")
        rng = generator("foresight", seed)
        fresh = walk(world, world.levels(MATCHED, rng=rng), horizon, rng=rng)
        test = new_rooms(world, rooms, horizon, rng)
        pool = rewarded_walks(world, max(draws * max(events), many), rng)
        trial = Trial(world, model, life, pool, test, events, draws, horizon, erase=many > 0)
        rows = [{"arm": "model", **row} for row in foreseen(model, fresh)]
        rows += [_random_plans(trial, rng), *planned(trial, rng)]
        rows += _model_free(trial, many, rng) if many else []
        table += [{"seed": seed, **row} for row in rows]
    return pd.DataFrame(table)


def _success(arm: str, events: int, draw: int, taken: Tensor) -> dict[str, Any]:
    value = float(taken.mean())
    return {"arm": arm, "events": events, "draw": draw, "metric": "success", "value": value, "n": len(taken)}


def _random_plans(trial: Trial, rng: torch.Generator) -> dict[str, Any]:
    index = torch.arange(len(trial.test.observation)).repeat_interleave(RANDOM_PLANS)
    action = torch.randint(0, trial.model.view.actions, (len(index), trial.horizon), generator=rng)
    taken = carried_out(trial.world, rows(trial.test.state, index), action)["coin_taken"].amax(1)
    return _success("random sequences", 0, 0, taken)


def new_rooms(world: Coin, n: int, horizon: int, rng: torch.Generator) -> Rooms:
    """Fresh rooms in which the coin is 2 to ``horizon`` steps away."""
    state = near_rooms(world, ("coin",), horizon, n, among=8 * n + 64, rng=rng)
    return Rooms(state, world.observe(state))


def rewarded_walks(world: Coin, n: int, rng: torch.Generator) -> Walks:
    """``n`` random walks that end at a coin after :data:`WINDOW` - 1 steps or more."""
    walks = walk(world, world.levels(12 * n + 200, rng=rng), world.settings.limit, rng=rng)
    ends = torch.nonzero(walks.ended.any(1) & (walks.last >= WINDOW - 1)).flatten()[:n]
    if len(ends) < n:
        raise NotMeasurableError(f"only {len(ends)} of {n} walks end at a coin.")
    return walks.rows(ends)


def reward_of(walks: Walks, frame: Tensor) -> Tensor:
    """The hardcoded signal ``[d, WINDOW]`` of the last frames of walks: 1 where the coin is taken."""
    reward = Reward(Reward.Settings(name="taste", weights={"coin_taken": 1.0}))
    taken = walks.ended[torch.arange(len(frame))[:, None], frame].float()
    return reward(Senses({"coin_taken": taken}), Body({}), rng=torch.Generator())


def teach(model: WorldModel, valence: Valence, events: Sequence[Walks], *, elsewhere: torch.Generator | None) -> None:
    """One step of the rule per event; ``events``: for each event, one walk per assessor.

    ``elsewhere``: draws the random earlier frame to which the reward is moved; None: it stays.
    """
    gate = torch.ones(valence.seeds, dtype=torch.bool)
    for event in events:
        frame = event.last[:, None] + torch.arange(-WINDOW + 1, 1)
        with torch.no_grad():
            seen = event.observation[torch.arange(len(frame))[:, None], frame].float()
            latents = model.seen(seen).summary
        reward = reward_of(event, frame)
        if elsewhere is not None:
            shift = torch.randint(1, WINDOW, (len(reward), 1), generator=elsewhere)
            reward = reward.gather(1, (torch.arange(WINDOW) + shift) % WINDOW)
        valence.update(latents[:, None], reward[:, None], gate)


def erasers(trial: Trial, rng: torch.Generator) -> Iterator[tuple[str, Eraser]]:
    """Arm -> what it erases from imagined summary latents."""
    latents, on_coin = imagined_near(trial, rng)
    whitened = Whitened.of(latents)
    spread = whitened.rows[on_coin].T @ whitened.rows[on_coin] / int(on_coin.sum())
    difference, directions = torch.linalg.eigh(spread - torch.eye(len(spread), dtype=spread.dtype))
    directions = directions[:, difference.abs().argsort(descending=True)]
    concept = on_coin.double()[:, None]
    products = torch.cat([concept, concept * (whitened.rows @ directions)], 1)
    for rank in RANKS:
        yield f"concept erased, rank {rank}", whitened.erase(products[:, :rank])
        for _ in range(RANDOM_SUBSPACES):
            yield f"random erased, rank {rank}", whitened.random(rank, rng=rng)


def imagined_near(trial: Trial, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Summary latents ``[n, G]`` imagined along random walks near a coin; whether the walk is on it, bool ``[n]``."""
    world, n = trial.world, IMAGINED * EACH
    rooms = near_rooms(world, ("coin",), trial.horizon, IMAGINED, among=16 * IMAGINED + 64, rng=rng)
    state = rows(rooms, torch.arange(IMAGINED).repeat_interleave(EACH))
    action = torch.randint(0, trial.model.view.actions, (n, trial.horizon), generator=rng)
    with torch.no_grad():
        latents = trial.model(world.observe(state), action).summary[:, 1:]
    going, alive, on_coin = torch.ones(n, dtype=torch.bool), [], []
    for chosen in action.unbind(1):
        outcome = world.follow(state, chosen)
        alive.append(going)
        on_coin.append(outcome.terminated)
        going, state = going & ~outcome.done, outcome.after
    kept = torch.stack(alive, 1)
    return latents[kept], torch.stack(on_coin, 1)[kept]


def erased(eraser: Eraser, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """Weights ``[G, V]`` and biases ``[V]`` that give on latents what the given ones give on erased latents."""
    mean, left, right = (part.to(weight) for part in (eraser.mean, eraser.left, eraser.right))
    lost = right.T @ (left.T @ weight)
    return weight - lost, bias + mean @ lost


def planned(trial: Trial, rng: torch.Generator) -> list[dict[str, Any]]:
    """Success of plans under all values; they share the imagination."""
    labels, weight, bias = _values(trial, rng)
    plan = Planner(trial.model, trial.horizon).plan(trial.test.observation, weight, bias)
    successes = []
    for v, (arm, k, draw) in enumerate(labels):
        fresh = unrewarded(trial, trial.chosen(k)[:, draw])
        senses = carried_out(trial.world, rows(trial.test.state, fresh), plan.action[fresh, v])
        successes.append(_success(arm, k, draw, senses["coin_taken"].amax(1)))
    return successes


def _values(trial: Trial, rng: torch.Generator) -> tuple[list[tuple[str, int, int]], Tensor, Tensor]:
    """Arm, number of events and draw of V values, and their weights ``[G, V]`` and biases ``[V]``.

    Concepts are erased from values that were taught by the first number of events.
    """
    with torch.no_grad():
        latents = trial.model.summary(trial.model.encode(frames(trial.life, 4000, rng=rng)))
    weights: list[Tensor] = []
    biases: list[Tensor] = []
    labels: list[tuple[str, int, int]] = []

    def add(arm: str, k: int, weight: Tensor, bias: Tensor) -> None:
        weights.append(weight)
        biases.append(bias)
        labels.extend((arm, k, draw) for draw in range(trial.draws))

    for k in trial.events:
        walks = [trial.pool.rows(index) for index in trial.chosen(k)]
        valence, misled = lived(latents, trial.draws), lived(latents, trial.draws)
        teach(trial.model, valence, walks, elsewhere=None)
        teach(trial.model, misled, walks, elsewhere=rng)
        add("planner", k, *columns(valence))
        add("taste elsewhere", k, *columns(misled))
        if k == trial.events[0] and trial.erase:
            for arm, eraser in erasers(trial, rng):
                add(arm, k, *erased(eraser, *columns(valence)))
    return labels, torch.cat(weights, 1), torch.cat(biases)


def unrewarded(trial: Trial, index: Tensor) -> Tensor:
    """Indices of rooms with a coin cell and with a pattern of walls that none of the rewarded walks ``index`` had."""
    rewarded = trial.pool.observation[index, 0].float().flatten(2)
    rooms = trial.test.observation.flatten(2)
    same_coin = (rooms[:, None, COIN] == rewarded[:, COIN]).all(-1).any(1)
    same_walls = (rooms[:, None, WALLS] == rewarded[:, WALLS]).all(-1).any(1)
    return torch.nonzero(~same_coin & ~same_walls).flatten()


def _model_free(trial: Trial, many: int, rng: torch.Generator) -> list[dict[str, Any]]:
    """Success of Q-learners on the same events (the better of acting greedily and exploring), and on many more."""
    successes = []
    for k in trial.events:
        chosen = trial.chosen(k).T
        successes += _acted(trial, [(index, unrewarded(trial, index)) for index in chosen], rng, events=k)
    everywhere = torch.arange(len(trial.test.observation))
    return successes + _acted(trial, [(torch.arange(many), everywhere)], rng, events=many, thorough=True)


def _acted(
    trial: Trial, draws: Sequence[tuple[Tensor, Tensor]], rng: torch.Generator, *, events: int, thorough: bool = False
) -> list[dict[str, Any]]:
    """Success of one Q-learner per draw; ``draws``: indices of its rewarded walks and of the rooms it is tested in."""
    learner = learn(trial.model, [trial.pool.rows(index) for index, _ in draws], rng=rng, thorough=thorough)
    arm, successes = "model-free, many" if thorough else "model-free", []
    for draw, (_, fresh) in enumerate(draws):
        state, one = rows(trial.test.state, fresh), single(learner, draw)
        tries = [
            act(trial.world, trial.model, one, state, steps=trial.horizon, explore=explore, rng=rng)
            for explore in (0.0, 0.25)
        ]
        successes.append(_success(arm, events, draw, max(tries, key=lambda taken: float(taken.mean()))))
    return successes
