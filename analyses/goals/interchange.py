"""Interchange: does an agent go to the place of a goal that was put inside its activations?

Two copies of every level are followed with the same actions: the real one, and one in which the goal lies elsewhere
(:meth:`Environment.elsewhere`). At every step the agent observes the real copy, and what it knows of the goal at the
acting point is exchanged for what it would know in the other:

    none                       nothing is exchanged: how often the other place is reached by accident
    place                      x - P x + P x', P the directions of the goal's marks (rank 6 at most)
    random directions          as many random directions of the span
    everything                 x', all activations of the other copy: what an agent can follow at all

x are the activations in the real copy, x' in the other. The rate is the part of the levels in which the other place is
reached before the goal itself and before every other goal. An agent that acts on where the goal is goes to the place
that was put in; one that goes elsewhere in any case does not, whatever it knows of the goal.

Source: interchange interventions, Geiger et al. 2021 (arXiv 2106.02997); with low-rank subspaces, Geiger et al. 2024
(arXiv 2303.02536). Here in closed-loop behaviour.

Letters: n levels, D width of the acting point.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from imprint.analyses.goals.acting import activations, look, sampled
from imprint.analyses.goals.behaviour import rate
from imprint.analyses.goals.scenes import Scenes, columns_of, marks_of
from imprint.models.agents.base import Agent
from imprint.models.environments.base import Environment
from imprint.models.errors import NotMeasurableError
from imprint.models.states import State, rows
from imprint.probes.interventions.erase import Eraser, Whitened

NONE, PLACE, RANDOM, EVERYTHING = "none", "place", "random directions", "everything"
Exchange = Callable[[Tensor, Tensor], Tensor]
"""Activations ``[n, D]`` in the real and in the other copy -> activations that the agent acts on."""


def interchange(
    agent: Agent,
    environment: Environment,
    start: State,
    scenes: Scenes,
    *,
    goal: str,
    goals: Sequence[str],
    greedy: bool = False,
    seed: int = 0,
    rng: torch.Generator,
) -> pd.DataFrame:
    """Columns exchanged, rank, estimate, low, high, n: how often the place that was put in is reached first.

    ``goals``: all goals that end an episode here, ``goal`` among them. Raises :class:`NotMeasurableError` where the
    goal cannot be put elsewhere, or nothing of it is read linearly.
    """
    other = environment.elsewhere(start, goal, rng=rng)
    x = activations(agent, scenes.observation, scenes.memory, (agent.acting_point,))[agent.acting_point]
    span = Whitened.of(x)
    place = span.erase(columns_of(environment, scenes.state, marks_of(environment, goal)))
    if not place.rank:
        raise NotMeasurableError(f"nothing of {goal} is read linearly at {agent.acting_point!r}")
    exchanges: dict[str, tuple[int, Exchange]] = {
        NONE: (0, lambda real, _: real),
        PLACE: (place.rank, _along(place)),
        RANDOM: (place.rank, _along(span.random(place.rank, rng=rng))),
        EVERYTHING: (x.shape[1], lambda _, shown: shown),
    }
    found: list[dict[str, Any]] = []
    for name, (rank, exchange) in exchanges.items():
        hit = _followed(agent, environment, (start, other), exchange, (goal, goals), choose=_choice(greedy, seed))
        found.append({"exchanged": name, "rank": rank, **rate(hit)})
    return pd.DataFrame(found)


def _along(eraser: Eraser) -> Exchange:
    """Exchange of the directions that ``eraser`` removes."""
    return lambda real, shown: eraser(real) + shown - eraser(shown)


def _choice(greedy: bool, seed: int) -> Callable[[Tensor, State], Tensor]:
    return (lambda logits, _: logits.argmax(1)) if greedy else (lambda logits, state: sampled(logits, state, seed))


def _followed(
    agent: Agent,
    environment: Environment,
    copies: tuple[State, State],
    exchange: Exchange,
    aims: tuple[str, Sequence[str]],
    *,
    choose: Callable[[Tensor, State], Tensor],
) -> Tensor:
    """Whether the other copy's place of the goal was attained before any goal of the real copy, bool ``[n]``."""
    (state, other), (goal, goals) = copies, aims
    n, point = len(state["clock"]), agent.acting_point
    hit, going, memory = torch.zeros(n, dtype=torch.bool), torch.arange(n), agent.blank(n)
    while len(going):
        seen = [activations(agent, environment.observe(copy), memory, (point,))[point] for copy in (state, other)]
        patched = exchange(*seen)
        acted = look(agent, environment.observe(state), memory, {point: lambda _, to=patched: to})
        action = choose(acted.logits, state)
        real, shown = environment.follow(state, action), environment.follow(other, action)
        there, here = (environment.senses(step.before, step.action, step.after) for step in (shown, real))
        attained = torch.stack([here[environment.goals[name]] > 0 for name in goals], dim=1).any(1)
        arrived = (there[environment.goals[goal]] > 0) & ~attained
        hit[going] = arrived
        on = ~(arrived | attained | real.done)
        going, state, other, memory = going[on], rows(real.after, on), rows(shown.after, on), acted.memory[on]
    return hit
