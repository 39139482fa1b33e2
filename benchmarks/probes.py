"""The same grid of probes through ``imprint.locate`` and through a loop of scikit-learn ``LogisticRegression``.

Grid: sites x concepts x 5 folds, each with 20 label shuffles. The peer's shuffles are timed on three real ones and
scaled to twenty, which the note says. Both sides standardise, weigh classes equally and hold out the same folds.
"""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.preprocessing import StandardScaler

import imprint
from benchmarks.measure import Row, Time, arguments, show, timed
from imprint.probes.controls import compact_groups, folds_of

NULLS, TIMED_NULLS, FOLDS = 20, 3, 5


def grid(rows: int, width: int, sites: int, concepts: int) -> tuple[dict[str, np.ndarray], pd.DataFrame, np.ndarray]:
    """Activations in which each concept is weakly written along its own direction, with correlated noise."""
    rng = np.random.default_rng(0)
    labels = pd.DataFrame({f"concept {i}": rng.random(rows) < 0.3 for i in range(concepts)})
    activations = {}
    for s in range(sites):
        mixing = np.eye(width) + 0.4 * rng.normal(size=(width, width)) / np.sqrt(width)
        written = labels.to_numpy() @ rng.normal(size=(concepts, width)) * (0.05 + 0.1 * s)
        activations[f"site {s}"] = (rng.normal(size=(rows, width)) @ mixing + written).astype(np.float32)
    return activations, labels, rng.integers(0, 200, rows)


def loop(x: np.ndarray, y: np.ndarray, fold: np.ndarray) -> float:
    """Cross-validated balanced accuracy of logistic regression."""
    guess = np.empty(len(y), dtype=bool)
    for k in range(FOLDS):
        train = fold != k
        scaler = StandardScaler().fit(x[train])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = LogisticRegression(class_weight="balanced", max_iter=300).fit(scaler.transform(x[train]), y[train])
        guess[~train] = model.predict(scaler.transform(x[~train]))
    return float(balanced_accuracy_score(y, guess))


def main() -> None:
    """Run both sides and print the ratio."""
    options = arguments(__doc__.splitlines()[0])
    torch.set_num_threads(1)
    rows, width, sites, concepts = (2000, 64, 2, 2) if options.quick else (20_000, 256, 2, 4)
    activations, labels, groups = grid(rows, width, sites, concepts)
    imprint.locate({"warm up": activations["site 0"][:500]}, labels[:500], groups=groups[:500])
    table, ours = timed(lambda: imprint.locate(activations, labels, groups=groups, nulls=NULLS))
    fold = folds_of(compact_groups(groups, rows), FOLDS, np.random.default_rng(0))
    theirs, real = {}, Time(0.0, 0.0)
    for site, x in activations.items():
        for concept in labels:
            theirs[concept, site], spent = timed(lambda x=x, c=concept: loop(x, labels[c].to_numpy(), fold))
            real = Time(real.cpu + spent.cpu, real.wall + spent.wall)
    rng = np.random.default_rng(1)
    shuffles = [rng.permutation(labels["concept 0"].to_numpy()) for _ in range(TIMED_NULLS)]
    _, null = timed(lambda: [loop(activations["site 0"], y, fold) for y in shuffles])
    scale = NULLS * sites * concepts / TIMED_NULLS
    peer = Time(real.cpu + null.cpu * scale, real.wall + null.wall * scale)
    difference = [abs(row.score - theirs[row.concept, row.site]) for row in table.itertuples()]
    median = float(np.median(difference))
    show(
        f"probes: {rows:,} rows x {width}, {sites} sites x {concepts} concepts x {FOLDS} folds, {NULLS} shuffles",
        [
            Row("imprint.locate", ours.wall, "s wall", note=f"{ours.cpu:.2f} CPU-seconds"),
            Row("scikit-learn LogisticRegression loop", peer.wall, "s wall",
                note=f"{peer.cpu:.1f} CPU-seconds; real labels all run; "
                f"shuffles timed on {TIMED_NULLS} of one cell and scaled by {scale:.0f}"),
            Row("ratio of wall times", peer.wall / ours.wall, "x", "at least 100", peer.wall / ours.wall >= 100),
            Row("ratio of CPU times", peer.cpu / ours.cpu, "x"),
            Row("median difference of balanced accuracy", median, "", "at most 0.01", median <= 0.01,
                note=f"largest {max(difference):.4f}"),
        ],
        as_json=options.json,
    )  # fmt: skip


if __name__ == "__main__":
    main()
