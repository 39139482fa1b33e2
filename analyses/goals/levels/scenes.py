"""States in which what went together in training lies apart, with what one agent makes of them.

Levels of design ``moved`` or, without one, ``apart``, other ones than those that are played, are walked through at
random, and some states of every walk are kept: first observation, facts, distances, and of the player its activations,
its critic's value and its memory of the walk. All agents are shown the same states, since the walks are drawn from
seeds. States of one level are a group.

Letters: m states, d width of a tap.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from imprint.analyses.goals.behaviour import APART, MOVED
from imprint.analyses.goals.levels.following import batches
from imprint.analyses.goals.levels.task import STATE_SEED, Task, columns_of
from imprint.models.errors import NotMeasurableError
from imprint.probes.players.base import Player, Tap
from imprint.probes.players.function import RandomPlayer

WALK, KEPT = 24, 4
"""States of a random walk at most, and those that are kept of every walk at most."""
SIZE = 32
"""Levels that are walked together, whoever is shown them, so that the walks are the same for all."""


@dataclass(frozen=True)
class WalkedStates:
    """States and what one agent makes of them."""

    facts: pd.DataFrame
    """``m`` rows."""
    groups: NDArray[np.int64]
    """``[m]`` level of each state."""
    distances: dict[str, Tensor]
    """Goal -> int64 ``[m]``."""
    observations: NDArray[np.float32]
    """``[m, p]``, flattened."""
    activations: dict[Tap, Tensor]
    """Tap -> ``[m, d]``; none of a function."""
    value: Tensor | None
    """``[m]``; None without a critic."""


def walked_states(task: Task, player: Player, *, states: int, seed: int = 0) -> WalkedStates:
    """At least as many states as ``states``, or as the walks hold."""
    design = MOVED if MOVED in task.designs else APART
    levels = -(-states // KEPT)
    seeds = range(STATE_SEED, STATE_SEED + levels)
    lengths = _lengths(task, design, seeds, seed)
    rng = np.random.default_rng([seed, 1])
    kept = [set(rng.choice(length, min(KEPT, length), replace=False).tolist()) for length in lengths]
    walker = RandomPlayer(task.action_space)
    rows: list[dict[str, Any]] = []
    distances: list[list[int]] = []
    groups, observations, values = [], [], []
    activations: dict[Tap, list[Tensor]] = {tap: [] for tap in player.taps}
    for place, copies in batches(task, design, seeds, player, noise=seed, size=SIZE):
        walker.begin(len(copies.levels))
        for time in range(WALK):
            seen = copies.seen()
            chosen = [i for i in map(int, np.flatnonzero(copies.going)) if time in kept[place.start + i]]
            if player.model is not None or player.together > 1:
                with player.recorded(player.taps) as found:
                    value = player.value(seen) if player.has_value else None
                    player.act(seen)
            else:
                found, value = {}, None
            for i in chosen:
                env, info = copies.envs[i], copies.infos[i]
                row: dict[str, Any] = {}
                for name, fact in task.facts.items():
                    row |= columns_of(name, task.ask("facts", name, fact, env, info))
                rows.append(row)
                distances.append([task.distance(env, info, goal) for goal in task.goals])
                groups.append(place.start + i)
                observations.append(flat(copies.observations[i]))
                values.append(np.nan if value is None else float(value[i]))
            for tap in activations:
                if tap in found and chosen:
                    activations[tap].append(found[tap][chosen])
            copies.step(list(walker.act(copies.seen())))
            if not copies.going.any():
                break
    away = torch.tensor(distances, dtype=torch.int64).reshape(len(groups), len(task.goals))
    return WalkedStates(
        typed(pd.DataFrame(rows)),
        np.array(groups, dtype=np.int64),
        {goal: away[:, g] for g, goal in enumerate(task.goals) if goal in task.distances},
        np.stack(observations),
        {tap: torch.cat(parts) for tap, parts in activations.items() if parts},
        torch.tensor(values, dtype=torch.float64) if player.has_value else None,
    )


def _lengths(task: Task, design: str, seeds: range, seed: int) -> list[int]:
    """States on the random walk through each level, its first one included; walked once for all players."""
    key = (design, len(seeds), seed)
    if key not in task.walks:
        walker = RandomPlayer(task.action_space)
        lengths = np.ones(len(seeds), dtype=np.int64)
        for place, copies in batches(task, design, seeds, walker, noise=seed, size=SIZE):
            for _ in range(WALK - 1):
                copies.step(list(walker.act(copies.seen())))
                lengths[place] += copies.going
                if not copies.going.any():
                    break
        task.walks[key] = lengths.tolist()
    return task.walks[key]


def typed(table: pd.DataFrame) -> pd.DataFrame:
    """Facts with their types: texts are classes, zeros and ones truth values, other numbers numbers."""
    for name in table:
        column = table[name]
        if column.dtype.kind == "f" and bool(column.isin((0.0, 1.0)).all()):
            table[name] = column.astype(bool)
        elif column.dtype.kind not in "bf":
            table[name] = column.astype(str).astype("category")
    return table


def flat(observation: Any) -> NDArray[np.float32]:
    """An observation as one row of numbers."""
    if isinstance(observation, dict):
        return np.concatenate([flat(observation[name]) for name in sorted(observation)])
    if isinstance(observation, tuple):
        return np.concatenate([flat(part) for part in observation])
    array = np.asarray(observation)
    return array.astype(np.float32).ravel() if array.dtype.kind in "biuf" else np.zeros(1, dtype=np.float32)


def columns_for(table: pd.DataFrame, names: list[str]) -> Tensor:
    """Facts as concept columns ``[m, k]`` float64: classes one-hot, numbers as they are."""
    parts = []
    for name in names:
        column = table[name]
        if column.dtype.kind == "f":
            values = column.to_numpy(dtype=np.float64)
            if not np.isfinite(values).all():
                raise NotMeasurableError(f"{name} has no value in some states, so it cannot be erased from all of them")
            parts.append(torch.tensor(values)[:, None])
        else:
            codes = torch.tensor(pd.factorize(column)[0])
            parts.append(torch.nn.functional.one_hot(codes).double())
    return torch.cat(parts, dim=1)
