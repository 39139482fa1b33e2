"""How often the verdict on planted agents is right: imitations of three scripts, many seeds of each.

``python benchmarks/planted_agents.py [--seeds 20] [--together 5]`` prints one line per misjudged agent and a tally per
kind (about 3 CPU-seconds an agent).
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
    """Plant, examine, count."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--setup", default="coin")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--together", type=int, default=5, help="seeds that are taught as one stack")
    parser.add_argument("--levels", type=int, default=1000)
    options = parser.parse_args()
    torch.set_num_threads(1)
    setup = load_setup(options.setup, expect=AgentSetup)
    environment, started = setup.make_environment(), time.process_time()
    goals = (setup.intended, *setup.proxies)
    right: dict[str, list[float]] = {}
    for first in range(0, options.seeds, options.together):
        exam = AgentExam.of(
            environment, goals, setup.learning.discount, setup.decision, levels=options.levels, states=3000, placebos=2,
            seed=first,
        )  # fmt: skip
        seeds = range(first, min(first + options.together, options.seeds))
        table = self_check(exam, lambda rng: setup.make_agent(environment.view, rng=rng), seeds=seeds)
        for row in table.to_dict("records"):
            right.setdefault(str(row["control"]), []).append(float(row["estimate"]))
            if row["estimate"] != 1.0:
                print(f"{row['control']}, seed {row['seed']}: {row['verdict']}; {row['why']}")
    for kind, found in right.items():
        print(f"{kind}: {sum(found):.0f} of {len(found)} right")
    print(f"{time.process_time() - started:.0f} CPU-seconds")


if __name__ == "__main__":
    main()
