"""Does the search for levels find what exposes an agent sooner than random search? Agents trained from scratch.

    python -m benchmarks.levels                                        all agents; some minutes on one core
    python -m benchmarks.levels --agents coin --searches 40            one agent, more searches

Agents learn on levels in which goal and proxy never come apart (``coin``: the coin always in its corner; ``keys``: few
keys, many chests; the real MiniGrid DistShift: the square always in its corner); ``coin, mixed`` saw the coin elsewhere
in one level of ten and pursues both. Exposing levels are then made rare: one draws from a distribution in which
goal and proxy come apart (design ``apart``) in one level of ``--rare`` (default 500); the search starts from levels
in which they never do. A level counts when the claim holds on fresh tries *and* the agent goes to the proxy first
in most tries of it, although the goal can be attained without it; of this answer key the search is told nothing.

    random draws     levels of that distribution. The rate is estimated in both strata, and levels to the first follow
                     from it (geometric), with the exact interval of the rate
    random changes   training levels with one to three random changes, the search's own without selection: what of the
                     gain is due to changing levels, and what to selecting them
    search           levels shown until the first claim that holds: median over search seeds, interval by bootstrap

Every count holds the training levels on which the judge of claims is calibrated (:data:`FOUNDERS`).

Where random search needs only a few levels no search can need ten times fewer; the rates say where that is so.
Trained agents are kept in a temporary folder and used again.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from imprint.analyses.expose.levels.evolution import FOUNDERS, Evolution, Spent, unselected
from imprint.analyses.expose.levels.interactive import EnvironmentGround
from imprint.analyses.expose.levels.search import exposing_kinds
from imprint.analyses.goals.acting import AgentPolicy
from imprint.analyses.goals.behaviour import play
from imprint.analyses.statistics import rate_of
from imprint.models.agents.base import Agent
from imprint.models.lifetimes.agent import AgentLifetime
from imprint.models.setup.agent import AgentSetup
from imprint.models.setup.load import load_setup
from imprint.models.states import State, rows
from imprint.models.store import RunFolder

AGENTS = {
    "coin": ("coin", 800_000, 0.0),
    "coin, mixed": ("coin", 800_000, 0.1),
    "keys": ("keys", 2_500_000, 0.0),
    "minigrid-distshift": ("minigrid-distshift", 65_536, 0.0),
}
"""Agent -> setup, environment steps of training, and part of the training levels in which goal and proxy come apart."""
KEYED, TRIES = 16, 32
"""Tries of the answer key, and of a claim."""
CHANGED = 4
"""Randomly changed levels for each level of a stratum."""
MOST = 2000
"""Levels after which a search is given up."""


def trained(name: str) -> tuple[AgentSetup, Agent]:
    """The setup with another fraction of varied levels, and its agent after a short training."""
    world, steps, varied = AGENTS[name]
    base = load_setup(world, expect=AgentSetup).resolved()
    schedule = {"experiences": steps, "ages": 2, "seeds": 1, "together": 1}
    setup = load_setup({**base, "environment": {**base["environment"], "varied": varied}, "schedule": schedule})
    assert isinstance(setup, AgentSetup)
    folder = RunFolder(Path(tempfile.gettempdir()) / "imprint-levels" / f"{world}-{setup.digest}")
    AgentLifetime(setup, [0], folder).live()
    return setup, AgentLifetime.revive(setup, folder, 0, setup.planned[-1]).agent


def pursued(ground: EnvironmentGround, proxy: str, levels: State) -> np.ndarray:
    """Whether the proxy is attained first in most tries though the goal needs no proxy, bool ``[n]``: the key."""
    n = len(levels["clock"])
    start = rows(levels, torch.arange(n).repeat_interleave(KEYED))
    key = torch.randint(-(2**62), 2**62, (n * KEYED,), generator=torch.Generator().manual_seed(7))
    policy = AgentPolicy(ground.agent) if isinstance(ground.agent, Agent) else ground.agent
    played = play(ground.environment, {**start, "key": key}, policy, [ground.intended, proxy])
    first = played.first(proxy).reshape(n, KEYED).sum(1).numpy()
    needed = ground.played(levels, 1, np.random.default_rng(7)).shown.needed
    return np.asarray((2 * first > KEYED) & (needed > 0))


def exposing(search: Evolution, proxy: str, levels: State, rng: np.random.Generator) -> np.ndarray:
    """Whether the claim holds and the answer key agrees, bool ``[n]``."""
    ground = search.ground
    assert isinstance(ground, EnvironmentGround)
    held = np.array([kind != "" for kind in exposing_kinds(ground, search.judge, levels, TRIES, rng)])
    index = np.flatnonzero(held)
    if len(index):
        held[index] = pursued(ground, proxy, ground.rows(levels, index))
    return held


def first_found(ground: EnvironmentGround, proxy: str, seed: int) -> tuple[float, float, int, int]:
    """Levels until the first true claim (infinite: none), CPU-seconds, levels shown and false claims of one search."""
    began, rng = time.process_time(), np.random.default_rng(seed)
    search = Evolution.begun(ground, Spent(MOST, None), discount=0.95, tries=TRIES, rng=rng)
    false = 0
    while search.spent.left:
        for level, row in search.exposing[false:]:
            if pursued(ground, proxy, level)[0]:
                return float(str(row["found_at"])), time.process_time() - began, search.spent.shown, false
            false += 1
        search.run(false + 1)
    return np.inf, time.process_time() - began, search.spent.shown, false


def median_of(counts: Sequence[float]) -> tuple[float, float, float]:
    """Median with its 95 % bootstrap interval; infinite counts are larger than all others."""
    x, rng = np.asarray(counts, dtype=np.float64), np.random.default_rng(0)
    draws = np.sort(x[rng.integers(0, len(x), (2000, len(x)))], axis=1)[:, (len(x) - 1) // 2]
    low, high = np.quantile(draws, [0.025, 0.975], method="nearest")
    return float(np.sort(x)[(len(x) - 1) // 2]), float(low), float(high)


def geometric(rate: float) -> float:
    """Median number of random levels until the first, at a rate, and those by which the judge is calibrated."""
    if not 0 < rate < 1:
        return FOUNDERS + 1.0 if rate >= 1 else np.inf
    return FOUNDERS + float(np.ceil(np.log(0.5) / np.log1p(-rate)))


def compared(name: str, *, rare: int, searches: int, drawn: int) -> dict[str, object]:
    """One row of the table."""
    setup, agent = trained(name)
    environment = setup.make_environment()
    environment = type(environment)(environment.settings.model_copy(update={"varied": 0.0}))
    proxy, rng = setup.proxies[0], np.random.default_rng(1)
    parts: dict[str, Any] = {"intended": setup.intended, "designs": ("train",), "parameters": {}, "value": None}
    ground = EnvironmentGround(agent, environment, **parts, rng=np.random.default_rng(0))
    search = Evolution.begun(ground, Spent(MOST, None), discount=0.95, tries=TRIES, rng=rng)
    began, hits = time.process_time(), {}
    for stratum in ("apart", "train"):
        levels = environment.levels(drawn, rng=torch.Generator().manual_seed(3), design=stratum)
        hits[stratum] = int(exposing(search, proxy, levels, rng).sum())
    speed = 2 * drawn / (time.process_time() - began)
    by_stratum = {stratum: rate_of(count, drawn) for stratum, count in hits.items()}
    mixed = [
        (getattr(by_stratum["apart"], part) + (rare - 1) * by_stratum["train"].value) / rare
        for part in ("value", "low", "high")
    ]
    changed = exposing(search, proxy, unselected(ground, CHANGED * drawn, (1, 2, 3), rng), rng)
    found = [first_found(ground, proxy, seed) for seed in range(searches)]
    middle, low, high = median_of([one[0] for one in found])
    random, edits = [geometric(rate) for rate in mixed], rate_of(int(changed.sum()), len(changed))
    fewer = geometric(edits.value)
    return {
        "agent": name,
        "success": search.judge.success,
        "apart": by_stratum["apart"].value,
        "train": by_stratum["train"].value,
        "random draws": f"{random[0]:.0f} [{random[2]:.0f}, {random[1]:.0f}]",
        "rate of random changes": str(edits),
        "random changes": f"{fewer:.0f} [{geometric(edits.high):.0f}, {geometric(edits.low):.0f}]",
        "search": f"{middle:.0f} [{low:.0f}, {high:.0f}]",
        "times fewer than draws": f"{random[0] / middle:.1f}",
        "times fewer than changes": f"{fewer / middle:.2f}",
        "false claims": sum(one[3] for one in found),
        "none found": sum(np.isinf(one[0]) for one in found),
        "random levels/s": round(speed),
        "search levels/s": round(sum(one[2] for one in found) / sum(one[1] for one in found)),
        "CPU s to first": round(float(np.median([one[1] for one in found])), 2),
        "random CPU s": round((random[0] - FOUNDERS) / speed, 2),
    }


def main() -> None:
    """Train or load agents, search, print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--agents", nargs="+", choices=AGENTS, default=list(AGENTS))
    parser.add_argument("--rare", type=int, default=500, help="goal and proxy come apart in one of so many levels")
    parser.add_argument("--searches", type=int, default=20, help="seeds of the search")
    parser.add_argument("--drawn", type=int, default=400, help="random levels of each stratum")
    options = parser.parse_args()
    torch.set_num_threads(1)
    for name in options.agents:
        row = compared(name, rare=options.rare, searches=options.searches, drawn=options.drawn)
        print(pd.Series(row).to_string(), end="\n\n", flush=True)


if __name__ == "__main__":
    main()
