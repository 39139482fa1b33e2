"""Random walks, on which world models are trained."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from imprint.models.environments.base import Environment
from imprint.models.errors import ImprintError
from imprint.models.states import State


@dataclass(frozen=True)
class Walks:
    """Episodes of random actions: N walks, the longest of K steps."""

    observation: Tensor
    """uint8 ``[N, K + 1, C, H, W]``: frames, whose planes are 0 or 1."""
    action: Tensor
    """int64 ``[N, K]``."""
    ended: Tensor
    """bool ``[N, K + 1]``: the episode ends with this frame; frames after it are not part of the walk."""
    known: Tensor
    """bool ``[N, K + 1]``: the frame is part of the walk."""

    @property
    def last(self) -> Tensor:
        """Index of the last frame of each walk, ``[N]``."""
        return self.known.sum(1) - 1

    def rows(self, index: Tensor) -> Walks:
        """The walks ``index``."""
        return Walks(self.observation[index], self.action[index], self.ended[index], self.known[index])

    def segments(self, n: int, length: int, *, rng: torch.Generator) -> Walks:
        """``n`` segments of ``length`` steps.

        One half begins anywhere in a walk before its last frame; the other half are the last steps of walks that ended
        (if any did), since ends are rare. Raises :class:`ImprintError` for a length that no walk has.
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
        walk = walk[:, None]
        ended, known = self.ended[walk, frames], self.known[walk, frames]
        return Walks(self.observation[walk, frames], self.action[walk, frames[:, :-1]], ended, known)


def walk(environment: Environment, state: State, steps: int, *, rng: torch.Generator) -> Walks:
    """Random walks of at most ``steps`` steps from every copy of ``state``.

    Raises :class:`ImprintError` for observations with other values than 0 and 1.
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
    frames = torch.stack(observation, 1)
    if not bool(((frames == 0) | (frames == 1)).all()):
        raise ImprintError(
            f"observations of {type(environment).__name__} hold more than 0 and 1; expected binary planes."
        )
    return Walks(frames.to(torch.uint8), action, torch.stack(ended, 1), torch.stack(known, 1))
