"""Peers of ``benchmarks/worlds.py``: random walks in MiniGrid's empty room, by xminigrid (JAX) and by EnvPool (C++).

    python worlds_peer.py COPIES

It is run by an interpreter in which ``xminigrid`` and ``envpool`` are installed, on one core, and needs nothing of this
project. Every line ``NAME STEPS`` that it reads is a walk; it answers with a line of its CPU seconds and wall seconds.
An answer stands for ``COPIES * STEPS`` steps with random actions, automatic resets and the drawing of the actions (less
than a hundredth of the time) included. Names:

    xminigrid             one compiled call a step, whose observations, rewards and ends come back as NumPy arrays
    xminigrid, compiled   one compiled call for the whole walk, from which only the last observations come back
    EnvPool               its Gymnasium interface
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import Any

ROOM = "MiniGrid-Empty-8x8"
Walk = Callable[[int], object]


def xminigrid_walks(copies: int) -> dict[str, Walk]:
    """The two ways to walk with xminigrid."""
    import jax
    import jax.numpy as jnp
    import numpy as np
    import xminigrid
    from xminigrid.wrappers import GymAutoResetWrapper

    env, parameters = xminigrid.make(ROOM)
    env = GymAutoResetWrapper(env)
    many = jax.vmap(env.step, in_axes=(None, 0, 0))
    one = jax.jit(many)
    start = jax.jit(jax.vmap(env.reset, in_axes=(None, 0)))(parameters, jax.random.split(jax.random.key(0), copies))
    rng = np.random.default_rng(0)

    def actions(steps: int) -> Any:
        return rng.integers(env.num_actions(parameters), size=(steps, copies), dtype=np.int32)

    def by_calls(steps: int) -> object:
        at = start
        for action in actions(steps):
            at = one(parameters, at, action)
            seen = tuple(np.asarray(part) for part in (at.observation, at.reward, at.step_type))
        return seen

    def walked(at: Any, chosen: Any) -> Any:
        return jax.lax.scan(lambda now, action: (many(parameters, now, action), now.reward.sum()), at, chosen)

    scanned = jax.jit(walked)

    def compiled(steps: int) -> object:
        return jax.block_until_ready(scanned(start, jnp.asarray(actions(steps))))

    return {"xminigrid": by_calls, "xminigrid, compiled": compiled}


def envpool_walks(copies: int) -> dict[str, Walk]:
    """The walk with EnvPool."""
    import envpool
    import numpy as np

    env = envpool.make(f"{ROOM}-v0", env_type="gymnasium", num_envs=copies, num_threads=1)
    rng = np.random.default_rng(0)
    env.reset()

    def walk(steps: int) -> object:
        for action in rng.integers(env.action_space.n, size=(steps, copies), dtype=np.int32):
            seen = env.step(action)
        return seen

    return {"EnvPool": walk}


def main() -> None:
    """Answer walks until there are no more lines."""
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    copies = int(sys.argv[1])
    walks = xminigrid_walks(copies) | envpool_walks(copies)
    print(" | ".join(walks), flush=True)
    for line in sys.stdin:
        name, _, steps = line.strip().rpartition(" ")
        cpu, wall = time.process_time(), time.perf_counter()
        walks[name](int(steps))
        print(time.process_time() - cpu, time.perf_counter() - wall, flush=True)


if __name__ == "__main__":
    main()
