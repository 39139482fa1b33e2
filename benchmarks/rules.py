"""Learning rules on 8 x 8 digits: accuracy beside references and a peer library, angle to the gradient, CPU time.

Five networks 64-128-10 (and 64-128-128-10) with tanh units and a softmax learn 75 % of scikit-learn's digits, each on
a split of its own, by plain steps on what the rule asks for (batches of 32, 60 epochs; rates in :data:`RATES`), and
are tested on the rest. All five are one batched program. The angle is that between the rule's change and the gradient
on the whole training set after training. ``readout only`` is backpropagation whose hidden layers are held: what a rule
reaches without teaching them at all. :data:`EXPECTED` has the reference figures, tolerance .012.

Columns of speed, ``backprop`` being 1:

    work        multiply-adds of the rule's matrix products, a closed form (:meth:`Rule.multiply_adds`)
    cpu         CPU-seconds of training
    slower      cpu / work: how much slower the rule is than its own operations say; at most 5 is wanted

``--peer PYTHON`` names an interpreter in which FabricPC is installed (``pip install fabricpc``, an environment of its
own). It trains the same networks on the same batches, one by one, and its rows say how far its weights end from ours.

Run ``python -m benchmarks.rules`` (--quick: 5 epochs; --only RULE).
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from imprint.models.handwriting import CLASSES, Split, splits
from imprint.models.learning.plain_steps import BATCH, accuracy, angles, learned, newborn, started
from imprint.models.rules.base import RULES, Network
from imprint.models.rules.predictive_coding import PredictiveCoding

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
TOLERANCE, BOUND = 0.012, 5.0
PEERS = {"pc": "predictive_coding", "backprop": "backprop"}
"""FabricPC's algorithm -> our rule."""


def beginning(widths: Sequence[int]) -> tuple[Split, Network, list[torch.Generator]]:
    """The splits, the newborn networks, and the generators of their orders of rows: the same for every rule."""
    draw = torch.Generator().manual_seed(1)
    orders = [torch.Generator().manual_seed(100 + s) for s in range(SEEDS)]
    return splits(range(SEEDS)), newborn(widths, [draw] * SEEDS), orders


def measured(name: str, widths: tuple[int, ...], epochs: int) -> tuple[dict[str, object], Network]:
    """One row of the table, and the networks at its end."""
    kind = "backprop" if name == "readout only" else name
    split, network, orders = beginning(widths)
    rule = started(kind, widths, range(SEEDS))
    begin = time.process_time()
    network = learned(
        network, rule, split, orders, epochs=epochs, rate=RATES.get(kind, 0.1), hidden=name != "readout only"
    )
    spent = time.process_time() - begin
    right, turned = accuracy(network, split.tests, split.answers), angles(network, rule, split)
    expected = EXPECTED.get(name, (None, None))[len(widths) - 3]
    row = {
        "rule": name,
        "network": "-".join(map(str, widths)),
        "accuracy": float(right.mean()),
        "sd": float(right.std()),
        "expected": expected,
        "within": None if expected is None else abs(float(right.mean()) - expected) <= TOLERANCE,
        "angles": " ".join(f"{float(angle.mean()):.0f}" for angle in turned),
        "seconds": spent,
        "work": float(rule.multiply_adds(widths)),
    }
    return row, network


def with_speed(table: pd.DataFrame) -> pd.DataFrame:
    """The table with work and time beside backpropagation, for every network."""
    for _, own in table.groupby("network"):
        base = own[own["rule"] == "backprop"]
        if len(base):
            for column, source in (("work", "work"), ("cpu", "seconds")):
                table.loc[own.index, column] = own[source] / float(base[source].iloc[0])
    if "cpu" in table:
        table["slower"] = table["cpu"] / table["work"]
        table.loc[table["rule"].str.contains("only|FabricPC"), "slower"] = float("nan")
    return table


def peer_rows(python: str, widths: tuple[int, ...], epochs: int, ours: dict[str, Network]) -> list[dict[str, object]]:
    """A row for each algorithm of the peer, on the same networks and batches; ``ours``: what our rules made of them."""
    split, network, orders = beginning(widths)
    rows = split.x.shape[1]
    order = torch.stack([torch.stack([torch.randperm(rows, generator=rng) for _ in range(epochs)]) for rng in orders])
    settings = PredictiveCoding.Settings()
    asked = {f"weights.{i}": weight.numpy() for i, weight in enumerate(network.weights)}
    asked |= {"x": split.x.numpy(), "y": np.eye(CLASSES, dtype=np.float32)[split.y], "tests": split.tests.numpy()}
    numbers = {"batch": BATCH, "rate": 0.1, "settling": settings.settling, "step": settings.step}
    with tempfile.TemporaryDirectory() as folder:
        files = [str(Path(folder) / name) for name in ("asked.npz", "answer.npz")]
        arrays: dict[str, Any] = {"order": order.numpy(), **asked, **numbers}
        np.savez(files[0], **arrays)
        subprocess.run([python, str(Path(__file__).with_name("rules_peer.py")), *files], check=True)
        answer = dict(np.load(files[1]))
    found = []
    for algorithm, rule in PEERS.items():
        right = (answer[f"{algorithm}.prediction"].argmax(-1) == split.answers.numpy()).mean(1)
        row = {"rule": f"FabricPC {rule}", "network": "-".join(map(str, widths)), "accuracy": right.mean()}
        row |= {"sd": right.std(ddof=1), "seconds": float(answer[f"{algorithm}.cpu"])}
        if rule in ours:
            pairs = [(answer[f"{algorithm}.weights.{i}"], w.numpy()) for i, w in enumerate(ours[rule].weights)]
            row["apart"] = max(float(np.linalg.norm(a - b) / np.linalg.norm(b)) for a, b in pairs)
        found.append(row)
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", action="append", choices=[*RULES.names(), "readout only"])
    parser.add_argument("--peer", metavar="PYTHON", help="interpreter in which fabricpc is installed")
    options = parser.parse_args()
    torch.set_num_threads(1)
    epochs = 5 if options.quick else 60
    peer = options.peer or (sys.executable if find_spec("fabricpc") else None)
    rows: list[dict[str, object]] = []
    for widths in ((64, 128, CLASSES), (64, 128, 128, CLASSES)):
        ends: dict[str, Network] = {}
        for name in options.only or [*RULES.names(), "readout only"]:
            row, ends[name] = measured(name, widths, epochs)
            rows.append(row)
        rows += peer_rows(peer, widths, epochs, ends) if peer else []
    table = with_speed(pd.DataFrame(rows))
    print(table.round(3).to_string(index=False, na_rep="", max_colwidth=40))
    if not peer:
        print("FabricPC: not installed; name an interpreter that has it with --peer.")
    if "slower" in table and (late := table.loc[table["slower"] > BOUND, "rule"].tolist()):
        print(f"More than {BOUND:g} times slower than their operations say: {', '.join(late)}.")


if __name__ == "__main__":
    main()
