"""A planner that tries all action sequences in a world model and chooses by the value of the imagined latents.

    plan* = argmax over action sequences a_1..a_T of  max_t  v(M(z_0, a_1..a_t))        v linear in what it reads

(Byrnes, "Intro to brain-like-AGI safety", posts 6 and 7.) All A^T sequences are imagined at once as a tree, so that a
common beginning of sequences is imagined once: level t holds A^t latents per row in one tensor. Several values read the
same imagined latents. Of equally good sequences the first in lexicographic order is taken.

Letters: n rows, T steps of the horizon, A actions, D numbers that a value reads, V values.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from imprint.models.environments.base import Environment
from imprint.models.errors import ImprintError
from imprint.models.imagination.world_model import WorldModel
from imprint.models.states import State

Read = Literal["summary", "maps"]
LARGEST = 1 << 14
"""Largest number of imagined latents of one level in one batch."""


@dataclass(frozen=True)
class Plan:
    """The best sequence of every row under every value."""

    action: Tensor
    """int64 ``[n, V, T]``."""
    value: Tensor
    """``[n, V]``: its highest value over the steps."""


def sequences(actions: int, horizon: int) -> Tensor:
    """All action sequences, int64 ``[A^T, T]``, in lexicographic order."""
    steps = actions ** torch.arange(horizon - 1, -1, -1)
    return torch.arange(actions**horizon)[:, None] // steps % actions


class Planner:
    """Plans ``horizon`` steps ahead in a world model."""

    def __init__(self, model: WorldModel, horizon: int, read: Read = "summary") -> None:
        if horizon < 1 or model.view.actions**horizon > LARGEST:
            raise ImprintError(
                f"horizon is {horizon}, {model.view.actions}^{horizon} action sequences; expected 1 step or more and "
                f"at most {LARGEST} sequences."
            )
        self.model, self.horizon, self.read = model, horizon, read

    def reading(self, maps: Tensor) -> Tensor:
        """What values read, ``[m, D]``, from maps ``[m, L, F]``."""
        return self.model.summary(maps) if self.read == "summary" else maps.flatten(1)

    def values(self, observation: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """Highest value over the steps of each sequence, ``[n, A^T, V]``, under values read . weight + bias.

        ``weight`` ``[D, V]``, ``bias`` ``[V]``. The latents before the first action do not count.
        """
        rows = max(1, LARGEST // self.model.view.actions**self.horizon)
        with torch.no_grad():
            return torch.cat([self._values(part, weight, bias) for part in observation.split(rows)])

    def _values(self, observation: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        n, actions = len(observation), self.model.view.actions
        maps = self.model.encode(observation)
        best = torch.full((n, weight.shape[1]), -torch.inf)
        for _ in range(self.horizon):
            maps = self.model.branch(maps).flatten(0, 1)
            best = torch.maximum(best.repeat_interleave(actions, 0), self.reading(maps) @ weight + bias)
        return best.reshape(n, actions**self.horizon, -1)

    def plan(self, observation: Tensor, weight: Tensor, bias: Tensor) -> Plan:
        """The best sequences from observations ``[n, C, H, W]``; arguments as for :meth:`values`."""
        value, index = self.values(observation, weight, bias).max(1)
        return Plan(sequences(self.model.view.actions, self.horizon)[index], value)


def carried_out(environment: Environment, state: State, action: Tensor) -> dict[str, Tensor]:
    """Senses ``[n, T]`` of the steps when actions ``[n, T]`` are carried out; zero once the episode is over."""
    going, senses = torch.ones(len(action), dtype=torch.bool), []
    for chosen in action.unbind(1):
        outcome = environment.follow(state, chosen)
        step = environment.senses(state, outcome.action, outcome.after)
        senses.append({name: torch.where(going, value, 0.0) for name, value in step.items()})
        going, state = going & ~outcome.done, outcome.after
    return {name: torch.stack([step[name] for step in senses], 1) for name in senses[0]}
