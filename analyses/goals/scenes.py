"""scenes: states in which everything that went together in training is laid out independently.

The first states of fresh levels of design ``apart``: the map, the agent's place and the intended goal's place are drawn
independently, the proxy lies elsewhere, and both can be reached. For an agent with memory the levels are first walked
through for a few steps with actions drawn at random, so that its memory is neither blank nor shaped by its own wishes.

On these states the critic is regressed, facts are decoded and erasers are fitted.

Letters: n states, C channels, H and W cells, M memory width, k concept columns.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import torch
from torch import Tensor

from imprint.analyses.goals.acting import look
from imprint.analyses.goals.behaviour import APART
from imprint.models.agents.base import Agent
from imprint.models.environments.base import Environment
from imprint.models.errors import ImprintError, NotMeasurableError, unknown_name
from imprint.models.states import State, where

WALK = 8
"""Most steps that are walked before an agent with memory is asked."""
EXTENT = 32
"""The longest side of a map that is searched for free cells."""


@dataclass(frozen=True)
class Scenes:
    """Decorrelated states of a world, as one agent meets them."""

    state: State
    observation: Tensor
    """``[n, C, H, W]``"""
    memory: Tensor
    """``[n, M]``"""

    def __len__(self) -> int:
        return len(self.observation)


def scenes(environment: Environment, n: int, *, rng: torch.Generator) -> State:
    """``n`` decorrelated states at the start of their episodes."""
    return environment.levels(n, rng=rng, design=APART)


def met_by(agent: Agent, environment: Environment, start: State, *, rng: torch.Generator) -> Scenes:
    """``start`` as ``agent`` meets it: at once, or after up to :data:`WALK` random steps when it has a memory."""
    n, state = len(start["clock"]), start
    memory = agent.blank(n)
    if agent.memory:
        walked = torch.randint(0, WALK + 1, (n,), generator=rng)
        for step in range(WALK):
            seen = look(agent, environment.observe(state), memory)
            action = torch.randint(0, len(environment.actions), (n,), generator=rng)
            outcome = environment.follow(state, action)
            going = (walked > step) & ~outcome.done
            walked = torch.where(going, walked, 0)
            state = where(going, outcome.after, state)
            memory = torch.where(going[:, None], seen.memory, memory)
    return Scenes(state, environment.observe(state), memory)


def facts_table(environment: Environment, state: State, names: Sequence[str]) -> pd.DataFrame:
    """Facts of ``state`` as a table of ``n`` rows; numbers stay numbers, the rest are classes.

    Raises :class:`UnknownNameError` for a fact the world does not have.
    """
    facts = environment.facts(state)
    for name in names:
        if name not in facts:
            raise unknown_name(f"fact of {type(environment).__name__}", name, facts)
    return pd.DataFrame({name: facts[name].numpy() for name in names})


def marks_of(environment: Environment, goal: str) -> tuple[str, ...]:
    """Facts that say where ``goal`` is or how to get there; raises for a goal without any."""
    if goal not in environment.marks:
        raise unknown_name(f"goal of {type(environment).__name__} with marks", goal, environment.marks)
    return tuple(environment.marks[goal])


def columns_of(environment: Environment, state: State, names: Sequence[str]) -> Tensor:
    """Facts as concept columns ``[n, k]`` float64: classes one-hot, numbers as they are.

    Raises :class:`NotMeasurableError` when a number is missing somewhere: it could not be erased there.
    """
    facts = environment.facts(state)
    parts = []
    for name in names:
        if name not in facts:
            raise unknown_name(f"fact of {type(environment).__name__}", name, facts)
        value = facts[name]
        if not value.is_floating_point():
            value = torch.nn.functional.one_hot(value.long().unique(return_inverse=True)[1])
        elif not bool(torch.isfinite(value).all()):
            raise NotMeasurableError(f"{name} has no value in some states, so it cannot be erased from all of them")
        parts.append(value.double().reshape(len(value), -1))
    return torch.cat(parts, dim=1)


def beyond(columns: Tensor, others: Tensor) -> Tensor:
    """What is left of ``columns`` ``[n, k]`` when all that follows linearly from ``others`` ``[n, .]`` is taken out."""
    known = torch.cat([others, torch.ones(len(others), 1, dtype=others.dtype)], dim=1)
    left, size, _ = torch.linalg.svd(known, full_matrices=False)
    basis = left[:, size > 1e-9 * size[0]]
    rest: Tensor = columns - basis @ (basis.T @ columns)
    return rest


def free_cells(environment: Environment, state: State) -> Tensor:
    """Cells int64 ``[k, 2]`` where the agent can be put in one map; found by trying."""
    found = []
    for cell in itertools.product(range(EXTENT), repeat=2):
        try:
            environment.put(state, torch.tensor([cell]))
        except ImprintError:
            continue
        found.append(cell)
    return torch.tensor(found)
