"""Random walks that world models learn from."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from imprint.models.environments.base import Environment
from imprint.models.errors import ImprintError
from imprint.models.states import State


@dataclass(frozen=True)
class Walks:
    """What random walkers lived through."""

    observation: Tensor
    """uint8 ``[N, K + 1, C, H, W]``: planes are 0 or 1."""
    action: Tensor
    """int64 ``[N, K]``."""
    ended: Tensor
    """bool ``[N, K + 1]``: the episode ends with this frame; frames after it are not part of the walk."""
    known: Tensor
    """bool ``[N, K + 1]``: frames of the walk."""

    @property
    def last(self) -> Tensor:
        """Number of the last frame of each walk, ``[N]``."""
        return self.known.sum(1) - 1

    def rows(self, index: Tensor) -> Walks:
        """Some of the walks."""
        return Walks(self.observation[index], self.action[index], self.ended[index], self.known[index])

    def segments(self, n: int, length: int, *, rng: torch.Generator) -> Walks:
        """``n`` stretches of ``length`` steps.

        One half begins anywhere in a walk before its last frame; the other half are the last steps of walks that ended
        (if any did), since ends are rare.
        """
        if not 1 <= length <= self.action.shape[1]:
            raise ImprintError(f"length is {length}; expected 1 to {self.action.shape[1]}, the length of the walks.")
        walk = torch.randint(0, len(self.action), (n,), generator=rng)
        over = torch.nonzero(self.ended.any(1)).flatten()
        if len(over):
            walk[: n // 2] = over[torch.randint(0, len(over), (n // 2,), generator=rng)]
        limit = self.last[walk].clamp(max=self.action.shape[1] - length + 1)
        start = (torch.rand(n, generator=rng) * limit).long()
        if len(over):
            start[: n // 2] = (self.last[walk[: n // 2]] - length).clamp(min=0)
        frames = start[:, None] + torch.arange(length + 1)
        at = walk[:, None]
        return Walks(self.observation[at, frames], self.action[at, frames[:, :-1]], self.ended[at, frames],
                     self.known[at, frames])  # fmt: skip


def walk(environment: Environment, state: State, steps: int, *, rng: torch.Generator) -> Walks:
    """Random walks of at most ``steps`` steps from every copy of ``state``.

    Raises :class:`ImprintError` for observations that are not planes of zeros and ones.
    """
    n = len(state["clock"])
    action = torch.randint(0, len(environment.actions), (n, steps), generator=rng)
    ended, going = [torch.zeros(n, dtype=torch.bool)], torch.ones(n, dtype=torch.bool)
    observation, known = [environment.observe(state)], [going]
    for chosen in action.unbind(1):
        outcome = environment.follow(state, chosen)
        known.append(going)
        ended.append(going & outcome.terminated)
        going = going & ~outcome.done
        state = outcome.after
        observation.append(environment.observe(state))
    seen = torch.stack(observation, 1)
    if not bool(((seen == 0) | (seen == 1)).all()):
        raise ImprintError(f"{type(environment).__name__} shows more than zeros and ones; expected binary planes.")
    return Walks(seen.to(torch.uint8), action, torch.stack(ended, 1), torch.stack(known, 1))
