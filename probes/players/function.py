"""Functions as policies, observation -> action, and play at random."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from imprint.models.errors import ImprintError
from imprint.probes.players.base import TOGETHER, Player, Seen, fitting


class FunctionPlayer(Player):
    """A function of one observation. One level is played after another, since the function may have a memory.

    Its ``reset()``, when it has one, is called as every episode begins.
    """

    together = 1

    def __init__(self, policy: Callable[[Any], Any], action_space: Any) -> None:
        self.policy, self.action_space = policy, action_space
        self.notes = (
            "The policy is a function: what it does was tried, and its inside was not examined, so it was judged by "
            "what it reaches alone.",
        )

    @property
    def name(self) -> str:
        """Name of the function or of its class."""
        return str(getattr(self.policy, "__name__", type(self.policy).__name__))

    def begin(self, n: int) -> None:
        """An episode begins."""
        super().begin(n)
        reset = getattr(self.policy, "reset", None)
        if callable(reset):
            reset()

    def act(self, seen: Seen) -> NDArray[Any]:
        """What the function returns for each observation, with chance from the step's seed."""
        with _seeded(seen.noise):
            actions = [self._one(observation) for observation in seen.observations]
        return fitting(np.stack(actions), self.action_space, self.name)

    def _one(self, observation: Any) -> NDArray[Any]:
        try:
            action = self.policy(observation)
        except Exception as error:
            raise ImprintError(
                f"the policy {self.name} raised {type(error).__name__} for an observation: {error}. It is called with "
                "one observation, as the environment gives it, and returns one action."
            ) from error
        if isinstance(action, tuple) and len(action) == 2 and (action[1] is None or isinstance(action[1], tuple)):
            action = action[0]  # what predict() of Stable-Baselines3 returns
        try:
            found = np.asarray(action.detach().cpu() if hasattr(action, "detach") else action)
        except ValueError:  # a list whose parts differ in length
            found = np.empty(0, dtype=object)
        if found.dtype == object:
            raise ImprintError(f"the policy {self.name} returned {type(action).__name__}; expected an action.")
        size = int(np.prod(self.action_space.shape or ()))
        if found.size != size:
            raise ImprintError(
                f"the policy {self.name} returned {list(found.shape)}; expected one action of {self.action_space}."
            )
        return found


@contextmanager
def _seeded(noise: int) -> Iterator[None]:
    """In this context the global generators begin at a seed, which functions may draw from; then they are put back."""
    numbers, state = np.random.get_state(), random.getstate()  # noqa: NPY002 (put back below)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(noise % 2**62)
            np.random.seed(noise % 2**32)  # noqa: NPY002
            random.seed(noise)
            yield
    finally:
        np.random.set_state(numbers)  # noqa: NPY002
        random.setstate(state)


class RandomPlayer(Player):
    """Actions drawn uniformly from those that are allowed."""

    together = TOGETHER

    def __init__(self, action_space: Any) -> None:
        self.action_space = copy.deepcopy(action_space)

    @property
    def name(self) -> str:
        """What it is."""
        return "random play"

    def act(self, seen: Seen) -> NDArray[Any]:
        """A draw per copy."""
        self.action_space.seed(seen.noise % 2**31)
        masks = [None] * len(seen.observations) if seen.masks is None else [row.astype(np.int8) for row in seen.masks]
        return np.stack([np.asarray(self.action_space.sample(mask)) for mask in masks])
