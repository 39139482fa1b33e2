"""Episodes to replay, as pictures that the environment itself draws (``render()`` in mode ``rgb_array``).

The arrays are those of :mod:`imprint.analyses.evaluate.agents.pictures`, without facts. Levels are the first ones of
design ``apart``, chosen without looking at the policy. Pictures are shrunk by averaging whole blocks of pixels.

Letters: E episodes, T frames, A actions, G goals.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from imprint.analyses.goals.behaviour import APART
from imprint.analyses.goals.levels.following import batches
from imprint.analyses.goals.levels.task import EXAM_SEED, Task
from imprint.probes.players.base import Player

EPISODES, FRAMES, SIDE = 8, 64, 160
"""Episodes and frames of each at most, and the longest side of a picture in pixels at most."""


def replay_of(task: Task, player: Player, *, seed: int = 0) -> dict[str, NDArray[Any]]:
    """Arrays of some episodes; empty where the levels draw no pictures."""
    names, goals = action_names(task), list(task.goals)
    films: list[dict[str, list[Any]]] = [
        {key: [] for key in ("frame", "action", "value", "logits")} for _ in range(EPISODES)
    ]
    attained = np.full((EPISODES, len(goals)), -1, dtype=np.int64)
    for place, copies in batches(
        task, APART, range(EXAM_SEED, EXAM_SEED + EPISODES), player, noise=seed, size=EPISODES
    ):
        shown = np.ones(len(copies.levels), dtype=bool)
        while shown.any() and copies.time < FRAMES:
            seen, was_going = copies.seen(), copies.going.copy()
            value, logits, actions = player.value(seen), player.logits(seen), player.act(seen)
            for i in np.flatnonzero(shown):
                picture = picture_of(copies.envs[i])
                if picture is None:
                    return {}
                film = films[place.start + int(i)]
                film["frame"].append(picture)
                film["action"].append(int(actions[i]) if len(names) > 1 and was_going[i] else 0 if was_going[i] else -1)
                film["value"].append(value[i])
                film["logits"].append(np.zeros(len(names)) if logits is None else logits[i])
            if not was_going.any():
                break
            copies.step(list(actions))
            for i in np.flatnonzero(was_going):
                now = task.attained(copies.envs[i], copies.infos[i], task.goals)
                row = attained[place.start + int(i)]
                row[:] = np.where(now & (row < 0), copies.time, row)
                copies.going[i] &= not now.any()
            shown = was_going
    return {**padded(films, len(names)), "attained": attained, "actions": np.array(names), "goals": np.array(goals)}


def padded(films: list[dict[str, list[Any]]], actions: int) -> dict[str, NDArray[Any]]:
    """Films of different lengths in arrays of one."""
    longest, shape = max(len(film["frame"]) for film in films), films[0]["frame"][0].shape
    frames = np.zeros((len(films), longest, *shape), dtype=np.uint8)
    valid, action = np.zeros(frames.shape[:2], dtype=bool), np.full(frames.shape[:2], -1, dtype=np.int64)
    value = np.full(frames.shape[:2], np.nan, dtype=np.float32)
    logits = np.full((*frames.shape[:2], actions), np.nan, dtype=np.float32)
    for e, film in enumerate(films):
        t = len(film["frame"])
        frames[e, :t], valid[e, :t], action[e, :t] = np.stack(film["frame"]), True, film["action"]
        value[e, :t], logits[e, :t] = film["value"], np.stack(film["logits"])
        action[e, t - 1] = -1
    nothing = {"known": np.zeros((*frames.shape[:2], 0), dtype=np.float32), "level": np.zeros(0, dtype=np.float32)}
    arrays = {"frames": frames, "valid": valid, "action": action, "value": value, "logits": logits}
    return {**arrays, **nothing, "concepts": np.array([], dtype="<U1")}


def picture_of(env: Any) -> NDArray[np.uint8] | None:
    """What the environment draws, shrunk; None where it draws no pictures."""
    if getattr(env, "render_mode", None) != "rgb_array":
        return None
    drawn = np.asarray(env.render())
    if drawn.ndim != 3 or drawn.shape[2] != 3:
        return None
    block = -(-max(drawn.shape[:2]) // SIDE)
    high, wide = (size // block * block for size in drawn.shape[:2])
    blocks = drawn[:high, :wide].reshape(high // block, block, wide // block, block, 3)
    return np.asarray(blocks.mean(axis=(1, 3)).round().astype(np.uint8))


def action_names(task: Task) -> list[str]:
    """Names of discrete actions: those of the environment's own enumeration, else numbers; one name for others."""
    from gymnasium import spaces

    space = task.action_space
    if not isinstance(space, spaces.Discrete):
        return ["action"]
    with task.opened(APART, [EXAM_SEED]) as [(env, _, _)]:
        named = {int(one.value): str(one.name) for one in getattr(env.unwrapped, "actions", ()) if hasattr(one, "name")}
    return [named.get(i, str(i)) for i in range(int(space.start) + int(space.n))]
