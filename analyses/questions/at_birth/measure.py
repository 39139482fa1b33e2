"""What the question of lesions by age measures for one training seed on ``meadow``.

A chick with the reflexes of its setup is raised; at every planned age it lives on levels it has not seen, four times,
with the same levels and the same dice:

    whole          learner and reflexes
    no learner     all weights of the learner are zero: it acts at random where no reflex fires
    no reflexes    the learner alone
    neither        random actions

``lived`` is the part of the limit that it lived, ``survived`` whether it lived to the limit, ``pay`` what its steering
side would have paid in its life.

Letters: n lives, T steps.
"""

from __future__ import annotations

import copy
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from imprint.analyses.engine import Say
from imprint.analyses.goals.acting import AgentPolicy
from imprint.analyses.raising.lives import Lives, follow, raised
from imprint.models.agents.base import Agent
from imprint.models.chance import generator
from imprint.models.setup.agent import AgentSetup
from imprint.models.states import State

CONDITIONS = ("whole", "no learner", "no reflexes", "neither")


@torch.no_grad()
def lesioned(agent: Agent) -> Agent:
    """The agent with all its weights at zero."""
    without = copy.deepcopy(agent)
    for parameter in without.parameters():
        parameter.zero_()
    return without


def worth(lives: Lives, weights: dict[str, float]) -> Tensor:
    """What a life was worth, ``[n]``: the weighted sum of its senses."""
    return torch.stack([weight * lives.senses[name].sum(1) for name, weight in weights.items()]).sum(0)


def lived(
    setup: AgentSetup, start: State, agent: Agent, weights: dict[str, float], seed: int
) -> dict[str, dict[str, float]]:
    """Condition -> means over lives of ``lived``, ``survived`` and ``pay``."""
    body, bare = setup.make_environment(), setup.make_environment(reflexes=False)
    made = {
        "whole": (body, agent), "no learner": (body, lesioned(agent)),
        "no reflexes": (bare, agent), "neither": (bare, lesioned(agent)),
    }  # fmt: skip
    found, limit = {}, body.settings.limit
    for condition, (world, learner) in made.items():
        lives = follow(world, start, AgentPolicy(learner, seed=seed))
        found[condition] = {
            "lived": float(lives.steps.float().mean()) / limit,
            "survived": float((~lives.terminated).float().mean()),
            "pay": float(worth(lives, weights).mean()),
        }
    return found


def lesions(setup: dict[str, Any], lives: int, seed: int, say: Say) -> pd.DataFrame:
    """One seed by age and condition: ``seed, age, condition, metric, value``."""
    made = AgentSetup(**setup)
    weights = next(dict(s["weights"]) for s in made.steering if s["name"] == made.learning.pay)
    body = raised(made, seed, say=lambda done, total: say(done, total, f"raising seed {seed}"))
    start = made.make_environment().levels(lives, rng=generator("at-birth", seed))
    return pd.DataFrame(
        [
            {"seed": seed, "age": age, "condition": condition, "metric": metric, "value": value}
            for age, agent in body.items()
            for condition, numbers in lived(made, start, agent, weights, seed).items()
            for metric, value in numbers.items()
        ]
    )
