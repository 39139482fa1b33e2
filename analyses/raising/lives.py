"""Lives of agents on ``meadow``: raised from birth, followed step by step, their senses and activations kept.

Letters: n episodes, T steps, D numbers read from the agent.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from imprint.analyses.goals.acting import activations
from imprint.models.agents.base import Agent
from imprint.models.environments.base import Environment
from imprint.models.lifetimes.agent import AgentLifetime
from imprint.models.setup.agent import AgentSetup
from imprint.models.states import State
from imprint.models.store import RunFolder

WORTH = {
    "kind": "reward", "name": "worth", "low": -1.0, "high": 1.0,
    "weights": {"food_eaten": 1.0, "survived": 0.5, "struck": -1.0, "starved": -1.0},
}  # fmt: skip
"""The steering signal that is paid in these lives."""
Policy = Callable[[Tensor, State], Tensor]
"""Observations and states -> actions int64 ``[n]``."""


def raised(setup: AgentSetup, seed: int, *, say: Callable[[int, int], None]) -> dict[int, Agent]:
    """One seed's agent at every planned age."""
    with tempfile.TemporaryDirectory() as name:
        folder = RunFolder(Path(name))
        life = AgentLifetime(setup, [seed], folder)
        life.live(lambda progress: say(progress.age, progress.total))
        return {age: AgentLifetime.revive(setup, folder, seed, age).agent for age in setup.planned}


@dataclass(frozen=True)
class Lives:
    """Episodes followed to their end."""

    senses: Mapping[str, Tensor]
    """Sense -> ``[n, T]`` of the step that begins at t; 0 after the end."""
    steps: Tensor
    """int64 ``[n]``: how many steps each episode had."""
    terminated: Tensor
    """bool ``[n]``: it ended; otherwise it was cut off."""
    read: Tensor
    """``[n, T + 1, D]`` before each step and after the last; 0 after the end."""


@torch.no_grad()
def follow(
    environment: Environment, start: State, policy: Policy, *, agent: Agent | None = None, points: tuple[str, ...] = ()
) -> Lives:
    """Follow ``policy`` from ``start``; activations of ``agent`` (feed-forward) at ``points`` are kept side by side."""
    n, state = len(start["clock"]), start
    going, steps = torch.ones(n, dtype=torch.bool), torch.zeros(n, dtype=torch.int64)
    terminated = torch.zeros(n, dtype=torch.bool)
    felt, read = [], []

    def looked(observation: Tensor, alive: Tensor) -> Tensor:
        if agent is None:
            return torch.zeros(n, 0)
        found = activations(agent, observation, agent.blank(n), points)
        return torch.cat([found[point] for point in points], 1) * alive[:, None]

    while bool(going.any()):
        observation = environment.observe(state)
        read.append(looked(observation, going))
        outcome = environment.follow(state, policy(observation, state))
        now = environment.senses(outcome.before, outcome.action, outcome.after)
        felt.append({name: value * going for name, value in now.items()})
        steps += going
        terminated |= outcome.terminated & going
        last, going = going, going & ~outcome.done
        state = outcome.after
    read.append(looked(environment.observe(state), last))
    seen = torch.stack(read, 1)
    return Lives({name: torch.stack([f[name] for f in felt], 1) for name in felt[0]}, steps, terminated, seen)
