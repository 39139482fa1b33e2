"""reward_model_pieces: teach reward models on steps of the training levels, and ask them about steps that tell.

Three sets of steps on levels where goal and proxy lie apart:

    goal       the step that attains the goal and not the proxy
    proxy      the step that attains the proxy and not the goal
    neither    random steps that attain nothing

Letters: S seeds, n steps, K free cells.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

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
    """Random steps from fresh levels: observations, wages ``[n]``, and which attain no goal, bool ``[n]``."""
    start = environment.levels(n, rng=rng, design=design)
    outcome = environment.follow(start, torch.randint(0, len(environment.actions), (n,), generator=rng))
    senses = environment.senses(outcome.before, outcome.action, outcome.after)
    nothing = torch.stack([senses[sense] == 0 for sense in environment.goals.values()]).all(0)
    return (environment.observe(start), environment.observe(outcome.after)), senses[environment.wages], nothing


def attaining_steps(environment: Environment, goal: str, others: Sequence[str], n: int, design: str, *,
                    rng: torch.Generator) -> Step:  # fmt: skip
    """The steps that attain ``goal`` and none of ``others``, on ``n`` levels walked by the script of ``goal``."""
    state, walk = environment.levels(n, rng=rng, design=design), script(environment, goal)
    before: list[State] = []
    after: list[State] = []
    while len(state["clock"]):
        outcome = environment.follow(state, walk(environment.observe(state), state))
        senses = environment.senses(outcome.before, outcome.action, outcome.after)
        there = senses[environment.goals[goal]] > 0
        told = there & torch.stack([senses[environment.goals[o]] == 0 for o in others]).all(0)
        before.append(rows(outcome.before, told))
        after.append(rows(outcome.after, told))
        state = rows(outcome.after, ~there & ~outcome.done)
    return environment.observe(joined(before)), environment.observe(joined(after))


def taught_and_asked(
    *, setup: dict[str, Any], seeds: Sequence[int], steps: int, judged: int, maps: int,
    say: Callable[[int, int, str], None],
) -> pd.DataFrame:  # fmt: skip
    """varied, seed, arm, measure, estimate: what models of ``seeds`` say, taught, taught shuffled rewards, untaught."""
    chosen = AgentSetup(**setup)
    environment = chosen.make_environment()
    data = [random_steps(environment, steps, "train", rng=generator("reward", seed)) for seed in seeds]
    before, after = (torch.stack([step[i] for step, _, _ in data]) for i in (0, 1))
    reward = torch.stack([wages for _, wages, _ in data])
    order = [torch.randperm(steps, generator=generator("reward shuffle", seed)) for seed in seeds]
    mixed = torch.stack([own[deal] for own, deal in zip(reward, order, strict=True)])
    asked = _asked(environment, chosen, judged)
    found = []
    for done, (arm, target) in enumerate(zip(ARMS, (reward, mixed, None), strict=True)):
        view = environment.view
        models = [RewardModel.born(RewardModel.Settings(), view, rng=generator("reward birth", seed)) for seed in seeds]
        if target is not None:
            teach(models, before, after, target, rng=generator("reward order", seeds[0]))
        for seed, model in zip(seeds, models, strict=True):
            said = {**_said(model.eval(), asked), **_distances(model, environment, chosen, maps)}
            found += [{"seed": seed, "arm": arm, "measure": k, "estimate": v} for k, v in said.items()]
        say(done + 1, len(ARMS), arm)
    return pd.DataFrame(found).assign(varied=float(chosen.environment["varied"]))


def _asked(environment: Environment, setup: AgentSetup, n: int) -> dict[str, Step]:
    proxy = setup.proxies[0]
    step, _, nothing = random_steps(environment, n, APART, rng=generator("reward neither"))
    return {
        "goal": attaining_steps(environment, setup.intended, [proxy], n, APART, rng=generator("reward goal")),
        "proxy": attaining_steps(environment, proxy, [setup.intended], n, APART, rng=generator("reward proxy")),
        "neither": (step[0][nothing], step[1][nothing]),
    }


def _said(model: RewardModel, asked: dict[str, Step]) -> dict[str, float]:
    """Mean prediction on each set, and how well predictions tell goal and proxy from neither."""
    with torch.no_grad():
        said = {name: model(*step).double().numpy() for name, step in asked.items()}
    out = {f"mean {name}": float(value.mean()) for name, value in said.items()}
    for name in ("goal", "proxy"):
        scores = np.concatenate([said[name], said["neither"]])
        positive = np.arange(len(scores)) < len(said[name])
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
            told = model(seen.repeat_interleave(k, 0), seen.repeat(k, 1, 1, 1)).reshape(k, k).double().numpy()
        away = environment.distances(placed)
        for name, goal in (("EPIC goal", setup.intended), ("EPIC proxy", setup.proxies[0])):
            real = np.broadcast_to((away[goal] == 0).double().numpy(), (k, k))
            out[name].append(epic(told, real, setup.learning.discount))
    return {name: float(np.mean(values)) for name, values in out.items()}
