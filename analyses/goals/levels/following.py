"""Following a player through levels: what it attains, and the states that it passes through.

Levels are followed some at a time, as many as the player takes together, each to the end of its episode or until a goal
is attained. Chance in actions depends on the level's place and the step alone.

Letters: n levels, G goals.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from imprint.analyses.goals.behaviour import MOVED, Played
from imprint.analyses.goals.levels.task import EXAM_SEED, TRAIN, Task
from imprint.models.errors import ImprintError
from imprint.probes.players.base import Change, Player, Seen, Tap

LONGEST = 2_000
"""Steps after which an episode is ended in any case."""
PER_CHUNK, PER_STEP = 1_000_003, 7_919
"""Primes that give every step of every batch of levels a seed of its own."""


@dataclass
class Copies:
    """Some levels that are followed in step; those that are over are shown their last observation again."""

    task: Task
    levels: list[tuple[Any, Any, dict[str, Any]]]
    noise: int
    time: int = 0
    going: NDArray[np.bool_] = field(init=False)

    def __post_init__(self) -> None:
        self.observations = [observation for _, observation, _ in self.levels]
        self.infos = [info for _, _, info in self.levels]
        self.rewards = np.zeros(len(self.levels))
        self.going = np.ones(len(self.levels), dtype=bool)

    @property
    def envs(self) -> list[Any]:
        """The environments."""
        return [env for env, _, _ in self.levels]

    def seen(self) -> Seen:
        """What a player is shown now."""
        return Seen(list(self.observations), self.time == 0, self.noise + PER_STEP * self.time, self._masks())

    def step(self, actions: Sequence[Any]) -> None:
        """One step of the levels that go on."""
        self.time += 1
        for i in np.flatnonzero(self.going).tolist():
            try:
                observation, reward, over, late, info = self.envs[i].step(_plain(actions[i]))
            except Exception as error:
                raise ImprintError(
                    f"the environment raised {type(error).__name__} in step {self.time} for the action {actions[i]}: "
                    f"{error}."
                ) from error
            self.observations[i], self.infos[i] = observation, info
            self.rewards[i] += float(reward)
            self.going[i] = not (over or late or self.time >= LONGEST)

    def _masks(self) -> NDArray[np.bool_] | None:
        if not hasattr(self.envs[0].unwrapped, "action_masks") and not _has(self.envs[0], "action_masks"):
            return None
        return np.stack([np.asarray(env.get_wrapper_attr("action_masks")(), dtype=bool).ravel() for env in self.envs])


def _has(env: Any, name: str) -> bool:
    return bool(env.has_wrapper_attr(name)) if hasattr(env, "has_wrapper_attr") else hasattr(env, name)


def _plain(action: Any) -> Any:
    """A discrete action as a Python number, an array as it is."""
    return action.item() if isinstance(action, np.ndarray | np.generic) and np.ndim(action) == 0 else action


def batches(
    task: Task, design: str, seeds: Sequence[int], player: Player, noise: int = 0, size: int | None = None
) -> Iterator[tuple[slice, Copies]]:
    """Levels in batches, with the place of each batch; by default as many as player and design take together."""
    size = 1 if task.sequential[design] else size or player.together
    for chunk, start in enumerate(range(0, len(seeds), size)):
        own = list(seeds[start : start + size])
        with task.opened(design, own) as levels:
            player.begin(len(own))
            yield slice(start, start + len(own)), Copies(task, levels, noise + PER_CHUNK * (chunk + 1))


def play_levels(
    task: Task,
    design: str,
    player: Player,
    *,
    levels: int,
    changes: Mapping[Tap, Change] | None = None,
    noise: int = 0,
    watch: Callable[[slice, Copies, Seen], None] | None = None,
) -> Played:
    """The first ``levels`` of a design; only those of the training design are followed to the end.

    ``changes``: of activations, in every step. ``watch``: called before every step.
    """
    goals = dict(task.goals)
    if design == MOVED:
        goals |= {usual(name): asked for name, asked in task.places.items()}
    seeds, until_decided = range(EXAM_SEED, EXAM_SEED + levels), design != TRAIN
    attained = np.full((levels, len(goals)), -1, dtype=np.int64)
    oracle, steps, returns = attained.copy(), np.zeros(levels, dtype=np.int64), np.zeros(levels, dtype=np.float32)
    with ExitStack() as stack:
        stack.enter_context(player.edited(changes or {}))
        for place, copies in batches(task, design, seeds, player, noise):
            if task.distances:
                for i, env in enumerate(copies.envs):
                    of_goals = [task.distance(env, copies.infos[i], goal) for goal in goals]
                    oracle[place.start + i] = of_goals
            while copies.going.any():
                seen = copies.seen()
                if watch is not None:
                    watch(place, copies, seen)
                before = copies.going.copy()
                copies.step(list(player.act(seen)))
                for i in map(int, np.flatnonzero(before)):
                    row = place.start + i
                    now = task.attained(copies.envs[i], copies.infos[i], goals)
                    attained[row] = np.where(now & (attained[row] < 0), copies.time, attained[row])
                    steps[row] = copies.time
                    if until_decided and now.any():
                        copies.going[i] = False
            returns[place] = copies.rewards
    tensors = (torch.from_numpy(array) for array in (attained, steps, returns, oracle))
    return Played(tuple(goals), *tensors)


def usual(goal: str) -> str:
    """The goal of being at the usual place of a goal."""
    return f"{goal} (usual place)"
