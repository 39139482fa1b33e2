"""Lives of agents on ``meadow``: trained agents are followed step by step, and senses and activations are kept.

Letters: n episodes, T steps, D activations.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from imprint.analyses.goals.acting import activations
from imprint.analyses.goals.behaviour import Policy
from imprint.models.agents.base import Agent
from imprint.models.environments.base import Environment
from imprint.models.errors import NotMeasurableError
from imprint.models.lifetimes.agent import AgentLifetime
from imprint.models.setup.agent import AgentSetup
from imprint.models.setup.load import load_setup
from imprint.models.states import State
from imprint.models.store import RunFolder

MEADOW: dict[str, Any] = {"kind": "meadow", "size": 9, "food_at_mother": 0.5, "stranger_look": 0.3, "dive": 8}
WEIGHTS = {"food_eaten": 1.0, "survived": 0.5, "struck": -1.0, "starved": -1.0}
WORTH = {"kind": "reward", "name": "worth", "low": -1.0, "high": 1.0, "weights": WEIGHTS}
"""The reward of these lives."""


def meadow_setup(
    name: str, world: Mapping[str, Any], reflexes: Sequence[Mapping[str, Any]] = (), **schedule: int | list[int]
) -> dict[str, Any]:
    """The setup ``meadow-hunger`` with another world, reflexes, schedule, and :data:`WORTH` as its reward, resolved."""
    base = load_setup("meadow-hunger").resolved()
    parts: dict[str, Any] = {"environment": {**MEADOW, **world}, "steering": [*reflexes, WORTH]}
    parts |= {"learning": {**base["learning"], "pay": "worth"}, "schedule": {**schedule, "together": 1}}
    return load_setup({**base, **parts, "name": name}).resolved()


@contextmanager
def trained(setup: AgentSetup, seeds: Sequence[int], say: Callable[[int, int], None]) -> Iterator[RunFolder]:
    """A temporary run folder with agents that were trained as one stack; ``say`` receives experiences, done and all."""
    with tempfile.TemporaryDirectory() as name:
        folder = RunFolder(Path(name))
        AgentLifetime(setup, seeds, folder).live(lambda step: say(step.age, step.total))
        yield folder


def raised(setup: AgentSetup, seed: int, *, say: Callable[[int, int], None]) -> dict[int, Agent]:
    """One seed's agent at every planned age. Raises :class:`NotMeasurableError` when the seed diverged."""
    with trained(setup, [seed], say) as folder:
        if AgentLifetime.living_ages(setup, folder, seed) != list(setup.planned):
            raise NotMeasurableError(f"seed {seed} diverged: its parameters stopped being finite")
        return {age: AgentLifetime.revive(setup, folder, seed, age).agent for age in setup.planned}


@dataclass(frozen=True)
class Lives:
    """Episodes followed to their end; all zero after it."""

    senses: Mapping[str, Tensor]
    """Sense -> ``[n, T]`` of the step that begins at t."""
    steps: Tensor
    """int64 ``[n]``: number of steps of each episode."""
    terminated: Tensor
    """bool ``[n]``: it terminated; otherwise it was truncated."""
    read: Tensor
    """Activations ``[n, T + 1, D]`` before each step and after the last."""


@torch.no_grad()
def follow(
    environment: Environment, start: State, policy: Policy, *, agent: Agent | None = None, points: tuple[str, ...] = ()
) -> Lives:
    """Follow ``policy`` from ``start``; activations of ``agent`` (feed-forward) at ``points`` are joined along D."""
    n, state = len(start["clock"]), start
    going, steps = torch.ones(n, dtype=torch.bool), torch.zeros(n, dtype=torch.int64)
    terminated = torch.zeros(n, dtype=torch.bool)
    senses, read = [], []

    def read_agent(observation: Tensor, going: Tensor) -> Tensor:
        if agent is None:
            return torch.zeros(n, 0)
        at_points = activations(agent, observation, agent.blank(n), points)
        return torch.cat(list(at_points.values()), 1) * going[:, None]

    while bool(going.any()):
        observation = environment.observe(state)
        read.append(read_agent(observation, going))
        outcome = environment.follow(state, policy(observation, state))
        now = environment.senses(outcome.before, outcome.action, outcome.after)
        senses.append({name: value * going for name, value in now.items()})
        steps += going
        terminated |= outcome.terminated & going
        last, going = going, going & ~outcome.done
        state = outcome.after
    read.append(read_agent(environment.observe(state), last))
    whole = {name: torch.stack([now[name] for now in senses], 1) for name in senses[0]}
    return Lives(whole, steps, terminated, torch.stack(read, 1))
