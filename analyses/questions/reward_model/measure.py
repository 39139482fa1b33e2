"""Train reward models on steps of the training levels, and evaluate them on steps where goal and proxy come apart.

Three sets of steps on levels where goal and proxy lie apart:

    goal       the step that attains the goal and not the proxy
    proxy      the step that attains the proxy and not the goal
    neither    random steps that attain nothing

Letters: S seeds, n steps, K free cells.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from imprint.analyses.engine import Say
from imprint.analyses.goals.behaviour import APART
from imprint.analyses.goals.scenes import free_cells
from imprint.analyses.goals.scripts import script
from imprint.analyses.questions.reward_model.distance import epic
from imprint.analyses.statistics import areas
from imprint.models.chance import generator
from imprint.models.environments.base import Environment
from imprint.models.learning.reward_model import RewardModel, teach
from imprint.models.setup.agent import AgentSetup
from imprint.models.states import State, joined, rows

Step = tuple[Tensor, Tensor]
"""Observations before and after, ``[n, C, H, W]`` each."""
ARMS = ("taught", "shuffled", "untaught")


def random_steps(environment: Environment, n: int, design: str, *, rng: torch.Generator) -> tuple[Step, Tensor, Tensor]:
    """Random steps from fresh levels: observations, rewards ``[n]``, and which attain no goal, bool ``[n]``."""
    start = environment.levels(n, rng=rng, design=design)
    outcome = environment.follow(start, torch.randint(0, len(environment.actions), (n,), generator=rng))
    senses = environment.senses(outcome.before, outcome.action, outcome.after)
    nothing = torch.stack([senses[sense] == 0 for sense in environment.goals.values()]).all(0)
    return (environment.observe(start), environment.observe(outcome.after)), senses[environment.wages], nothing


def attaining_steps(
    environment: Environment, goal: str, others: Sequence[str], n: int, *, design: str, rng: torch.Generator
) -> Step:
    """The steps that attain ``goal`` and none of ``others``, on ``n`` levels walked by the script of ``goal``."""
    state, walk = environment.levels(n, rng=rng, design=design), script(environment, goal)
    before: list[State] = []
    after: list[State] = []
    while len(state["clock"]):
        outcome = environment.follow(state, walk(environment.observe(state), state))
        senses = environment.senses(outcome.before, outcome.action, outcome.after)
        there = senses[environment.goals[goal]] > 0
        alone = there & torch.stack([senses[environment.goals[other]] == 0 for other in others]).all(0)
        before.append(rows(outcome.before, alone))
        after.append(rows(outcome.after, alone))
        state = rows(outcome.after, ~there & ~outcome.done)
    return environment.observe(joined(before)), environment.observe(joined(after))


def train_and_evaluate(
    *, setup: dict[str, Any], seeds: Sequence[int], steps: int, judged: int, maps: int, say: Say
) -> pd.DataFrame:
    """varied, seed, arm, measure, estimate: numbers of models that are trained, trained on shuffled rewards, untrained.

    ``steps``: random steps to train on; ``judged``: levels behind each set of steps; ``maps``: for EPIC distances.
    """
    chosen = AgentSetup(**setup)
    environment = chosen.make_environment()
    data = [random_steps(environment, steps, "train", rng=generator("reward", seed)) for seed in seeds]
    before, after = (torch.stack([step[i] for step, _, _ in data]) for i in (0, 1))
    reward = torch.stack([rewards for _, rewards, _ in data])
    order = [torch.randperm(steps, generator=generator("reward shuffle", seed)) for seed in seeds]
    shuffled = torch.stack([own[shuffle] for own, shuffle in zip(reward, order, strict=True)])
    telling = _telling_steps(environment, chosen, judged)
    table = []
    for done, (arm, target) in enumerate(zip(ARMS, (reward, shuffled, None), strict=True)):
        births = [generator("reward birth", seed) for seed in seeds]
        models = [RewardModel.born(RewardModel.Settings(), environment.view, rng=rng) for rng in births]
        if target is not None:
            teach(models, before, after, target, rng=generator("reward order", seeds[0]))
        for seed, model in zip(seeds, models, strict=True):
            numbers = {**_predictions(model.eval(), telling), **_distances(model, environment, chosen, maps)}
            table += [{"seed": seed, "arm": arm, "measure": k, "estimate": v} for k, v in numbers.items()]
        say(done + 1, len(ARMS), arm)
    return pd.DataFrame(table).assign(varied=float(chosen.environment["varied"]))


def _telling_steps(environment: Environment, setup: AgentSetup, n: int) -> dict[str, Step]:
    """The three sets of steps, from ``n`` levels each."""
    goal, proxy = setup.intended, setup.proxies[0]
    step, _, nothing = random_steps(environment, n, APART, rng=generator("reward neither"))
    return {
        "goal": attaining_steps(environment, goal, [proxy], n, design=APART, rng=generator("reward goal")),
        "proxy": attaining_steps(environment, proxy, [goal], n, design=APART, rng=generator("reward proxy")),
        "neither": (step[0][nothing], step[1][nothing]),
    }


def _predictions(model: RewardModel, telling: Mapping[str, Step]) -> dict[str, float]:
    """Mean prediction on each set, and how well predictions tell goal and proxy from neither."""
    with torch.no_grad():
        predicted = {name: model(*step).double().numpy() for name, step in telling.items()}
    out = {f"mean {name}": float(reward.mean()) for name, reward in predicted.items()}
    for name in ("goal", "proxy"):
        scores = np.concatenate([predicted[name], predicted["neither"]])
        positive = np.arange(len(scores)) < len(predicted[name])
        out[f"AUC {name}"] = float(areas(scores[:, None], positive[:, None])[0])
    return out


def _distances(model: RewardModel, environment: Environment, setup: AgentSetup, maps: int) -> dict[str, float]:
    """EPIC distance to the reward for the goal and to the one for the proxy, mean over maps."""
    state = environment.levels(maps, rng=generator("reward maps"), design=APART)
    out: dict[str, list[float]] = {"EPIC goal": [], "EPIC proxy": []}
    for m in range(maps):
        cells = free_cells(environment, rows(state, slice(m, m + 1)))
        k = len(cells)
        placed = environment.put(rows(state, torch.full((k,), m)), cells)
        seen = environment.observe(placed)
        with torch.no_grad():
            predicted = model(seen.repeat_interleave(k, 0), seen.repeat(k, 1, 1, 1)).reshape(k, k).double().numpy()
        away = environment.distances(placed)
        for name, goal in (("EPIC goal", setup.intended), ("EPIC proxy", setup.proxies[0])):
            real = np.broadcast_to((away[goal] == 0).double().numpy(), (k, k))
            out[name].append(epic(predicted, real, setup.learning.discount))
    return {name: float(np.mean(values)) for name, values in out.items()}
