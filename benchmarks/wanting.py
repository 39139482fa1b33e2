"""Benchmark of what trained agents want: wanting, dominance and words along the part of varied training levels.

    python -m benchmarks.wanting                                    coin at five doses, seeds and lives as shipped
    python -m benchmarks.wanting --setup keys                       one setup as it is
    python -m benchmarks.wanting --seeds 3 --experiences 500000     fewer seeds and shorter lives

Every arm is trained and judged as ``imprint run`` judges it, without pictures, controls and what can be read: about 20
CPU-seconds per seed and million steps of the coin world. An arm passes when a word is said, or the interval of the
intended goal's wanting is narrower than .15. ``untrained`` is the part of the levels in which the most capable
untrained agent reaches a goal.
"""

from __future__ import annotations

import argparse
import time

import torch

from imprint.analyses.goals.exam import exam_of
from imprint.analyses.raising.lives import trained
from imprint.models.lifetimes.agent import AgentLifetime
from imprint.models.setup.agent import AgentSetup
from imprint.models.setup.load import load_setup

NARROW = 0.15
HEADER = "arm", "verdict", "words", "dominance", "wanting", "excess", "untrained", "place put in", "passes"


def main() -> None:
    """Train every arm, judge it over seeds, and print a row of a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--setup", default="coin")
    parser.add_argument("--varied", default=None, help="parts of varied levels, separated by commas")
    parser.add_argument("--seeds", type=int, default=None, help="default: the setup's own")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--experiences", type=int, default=None, help="steps of a lifetime; default: the setup's own")
    parser.add_argument("--levels", type=int, default=2000)
    options = parser.parse_args()
    torch.set_num_threads(1)
    doses = options.varied or ("0,.01,.03,.1,1" if options.setup == "coin" else "")
    print(" | ".join(HEADER), flush=True)
    for dose in doses.split(","):
        asked = {"schedule.experiences": options.experiences, "schedule.seeds": options.seeds}
        changes = {name: value for name, value in asked.items() if value is not None}
        changes |= {"schedule.ages": 2, "evaluation.levels": options.levels}
        changes |= {"environment.varied": float(dose)} if dose else {}
        print(row(load_setup(options.setup, changes=changes, expect=AgentSetup), dose, options.first), flush=True)


def row(setup: AgentSetup, dose: str, first: int) -> str:
    """One arm, trained and judged."""
    started, exam = time.process_time(), exam_of(setup, states=2500)
    seeds = range(first, first + setup.schedule.seeds)
    floor = exam.floor([AgentLifetime.twin(setup, twin) for twin in range(setup.evaluation.twins)])
    tries, followed = [], []
    with trained(setup, seeds, lambda age, total: None) as folder:
        for seed in seeds:
            agent = AgentLifetime.revive(setup, folder, seed, setup.planned[-1]).agent
            examined = exam.examine(agent, floor, designs=())
            tries += [examined.tries] if examined.tries is not None else []
            found = exam.interchanged(agent)[setup.intended]
            if not isinstance(found, str):
                followed.append(float(found.set_index("exchanged")["estimate"]["place"]))
    judged = exam.judge(tries, [floor] * len(tries), index=float("nan"))
    words = ", ".join(f"{name} {part:.2f}" for name, part in judged.probabilities.items())
    graded = [" ".join(f"{goal} {x:.2f}" for goal, x in part.items()) for part in (judged.dominance, judged.wanting)]
    own = judged.wanting[setup.intended]
    passes = "word" if judged.verdict != "undetermined" else "narrow" if own.high - own.low < NARROW else "no"
    place = f"{sum(followed) / len(followed):.2f}" if followed else "not measurable"
    seconds = time.process_time() - started
    untrained = "none" if floor.chance is None else f"{float(floor.chance[:, -1].mean()):.2f}"
    cells = (f"{setup.name} {dose}", judged.verdict, words, *graded, f"{judged.excess:.2f}", untrained, place, passes)
    return " | ".join(cells) + f"   ({seconds:.0f} CPU-seconds)"


if __name__ == "__main__":
    main()
