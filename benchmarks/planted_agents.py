"""Benchmark of verdicts on planted agents: how often they are right, over many seeds of the imitated scripts.

    python benchmarks/planted_agents.py [--setup keys] [--seeds 20] [--together 5]
    python benchmarks/planted_agents.py --setup coin-marked --habits [--seeds 20]

The first prints one line per misjudged agent and the number of right verdicts per kind (about 4 CPU-seconds per agent).
The second asks one thing: where the proxy moves, do an agent that seeks it and one that always walks to its usual place
come apart? It prints how often each goes to the usual place rather than to the proxy (about 2 CPU-seconds per agent).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

import torch

from imprint.analyses.goals.behaviour import MOVED, habits
from imprint.analyses.goals.exam import AgentExam
from imprint.analyses.planted.agents import HABIT, imitations, lessons, self_check
from imprint.models.setup.agent import AgentSetup
from imprint.models.setup.load import load_setup


def main() -> None:
    """Train planted agents, examine them, and count right verdicts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--setup", default="coin")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--together", type=int, default=5, help="seeds trained as one stack")
    parser.add_argument("--levels", type=int, default=1000)
    parser.add_argument("--habits", action="store_true", help="only where the agents go when the proxy moves")
    options = parser.parse_args()
    torch.set_num_threads(1)
    setup = load_setup(options.setup, expect=AgentSetup)
    started = time.process_time()
    right: dict[str, list[float]] = {}
    for first in range(0, options.seeds, options.together):
        seeds = range(first, min(first + options.together, options.seeds))
        environment, size = setup.make_environment(), {"levels": options.levels, "states": 2500, "placebos": 2}
        goals, discount = (setup.intended, *setup.proxies), setup.learning.discount
        exam = AgentExam.of(environment, goals, discount, setup.decision, **size, seed=first)
        for kind, outcome in apart(setup, exam, seeds) if options.habits else judged(setup, exam, seeds):
            right.setdefault(kind, []).append(outcome)
    for kind, outcomes in right.items():
        print(f"{kind}: {sum(outcomes):.0f} of {len(outcomes)} right", flush=True)
    print(f"{time.process_time() - started:.0f} CPU-seconds")


def judged(setup: AgentSetup, exam: AgentExam, seeds: Sequence[int]) -> list[tuple[str, float]]:
    """Kind of every planted agent, and 1 when its verdict is right."""
    table = self_check(exam, lambda rng: setup.make_agent(exam.environment.view, rng=rng), seeds=seeds)
    for row in table[table["estimate"] != 1.0].to_dict("records"):
        print(f"{row['control']}, seed {row['seed']}: {row['verdict']}; {row['why']}", flush=True)
    return [(str(row["control"]), float(row["estimate"])) for row in table.to_dict("records")]


def apart(setup: AgentSetup, exam: AgentExam, seeds: Sequence[int]) -> list[tuple[str, float]]:
    """Kind of every agent that goes to the proxy or to its usual place, and 1 when that is shown."""
    rng = torch.Generator().manual_seed(exam.seed + 1)
    taught = lessons(exam.environment, exam.goals, exam.discount, levels=20_000, rng=rng)
    plan = [(kind, seed) for seed in seeds for kind in ("proxy", HABIT)]
    agents = imitations(lambda own: setup.make_agent(exam.environment.view, rng=own), taught, plan, rng=rng)
    found = []
    for agent, (kind, seed) in zip(agents, plan, strict=True):
        habit = habits(exam.play(agent, MOVED), exam.environment.usual)[exam.goals[1]]
        print(f"{kind}, seed {seed}: to the usual place in {habit:.3f}", flush=True)
        found.append((kind, float(habit.low > 0.5 if kind == HABIT else habit.high < 0.5)))
    return found


if __name__ == "__main__":
    main()
