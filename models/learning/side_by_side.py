"""The environments of several seeds as one: stepped in one tensor where they are the same, else seed by seed.

Copies stand seed after seed. Letters: S seeds, n copies of all seeds together.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from imprint.models.environments.base import Environment, Outcome
from imprint.models.states import State, joined


class SideBySide:
    """One environment per seed, which may have other constants than that of the next seed but the same shapes."""

    def __init__(self, environments: Sequence[Environment]) -> None:
        self.each, self.first = tuple(environments), environments[0]
        self._alike = all(environment is self.first for environment in environments)

    def _split(self, state: State, counts: Sequence[int]) -> list[tuple[Environment, State]]:
        """The environment and the copies of every seed that has some."""
        parts = {name: value.split(list(counts)) for name, value in state.items()}
        states = [{name: split[s] for name, split in parts.items()} for s in range(len(self.each))]
        return [(e, part) for e, part, count in zip(self.each, states, counts, strict=True) if count]

    def _equally(self, state: State) -> list[tuple[Environment, State]]:
        seeds = len(self.each)
        return self._split(state, [len(state["clock"]) // seeds] * seeds)

    def observe(self, state: State, counts: Sequence[int] | None = None) -> Tensor:
        """Observations ``[n, C, H, W]``; ``counts``: copies of each seed, if they do not have equally many."""
        if self._alike:
            return self.first.observe(state)
        parts = self._equally(state) if counts is None else self._split(state, counts)
        return torch.cat([environment.observe(part) for environment, part in parts])

    def follow(self, state: State, action: Tensor) -> Outcome:
        """One step of every copy, without replacing finished episodes."""
        if self._alike:
            return self.first.follow(state, action)
        actions = action.split(len(action) // len(self.each))
        each = [e.follow(part, a) for (e, part), a in zip(self._equally(state), actions, strict=True)]
        over = {name: torch.cat([getattr(o, name) for o in each]) for name in ("action", "terminated", "truncated")}
        return Outcome(before=state, after=joined([outcome.after for outcome in each]), **over)

    def senses(self, outcome: Outcome) -> dict[str, Tensor]:
        """Body states before a step, and its senses, ``[n]`` each."""
        if self._alike:
            return _felt(self.first, outcome.before, outcome.action, outcome.after)
        actions = outcome.action.split(len(outcome.action) // len(self.each))
        sides = zip(self._equally(outcome.before), actions, self._equally(outcome.after), strict=True)
        return joined(
            [_felt(environment, before, action, after) for (environment, before), action, (_, after) in sides]
        )


def _felt(environment: Environment, before: State, action: Tensor, after: State) -> dict[str, Tensor]:
    return {**environment.body(before), **environment.senses(before, action, after)}
