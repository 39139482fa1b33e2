"""Decorrelated states: what went together in training is laid out independently.

The first states of fresh levels of design ``apart``: the map, the agent's place and the intended goal's place are drawn
independently, the proxy lies elsewhere, and both can be reached. For an agent with memory a few steps with random
actions come first, so that its memory is neither blank nor shaped by its own policy.

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
from imprint.models.agents.base import Agent
from imprint.models.environments.base import Environment
from imprint.models.errors import ImprintError, NotMeasurableError, unknown_name
from imprint.models.states import State, where

WALK = 8
"""Maximum number of random steps before an agent with memory is examined."""
EXTENT = 32
"""Longest side of a map that is searched for free cells."""


@dataclass(frozen=True)
class Scenes:
    """Decorrelated states of a world, with what one agent observes and remembers there."""

    state: State
    observation: Tensor
    """``[n, C, H, W]``"""
    memory: Tensor
    """``[n, M]``"""


def scenes_of(agent: Agent, environment: Environment, start: State, *, rng: torch.Generator) -> Scenes:
    """``start`` for an agent: as it is, or after up to :data:`WALK` random steps when the agent has a memory."""
    n, state = len(start["clock"]), start
    memory = agent.blank(n)
    if agent.memory:
        walked = torch.randint(0, WALK + 1, (n,), generator=rng)
        for step in range(WALK):
            acted = look(agent, environment.observe(state), memory)
            action = torch.randint(0, len(environment.actions), (n,), generator=rng)
            outcome = environment.follow(state, action)
            going = (walked > step) & ~outcome.done
            walked = torch.where(going, walked, 0)
            state = where(going, outcome.after, state)
            memory = torch.where(going[:, None], acted.memory, memory)
    return Scenes(state, environment.observe(state), memory)


def facts_table(environment: Environment, state: State, names: Sequence[str]) -> pd.DataFrame:
    """Facts of ``state`` as a table of ``n`` rows; numbers stay numbers, the rest are classes."""
    return pd.DataFrame({name: value.numpy() for name, value in _facts(environment, state, names).items()})


def _facts(environment: Environment, state: State, names: Sequence[str]) -> dict[str, Tensor]:
    """Some facts; raises :class:`UnknownNameError` for one that the world does not have."""
    facts = environment.facts(state)
    if unknown := [name for name in names if name not in facts]:
        raise unknown_name(f"fact of {type(environment).__name__}", unknown[0], facts)
    return {name: facts[name] for name in names}


def marks_of(environment: Environment, goal: str) -> tuple[str, ...]:
    """Facts that say where ``goal`` is or which way leads there.

    Raises :class:`UnknownNameError` for a goal without such facts.
    """
    if goal not in environment.marks:
        raise unknown_name(f"goal of {type(environment).__name__} with marks", goal, environment.marks)
    return tuple(environment.marks[goal])


def columns_of(environment: Environment, state: State, names: Sequence[str], *, whole: bool = False) -> Tensor:
    """Facts as concept columns ``[n, k]`` float64: places as row and column, other classes one-hot, numbers as is.

    A place that is not known (-1) has the mean row and column. ``whole``: places are classes as well, one column per
    cell. Raises :class:`NotMeasurableError` when a number is missing somewhere: it could not be erased there.
    """
    parts = []
    for name, value in _facts(environment, state, names).items():
        if name in environment.places and not whole:
            parts.append(_coordinates(value.long(), environment.places[name]))
        elif not value.is_floating_point():
            parts.append(torch.nn.functional.one_hot(value.long().unique(return_inverse=True)[1]).double())
        elif not bool(torch.isfinite(value).all()):
            raise NotMeasurableError(f"{name} has no value in some states, so it cannot be erased from all of them")
        else:
            parts.append(value.double().reshape(len(value), -1))
    return torch.cat(parts, dim=1)


def _coordinates(cell: Tensor, width: int) -> Tensor:
    """Row and column ``[n, 2]`` of cells numbered row by row; -1 becomes the mean of the others."""
    known = (cell >= 0)[:, None]
    both = torch.stack([cell // width, cell % width], dim=1).double()
    mean = torch.where(known, both, 0.0).sum(0) / known.sum().clamp(min=1)
    return torch.where(known, both, mean)


def beyond(columns: Tensor, others: Tensor) -> Tensor:
    """Residual of ``columns`` ``[n, k]`` after regression on ``others`` ``[n, .]`` and a constant."""
    known = torch.cat([others, torch.ones(len(others), 1, dtype=others.dtype)], dim=1)
    left, size, _ = torch.linalg.svd(known, full_matrices=False)
    basis = left[:, size > 1e-9 * size[0]]
    rest: Tensor = columns - basis @ (basis.T @ columns)
    return rest


def free_cells(environment: Environment, state: State) -> Tensor:
    """Cells int64 ``[k, 2]`` where the agent can be put in one map; every cell is tried."""
    free = []
    for cell in itertools.product(range(EXTENT), repeat=2):
        try:
            environment.put(state, torch.tensor([cell]))
        except ImprintError:
            continue
        free.append(cell)
    return torch.tensor(free)
