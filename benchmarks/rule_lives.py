"""Lives per CPU-minute of the learner ``layers`` under every learning rule, several seeds as one batched program.

Every rule lives some steps of the setup ``nursery`` (:data:`STEPS`), with its world, steering, optimiser and assessor,
six seeds in six worlds. Columns:

    lives       whole lives of one seed per CPU-minute, by the setup's own number of experiences
    seconds     CPU-seconds of one learning step of all seeds, median over steps
    work        multiply-adds of such a step beside backpropagation's: the rule's own (:meth:`Rule.multiply_adds`) on
                every moment with a next, and the pass that shows the assessor the latents of every moment, which
                backpropagation has from its own
    cpu         ``seconds`` beside backpropagation's
    slower      cpu / work; at most 5 is wanted

Run ``python -m benchmarks.rule_lives``.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from statistics import median

import pandas as pd
import torch

from imprint.models.learning.ruled import RuledCohort
from imprint.models.lifetimes.learner import LearnerLifetime
from imprint.models.rules.base import RULES, synapses
from imprint.models.setup.load import load_setup
from imprint.models.store import RunFolder

SEEDS, STEPS, BOUND = 6, 12, 5.0


def measured(kind: str) -> dict[str, object]:
    """One row of the table, without the comparison."""
    changes = {"learner": {"kind": "layers"}, "rule": {"kind": kind}, "schedule.seeds": SEEDS, "schedule.worlds": SEEDS}
    setup = load_setup("nursery", changes=changes)
    with tempfile.TemporaryDirectory() as folder:
        life = LearnerLifetime(setup, range(SEEDS), RunFolder(Path(folder)))
    whole, learning = [], []
    learn = life.cohort.learn

    def timed(*given: object) -> object:
        begin = time.process_time()
        taught = learn(*given)  # type: ignore[arg-type]
        learning.append(time.process_time() - begin)
        return taught

    life.cohort.learn = timed  # type: ignore[method-assign,assignment]
    for _ in range(STEPS):
        begin = time.process_time()
        life.step()
        whole.append(time.process_time() - begin)
    layers = [life.cohort.parameters[f"{name}.weight"] for name in life.cohort.modules[0].chain]
    widths, steps = [layers[0].shape[2], *(weight.shape[1] for weight in layers)], life.cohort.modules[0].frame.steps
    rule = setup.make_rule()
    assert rule is not None
    shown = steps * synapses(widths[:-1]) if isinstance(life.cohort, RuledCohort) else 0
    batches = setup.planned[-1] / setup.schedule.batch
    return {
        "rule": kind,
        "lives": SEEDS * 60 / (sum(whole[1:]) / (STEPS - 1) * batches),
        "seconds": median(learning[1:]),
        "work": (steps - 1) * rule.multiply_adds(widths) + shown,
    }


def main() -> None:
    """Print the table."""
    argparse.ArgumentParser(description=__doc__.partition("\n")[0]).parse_args()
    torch.set_num_threads(1)
    table = pd.DataFrame([measured(kind) for kind in RULES.names()])
    base = table[table["rule"] == "backprop"].iloc[0]
    table["work"] /= base["work"]
    table["cpu"] = table["seconds"] / base["seconds"]
    table["slower"] = table["cpu"] / table["work"]
    print(table.round(3).to_string(index=False))
    late = table.loc[table["slower"] > BOUND, "rule"].tolist()
    print(f"More than {BOUND:g} times slower than their operations say: {', '.join(late) or 'none'}.")


if __name__ == "__main__":
    main()
