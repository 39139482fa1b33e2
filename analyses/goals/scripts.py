"""Scripted policies that walk to a goal."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from imprint.models.environments.base import Environment
from imprint.models.errors import NotMeasurableError
from imprint.models.states import State


def script(environment: Environment, goal: str) -> Callable[[Tensor, State], Tensor]:
    """A policy that walks a shortest way to ``goal``; where there is none it takes the first action.

    Raises :class:`NotMeasurableError` in a world that does not know the way.
    """
    way = f"{goal}_way"

    def act(observation: Tensor, state: State) -> Tensor:
        facts = environment.facts(state)
        if way not in facts:
            raise NotMeasurableError(f"this world has no fact {way!r}, so nothing can be scripted to walk there")
        return facts[way].clamp(min=0)

    return act
