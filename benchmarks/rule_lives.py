"""Lives per CPU-minute of the learner ``layers`` under every learning rule, several seeds as one batched program.

Every rule lives some steps of the setup ``nursery`` (:data:`STEPS`), with its world, steering, optimiser and assessor,
six seeds in six worlds. A rule's changes are written out as matrix products; backpropagation goes through automatic
differentiation, so that it can teach every learner, and ``backprop, written out`` is the same gradient without that:
the measure of the others. Columns:

    lives       whole lives of one seed per CPU-minute, by the setup's own number of experiences
    seconds     CPU-seconds of one learning step of all seeds, median over steps
    work        multiply-adds of the rule's own matrix products (:meth:`Rule.multiply_adds`) beside those of
                backpropagation, with the pass that shows the assessor the latents of every moment
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
from typing import Any, cast

import pandas as pd
import torch

from imprint.models.learners.base import Learner, Taught
from imprint.models.learning.ruled import RuledCohort
from imprint.models.lifetimes.learner import LearnerLifetime
from imprint.models.rules.base import RULES, synapses
from imprint.models.setup.learner import Setup
from imprint.models.setup.load import load_setup
from imprint.models.store import RunFolder

SEEDS, STEPS, BOUND = 6, 12, 5.0
BASE = "backprop, written out"


def measured(name: str) -> dict[str, object]:
    """One row of the table, without the comparison."""
    kind = name.partition(",")[0]
    changes = {"learner": {"kind": "layers"}, "rule": {"kind": kind}, "schedule.seeds": SEEDS, "schedule.worlds": SEEDS}
    setup = load_setup("nursery", changes=changes, expect=Setup)
    with tempfile.TemporaryDirectory() as folder:
        life = LearnerLifetime(setup, range(SEEDS), RunFolder(Path(folder)))
    rule, learners = setup.make_rule(), life.cohort.modules
    first: Any = learners[0]
    assert rule is not None
    if name == BASE:
        life.cohort = RuledCohort(cast("list[Learner]", learners), setup.schedule.learning_rate, rule, range(SEEDS))
    whole, learning, learn = [], [], life.cohort.learn

    def timed(*given: Any) -> Taught:
        begin = time.process_time()
        taught = learn(*given)
        learning.append(time.process_time() - begin)
        return taught

    life.cohort.learn = timed  # type: ignore[method-assign, assignment]
    for _ in range(STEPS):
        begin = time.process_time()
        life.step()
        whole.append(time.process_time() - begin)
    matrices = [life.cohort.parameters[f"{layer}.weight"] for layer in first.chain]
    widths, moments = [matrices[0].shape[2], *(matrix.shape[1] for matrix in matrices)], first.frame.steps
    return {
        "rule": name,
        "lives": SEEDS * 60 / (sum(whole[1:]) / (STEPS - 1) * setup.planned[-1] / setup.schedule.batch),
        "seconds": median(learning[1:]),
        "work": (moments - 1) * rule.multiply_adds(widths) + moments * synapses(widths[:-1]),
    }


def main() -> None:
    """Print the table."""
    argparse.ArgumentParser(description=__doc__.partition("\n")[0]).parse_args()
    torch.set_num_threads(1)
    table = pd.DataFrame([measured(kind) for kind in (BASE, *RULES.names())])
    base = table[table["rule"] == BASE].iloc[0]
    table["work"] /= base["work"]
    table["cpu"] = table["seconds"] / base["seconds"]
    table["slower"] = table["cpu"] / table["work"]
    print(table.round(3).to_string(index=False))
    late = table.loc[table["slower"] > BOUND, "rule"].tolist()
    print(f"More than {BOUND:g} times slower than their operations say: {', '.join(late) or 'none'}.")


if __name__ == "__main__":
    main()
