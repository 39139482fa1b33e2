"""Interactive worlds side by side with MiniGrid's own vector environment: environment steps per second.

Both sides run in this process, on one thread, in turns of one round each, with random actions drawn beforehand, through
Gymnasium's public ``step`` with dense observations and automatic resets. The peer is ``MiniGrid-Empty-8x8-v0`` under
``gymnasium.make_vec(vectorization_mode="sync")``, the kindest MiniGrid there is: no objects, and with its image alone
(no mission text). It shows 7 x 7 x 3 numbers, as many as our worlds' smallest view. Ratios are of the same round; the
median round counts. How fast agents learn in these worlds is measured in ``benchmarks/agents.py``.
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

from benchmarks.measure import Row, Time, arguments, show, timed
from imprint.models.environments.base import ENVIRONMENTS
from imprint.models.wrappers.single import make_many

COPIES = 1024
PEER = "MiniGrid-Empty-8x8-v0"
WORLDS = tuple(name for name in ("coin", "keys", "meadow") if name in ENVIRONMENTS.names())
"""Our grid worlds; the others are wrapped (minigrid) or have no cells to walk on (chain)."""


def walker(world: Any, steps: int, look: Callable[[Any], Any] | None = None) -> Callable[[], None]:
    """A function that takes ``steps`` random steps of all copies; ``look`` is shown every ``info``."""
    rng = np.random.default_rng(0)
    actions = rng.integers(world.single_action_space.n, size=(steps, world.num_envs))
    world.reset(seed=0)

    def go() -> None:
        for action in actions:
            info = world.step(action)[-1]
            if look is not None:
                look(info)

    return go


def rates(times: list[Time], steps: int) -> Time:
    """Environment steps per CPU second and per second on the clock, best of some rounds."""
    return Time(*(COPIES * steps / min(getattr(t, clock) for t in times) for clock in ("cpu", "wall")))


def against_minigrid(quick: bool) -> list[Row]:
    """Steps per second of every grid world of ours, and of MiniGrid's own vector environment in the same rounds."""
    rounds, long, short = (2, 20, 1) if quick else (7, 400, 6)
    peer = gymnasium.make_vec(PEER, num_envs=COPIES, vectorization_mode="sync", wrappers=[ImgObsWrapper])
    worlds = {name: make_many(kind=name, num_envs=COPIES) for name in WORLDS}
    going = {name: (walker(world, long), long) for name, world in worlds.items()}
    looked = make_many(kind="coin", num_envs=COPIES)
    going["coin, every fact of every step read"] = (walker(looked, short, lambda info: len(info["concepts"])), short)
    going[PEER] = (walker(peer, short), short)
    times: dict[str, list[Time]] = {name: [] for name in going}
    for function, _ in going.values():
        function()  # warm up
    for _ in range(rounds):
        for name, (function, _) in going.items():
            times[name].append(timed(function)[1])
    theirs = rates(times[PEER], short)
    shape = " x ".join(map(str, peer.single_observation_space.shape))
    rows = [Row(PEER, theirs.cpu, "steps/CPU-s", note=f"{COPIES:,} copies, view {shape}; {theirs.wall:,.0f} steps/s")]
    for name, (_, steps) in going.items():
        if name == PEER:
            continue
        ours = rates(times[name], steps)
        view = f", view {' x '.join(map(str, worlds[name].view.shape))}" if name in worlds else ""
        rows.append(Row(name, ours.cpu, "steps/CPU-s", note=f"{COPIES:,} copies{view}; {ours.wall:,.0f} steps/s"))
        for clock in ("cpu", "wall") if name in worlds else ():
            pairs = zip(times[name], times[PEER], strict=True)
            ratio = median(getattr(b, clock) / short / (getattr(a, clock) / steps) for a, b in pairs)
            rows.append(Row(f"{name}: ratio in {clock} time", ratio, "x", "at least 100", ratio >= 100))
    return rows


def main() -> None:
    """Run the comparison and print the ratios."""
    options = arguments(__doc__.splitlines()[0])
    torch.set_num_threads(1)
    show("interactive worlds", against_minigrid(options.quick), as_json=options.json)


if __name__ == "__main__":
    main()
