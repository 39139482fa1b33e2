"""Benchmark of interactive worlds against MiniGrid's vector environment, in environment steps per second.

Both sides run in this process, on one thread, one round in turn, with random actions drawn beforehand, through
Gymnasium's public ``step`` with dense observations and automatic resets. The peer is ``MiniGrid-Empty-8x8-v0`` under
``gymnasium.make_vec(vectorization_mode="sync")``, the fastest MiniGrid: without objects, and with the image alone (no
mission text). It shows 7 x 7 x 3 numbers, as many as the smallest view of our worlds. Ratios are taken within a round;
their median counts. ``benchmarks/agents.py`` measures how fast agents learn in these worlds.
"""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from typing import Any

import gymnasium
import minigrid  # noqa: F401 (registers its ids)
import numpy as np
import torch
from minigrid.wrappers import ImgObsWrapper

from benchmarks.measure import Row, Time, arguments, at_least, show, timed
from imprint.models.environments.base import ENVIRONMENTS
from imprint.models.wrappers.single import make_many

COPIES = 1024
PEER = "MiniGrid-Empty-8x8-v0"
WORLDS = tuple(name for name in ("coin", "keys", "meadow") if name in ENVIRONMENTS.names())
"""Our grid worlds; of the others, one wraps MiniGrid and one (chain) is no grid."""


def walker(world: Any, steps: int, read: Callable[[Any], Any] | None = None) -> Callable[[], None]:
    """A function that takes ``steps`` random steps of all copies and calls ``read`` with every ``info``."""
    rng = np.random.default_rng(0)
    actions = rng.integers(world.single_action_space.n, size=(steps, world.num_envs))
    world.reset(seed=0)

    def walk() -> None:
        for action in actions:
            info = world.step(action)[-1]
            if read is not None:
                read(info)

    return walk


def rates(times: list[Time], steps: int) -> Time:
    """Environment steps per CPU second and per wall second, in the fastest round."""
    return Time(*(COPIES * steps / min(getattr(t, clock) for t in times) for clock in ("cpu", "wall")))


def against_minigrid(quick: bool) -> list[Row]:
    """Steps per second of each of our grid worlds, and of MiniGrid's vector environment in the same rounds."""
    rounds, long, short = (2, 20, 1) if quick else (7, 400, 6)
    peer = gymnasium.make_vec(PEER, num_envs=COPIES, vectorization_mode="sync", wrappers=[ImgObsWrapper])
    worlds = {str(name): make_many(kind=name, num_envs=COPIES) for name in WORLDS}
    walks = {name: (walker(world, long), long) for name, world in worlds.items()}
    read_facts = walker(make_many(kind="coin", num_envs=COPIES), short, lambda info: len(info["concepts"]))
    walks["coin, every fact of every step read"] = (read_facts, short)
    walks[PEER] = (walker(peer, short), short)
    times: dict[str, list[Time]] = {name: [] for name in walks}
    for walk, _ in walks.values():
        walk()  # warm up
    for _ in range(rounds):
        for name, (walk, _) in walks.items():
            times[name].append(timed(walk)[1])
    theirs = rates(times[PEER], short)
    shape = " x ".join(map(str, peer.single_observation_space.shape or ()))
    rows = [Row(PEER, theirs.cpu, "steps/CPU-s", note=f"{COPIES:,} copies, view {shape}; {theirs.wall:,.0f} steps/s")]
    for name, (_, steps) in walks.items():
        if name == PEER:
            continue
        ours = rates(times[name], steps)
        view = f", view {' x '.join(map(str, worlds[name].view.shape))}" if name in worlds else ""
        rows.append(Row(name, ours.cpu, "steps/CPU-s", note=f"{COPIES:,} copies{view}; {ours.wall:,.0f} steps/s"))
        for clock in ("cpu", "wall") if name in worlds else ():
            pairs = zip(times[name], times[PEER], strict=True)
            ratio = median(getattr(b, clock) / short / (getattr(a, clock) / steps) for a, b in pairs)
            rows.append(at_least(100, f"{name}: ratio in {clock} time", ratio, "x"))
    return rows


def main() -> None:
    """Run the comparison and print the ratios."""
    options = arguments(__doc__.splitlines()[0])
    torch.set_num_threads(1)
    show("interactive worlds", against_minigrid(options.quick), as_json=options.json)


if __name__ == "__main__":
    main()
