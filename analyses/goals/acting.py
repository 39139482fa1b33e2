"""An agent as a policy that can be followed, sampled or greedy, with edits at its hook points while it runs.

Sampling takes the largest of the logits plus Gumbel noise. The noise is a hash of the state's key and clock, not drawn
from a stream: the same state has the same noise whatever else is in the batch. Two rollouts of the same levels, one of
them edited, therefore differ by the edit alone (common random numbers).

Letters: n rows, A actions, D width of a hook point.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor

from imprint.models.agents.base import Acted, Agent
from imprint.models.chance import uniform
from imprint.models.errors import ImprintError, unknown_name
from imprint.models.states import State
from imprint.probes.interventions.base import Intervention

PER_SEED, PER_STEP = 0x2545F4914F6CDD1D, 0x5851F42D4C957F2D
"""Odd multipliers that give every policy seed and every step noise of its own, apart from the world's."""


class AgentPolicy:
    """An agent that acts in a world, with its memory of the episodes it is in."""

    def __init__(
        self, agent: Agent, *, greedy: bool = False, seed: int = 0, edits: Mapping[str, Intervention] | None = None
    ) -> None:
        """``edits``: hook point -> change of its activations ``[n, D]``, made in every forward pass."""
        self.agent, self.greedy, self.seed = agent, greedy, seed
        self.edits = dict(edits or {})
        known = dict(agent.named_modules())
        for point in self.edits:
            if point not in known:
                raise unknown_name("hook point", point, agent.read_points)
        self._memory: Tensor | None = None

    def __call__(self, observation: Tensor, state: State) -> Tensor:
        """Actions int64 ``[n]``; an episode whose clock is 0 begins without memory."""
        n, begun = len(observation), state["clock"] > 0
        if self._memory is None or not bool(begun.any()):
            self._memory = self.agent.blank(n)
        if len(self._memory) != n:
            raise ImprintError(
                f"the policy remembers {len(self._memory)} episodes and was shown {n}; follow one set of episodes at a "
                "time, or say with keep() which of them go on."
            )
        memory = torch.where(begun[:, None], self._memory, self.agent.blank(n))
        acted = look(self.agent, observation, memory, self.edits)
        self._memory = acted.memory
        return acted.logits.argmax(1) if self.greedy else sampled(acted.logits, state, self.seed)

    def keep(self, going: Tensor) -> None:
        """Drop the memory of the episodes that are not in ``going`` (bool ``[n]``)."""
        if self._memory is not None:
            self._memory = self._memory[going]


def look(agent: Agent, observation: Tensor, memory: Tensor, edits: Mapping[str, Any] | None = None) -> Acted:
    """One forward pass without a gradient, under ``edits`` (hook point -> function of activations ``[n, D]``)."""
    with torch.no_grad(), _edited(agent, edits or {}):
        acted: Acted = agent(observation, memory)
    return acted


def activations(agent: Agent, observation: Tensor, memory: Tensor, points: tuple[str, ...]) -> dict[str, Tensor]:
    """Activations ``[n, D]`` of some hook points in one forward pass."""
    recorded: dict[str, Tensor] = {}

    def record(x: Tensor, point: str) -> Tensor:
        recorded[point] = x.detach().flatten(1).clone()
        return x

    look(agent, observation, memory, {point: partial(record, point=point) for point in points})
    return {point: recorded[point] for point in points}


def sampled(logits: Tensor, state: State, seed: int = 0) -> Tensor:
    """Actions int64 ``[n]`` drawn with the probabilities of ``logits`` ``[n, A]``; the same state, the same noise."""
    key = (state["key"] ^ PER_SEED) + state["clock"] * PER_STEP + (seed * PER_SEED) % 2**62
    draw, _ = uniform(key, logits.shape[1])
    noise = -torch.log(-torch.log(draw.clamp(2.0**-25, 1 - 2.0**-25)))
    return (logits + noise).argmax(1)


@contextmanager
def _edited(agent: Agent, edits: Mapping[str, Any]) -> Iterator[None]:
    handles = []
    try:
        for point, edit in edits.items():
            module = agent.get_submodule(point)
            handles.append(module.register_forward_hook(lambda _m, _i, out, change=edit: change(out)))
        yield
    finally:
        for handle in handles:
            handle.remove()
