"""Lesions of learner and reflexes of one training seed on ``meadow``, by age.

An agent with the reflexes of its setup is trained; at every planned age it acts on unseen levels under four
conditions, with the same levels and the same random numbers:

    whole          learner and reflexes
    no learner     all weights of the learner are zero: it acts at random where no reflex fires
    no reflexes    the learner alone
    neither        random actions

``lived`` is the part of the episode's step limit that the agent survived, ``survived`` whether it reached the limit,
``pay`` the return of the episode. ``expectancy`` is the number of steps lived for each death,

    E = steps lived in all episodes / (deaths + 1/2)

which, unlike ``lived``, does not level off at the step limit: it is the mean length of life under a constant risk of
death, with episodes that reached the limit as censored (its maximum likelihood but for the 1/2, which keeps it finite
when nobody dies). What a lesion costs is the ratio of E with and without it, as in models of proportional hazards (Cox
1972): an absolute difference grows with the length of life alone.

Letters: n episodes, T steps.
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
    """A copy of the agent with all its weights at zero."""
    without = copy.deepcopy(agent)
    for parameter in without.parameters():
        parameter.zero_()
    return without


def returns(lives: Lives, weights: dict[str, float]) -> Tensor:
    """Return ``[n]`` of each episode: the sum of its senses, weighted as the steering signal weights them."""
    return torch.stack([weight * lives.senses[name].sum(1) for name, weight in weights.items()]).sum(0)


def expectancy(steps: Tensor, died: Tensor) -> float:
    """Expected length of life in steps from the ``steps`` ``[n]`` of episodes and whether they ended in death."""
    return float(steps.sum() / (died.sum() + 0.5))


def survival(setup: AgentSetup, start: State, agent: Agent, *, seed: int) -> dict[str, dict[str, float]]:
    """Condition -> metric -> its value over the episodes that begin at ``start``."""
    weights = next(dict(signal["weights"]) for signal in setup.steering if signal["name"] == setup.learning.pay)
    body, bare, blank = setup.make_environment(), setup.make_environment(reflexes=False), lesioned(agent)
    arms = ((body, agent), (body, blank), (bare, agent), (bare, blank))
    means = {}
    for condition, (environment, learner) in zip(CONDITIONS, arms, strict=True):
        lives = follow(environment, start, AgentPolicy(learner, seed=seed))
        means[condition] = {
            "expectancy": expectancy(lives.steps, lives.terminated),
            "lived": float(lives.steps.float().mean()) / body.settings.limit,
            "survived": float((~lives.terminated).float().mean()),
            "pay": float(returns(lives, weights).mean()),
        }
    return means


def lesions(*, setup: dict[str, Any], lives: int, seed: int, say: Say) -> pd.DataFrame:
    """Numbers of one seed by age and condition: ``seed, age, condition, metric, value``; ``lives``: episodes each."""
    chosen = AgentSetup(**setup)
    agents = raised(chosen, seed, say=lambda done, total: say(done, total, f"training seed {seed}"))
    start = chosen.make_environment().levels(lives, rng=generator("at-birth", seed))
    return pd.DataFrame(
        [
            {"seed": seed, "age": age, "condition": condition, "metric": metric, "value": value}
            for age, agent in agents.items()
            for condition, means in survival(chosen, start, agent, seed=seed).items()
            for metric, value in means.items()
        ]
    )
