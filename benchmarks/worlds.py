"""Benchmark of interactive worlds against MiniGrid's vector environment, in environment steps per second.

Both sides run in this process, on one thread, one round in turn, with random actions drawn beforehand, through
Gymnasium's public ``step`` with dense observations and automatic resets. The peer is ``MiniGrid-Empty-8x8-v0`` under
``gymnasium.make_vec(vectorization_mode="sync")``, the fastest MiniGrid: without objects, and with the image alone (no
mission text). It shows 7 x 7 x 3 numbers, as many as the smallest view of our worlds. Ratios are taken within a round;
their median counts. ``benchmarks/agents.py`` measures how fast agents learn in these worlds.

A comparison of libraries in one and the same game needs ``--peer PYTHON``, an interpreter with xminigrid and EnvPool
(``pip install xminigrid envpool``, an environment of its own). The game is that room: ours is
:class:`~benchmarks.empty_room.EmptyRoom`, which must first show, pay and end as MiniGrid does in
:data:`CHECKED` steps of :data:`ALIKE` copies; theirs walk in a process of their own
(``benchmarks/worlds_peer.py``), in the same rounds. xminigrid counts in the faster of two ways: a compiled call a step,
and a compiled call for the whole walk, which no learner outside of JAX can use.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import IO, Any, cast

import gymnasium
import minigrid  # noqa: F401 (registers its ids)
import numpy as np
import torch
from gymnasium.vector import AutoresetMode
from minigrid.wrappers import ImgObsWrapper

from benchmarks.empty_room import EmptyRoom
from benchmarks.measure import Row, Time, arguments, at_least, show, timed
from imprint.models.environments.base import ENVIRONMENTS
from imprint.models.wrappers.single import make_many

COPIES = 1024
PEER = "MiniGrid-Empty-8x8-v0"
WORLDS = tuple(name for name in ("coin", "keys", "meadow") if name in ENVIRONMENTS.names())
"""Our grid worlds; of the others, one wraps MiniGrid and one (chain) is no grid."""
CHECKED, ALIKE = 600, 8
OBJECTS = (2, 8, 1)
"""MiniGrid's numbers of wall, goal and floor."""
WANTED = {"xminigrid": 1, "EnvPool": 7}
"""Library -> how many times its rate ours should be."""


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


def require_the_same_game() -> None:
    """Raises :class:`AssertionError` unless the port shows, pays and ends as MiniGrid's room does."""
    same = {"autoreset_mode": AutoresetMode.SAME_STEP}
    theirs = gymnasium.make_vec(PEER, num_envs=ALIKE, wrappers=[ImgObsWrapper], vector_kwargs=same)
    ours, rng = EmptyRoom(copies=ALIKE), np.random.default_rng(0)
    (seen, _), (image, _) = ours.reset(seed=0), theirs.reset(seed=0)
    for action in rng.choice(7, size=(CHECKED, ALIKE), p=[0.15, 0.15, 0.6, *[0.025] * 4]):
        shown = np.stack([image[..., 0] == number for number in OBJECTS], axis=1).swapaxes(2, 3)
        np.testing.assert_array_equal(seen, shown)
        seen, *own, _ = ours.step(action)
        image, *known, _ = theirs.step(action)
        for mine, its in zip(own, known, strict=True):
            np.testing.assert_allclose(mine, its, rtol=1e-6)


def against_libraries(python: str, quick: bool) -> list[Row]:
    """Steps per second of the same room in our port, in xminigrid and in EnvPool, in turns."""
    require_the_same_game()
    rounds, ours, compiled, pool = (2, 20, 20, 4) if quick else (7, 400, 400, 60)
    walk = walker(EmptyRoom(copies=COPIES), ours)
    command = [python, str(Path(__file__).with_name("worlds_peer.py")), str(COPIES)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as peer:
        to, back = cast("IO[str]", peer.stdin), cast("IO[str]", peer.stdout)
        names = back.readline().strip().split(" | ")

        def asked(name: str, steps: int) -> Time:
            print(name, steps, file=to, flush=True)
            return Time(*map(float, back.readline().split()))

        steps = {name: pool if name == "EnvPool" else compiled for name in names}
        times: dict[str, list[Time]] = {name: [] for name in ("ours", *names)}
        for n in range(rounds + 1):  # the first warms up and compiles
            for name in times:
                time = timed(walk)[1] if name == "ours" else asked(name, steps[name])
                if n:
                    times[name].append(time)
        to.close()
    found = {name: rates(each, ours if name == "ours" else steps[name]) for name, each in times.items()}
    rows = [Row(name, rate.cpu, "steps/CPU-s", note=f"{rate.wall:,.0f} steps/s") for name, rate in found.items()]
    for library, wanted in WANTED.items():
        best = max((name for name in names if name.startswith(library)), key=lambda name: found[name].cpu)
        for clock in ("cpu", "wall"):
            pairs = zip(times["ours"], times[best], strict=True)
            ratio = median(getattr(b, clock) / steps[best] / (getattr(a, clock) / ours) for a, b in pairs)
            rows.append(at_least(wanted, f"ours beside {best}: ratio in {clock} time", ratio, "x"))
    return rows


def main() -> None:
    """Run the comparisons and print the ratios."""
    options = arguments(__doc__.splitlines()[0], peers="xminigrid and envpool")
    torch.set_num_threads(1)
    show("interactive worlds", against_minigrid(options.quick), as_json=options.json)
    if options.peer:
        title = f"the same room in every library, {COPIES:,} copies"
        show(title, against_libraries(options.peer, options.quick), as_json=options.json)
    elif not options.json:
        print("xminigrid and EnvPool: not asked; name an interpreter that has them with --peer.")


if __name__ == "__main__":
    main()
