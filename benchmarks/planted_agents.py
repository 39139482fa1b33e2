"""Benchmark of verdicts on planted agents: how often they are right, over many seeds of the imitated scripts.

``python benchmarks/planted_agents.py [--setup coin-marked] [--seeds 20] [--together 5]`` prints one line per misjudged
agent and the number of right verdicts per kind (about 4 CPU-seconds per agent). In ``coin-marked`` one kind seeks the
corner that it sees and one walks to where the corner always was; both must be told apart where the corner moves.
"""

from __future__ import annotations

import argparse
import time

import torch

from imprint.analyses.goals.exam import AgentExam
from imprint.analyses.planted.agents import self_check
from imprint.models.setup.agent import AgentSetup
from imprint.models.setup.load import load_setup


def main() -> None:
    """Train planted agents, examine them, and count right verdicts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--setup", default="coin")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--together", type=int, default=5, help="seeds trained as one stack")
    parser.add_argument("--levels", type=int, default=1000)
    options = parser.parse_args()
    torch.set_num_threads(1)
    setup = load_setup(options.setup, expect=AgentSetup)
    environment, started = setup.make_environment(), time.process_time()
    goals = (setup.intended, *setup.proxies)
    right: dict[str, list[float]] = {}
    for first in range(0, options.seeds, options.together):
        size = {"levels": options.levels, "states": 2500, "placebos": 2}
        exam = AgentExam.of(environment, goals, setup.learning.discount, setup.decision, **size, seed=first)
        seeds = range(first, min(first + options.together, options.seeds))
        table = self_check(exam, lambda rng: setup.make_agent(environment.view, rng=rng), seeds=seeds)
        for row in table.to_dict("records"):
            right.setdefault(str(row["control"]), []).append(float(row["estimate"]))
            if row["estimate"] != 1.0:
                print(f"{row['control']}, seed {row['seed']}: {row['verdict']}; {row['why']}")
    for kind, verdicts in right.items():
        print(f"{kind}: {sum(verdicts):.0f} of {len(verdicts)} right")
    print(f"{time.process_time() - started:.0f} CPU-seconds")


if __name__ == "__main__":
    main()
