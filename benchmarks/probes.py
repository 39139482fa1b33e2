"""Benchmark of the probes against their peers: probe grids, the moments pass, streaming, erasure, capture.

Both sides of a comparison run in this process, on one thread, on the same data. For the peer three label shuffles are
run, and their time is scaled to twenty, as the note says.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import torch
from concept_erasure import LeaceFitter
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.metrics import balanced_accuracy_score
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits
from torch import nn

import imprint
from benchmarks.measure import Row, Time, arguments, at_least, at_most, matrix_product_rate, show, timed
from imprint.analyses.locate.plan.target import target_of
from imprint.analyses.locate.reading import read
from imprint.probes.fitting.moments import Moments
from imprint.probes.interventions.erase import eraser
from imprint.probes.readouts.ridge import Ridge
from imprint.probes.samples.controls import compact_groups, folds_of

NULLS, TIMED_NULLS, FOLDS = 20, 3, 5
REPEATS = 3
"""Repetitions of short comparisons, of which the fastest of each side counts."""


def grid(rows: int, width: int, sites: int, concepts: int) -> tuple[dict[str, np.ndarray], pd.DataFrame, np.ndarray]:
    """Activations with correlated noise, that encode each concept weakly along a direction of its own."""
    rng = np.random.default_rng(0)
    labels = pd.DataFrame({f"concept {i}": rng.random(rows) < 0.3 for i in range(concepts)})
    activations = {}
    for s in range(sites):
        mixing = np.eye(width) + 0.4 * rng.normal(size=(width, width)) / np.sqrt(width)
        signal = labels.to_numpy() @ rng.normal(size=(concepts, width)) * (0.05 + 0.1 * s)
        activations[f"site {s}"] = (rng.normal(size=(rows, width)) @ mixing + signal).astype(np.float32)
    return activations, labels, rng.integers(0, 200, rows)


def loop(make: Callable[[], Any], x: np.ndarray, y: np.ndarray, fold: np.ndarray) -> float:
    """Cross-validated balanced accuracy of a scikit-learn classifier."""
    guess = np.empty(len(y), dtype=bool)
    for k in range(FOLDS):
        train = fold != k
        scaler = StandardScaler().fit(x[train])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = make().fit(scaler.transform(x[train]), y[train])
        guess[~train] = model.predict(scaler.transform(x[~train]))
    return float(balanced_accuracy_score(y, guess))


def best(function: Callable[[], Any]) -> Time:
    """The fastest of :data:`REPEATS` calls, after one to warm up."""
    function()
    times = [timed(function)[1] for _ in range(REPEATS)]
    return Time(min(t.cpu for t in times), min(t.wall for t in times))


def against_logistic(quick: bool) -> list[Row]:
    """(a) ``locate`` with shuffles, against a loop of logistic regressions."""
    rows, width, sites, concepts = (2000, 64, 2, 2) if quick else (20_000, 256, 2, 4)
    activations, labels, groups = grid(rows, width, sites, concepts)
    imprint.locate({"warm up": activations["site 0"][:500]}, labels[:500], groups=groups[:500])
    table, ours = timed(lambda: imprint.locate(activations, labels, groups=groups, nulls=NULLS))
    fold = folds_of(compact_groups(groups, rows), FOLDS, np.random.default_rng(0))

    def make() -> Any:
        return LogisticRegression(class_weight="balanced", max_iter=300)

    theirs, real = {}, Time(0.0, 0.0)
    for site, x in activations.items():
        for concept in labels:
            theirs[concept, site], spent = timed(partial(loop, make, x, labels[concept].to_numpy(), fold))
            real = Time(real.cpu + spent.cpu, real.wall + spent.wall)
    rng = np.random.default_rng(1)
    shuffles = [rng.permutation(labels["concept 0"].to_numpy()) for _ in range(TIMED_NULLS)]
    _, null = timed(lambda: [loop(make, activations["site 0"], y, fold) for y in shuffles])
    scale = NULLS * sites * concepts / TIMED_NULLS
    peer = Time(real.cpu + null.cpu * scale, real.wall + null.wall * scale)
    difference = [abs(row.score - theirs[row.concept, row.site]) for row in table.itertuples()]
    median = float(np.median(difference))
    shape = f"{rows:,} x {width}, {sites} sites x {concepts} concepts x {FOLDS} folds"
    scaled = f"real labels all run; shuffles timed on {TIMED_NULLS} of one cell and scaled by {scale:.0f}"
    largest = f"largest {max(difference):.4f}"
    return [
        Row("locate, with 20 shuffles", ours.wall, "s wall", note=f"{shape}; {ours.cpu:.2f} CPU-seconds"),
        Row("scikit-learn LogisticRegression loop", peer.wall, "s wall", note=f"{peer.cpu:.1f} CPU-seconds; {scaled}"),
        at_least(100, "ratio of wall times", peer.wall / ours.wall, "x"),
        Row("ratio of CPU times", peer.cpu / ours.cpu, "x"),
        at_most(0.01, "median difference of balanced accuracy", median, "", note=largest),
    ]


def against_ridge(quick: bool) -> list[Row]:
    """(b) Out-of-fold readings without shuffles, against a loop of ridge classifiers with one given penalty."""
    rows, width, concepts = (2000, 64, 4) if quick else (20_000, 256, 16)
    activations, labels, groups = grid(rows, width, 1, concepts)
    x, compact = activations["site 0"], compact_groups(groups, rows)
    rng = np.random.default_rng(0)
    fold = folds_of(compact, FOLDS, rng)
    targets = [target_of(name, labels[name], compact, nulls=5, rng=rng).real() for name in map(str, labels)]
    ours = best(lambda: read(torch.from_numpy(x), targets, Ridge(penalties=(1e-2,)), fold=fold, groups=compact))
    choosing = best(lambda: read(torch.from_numpy(x), targets, Ridge(), fold=fold, groups=compact))

    def make() -> Any:
        return RidgeClassifier(alpha=1e-2 * 0.8 * rows, class_weight="balanced")

    _, peer = timed(lambda: [loop(make, x, labels[name].to_numpy(), fold) for name in labels])
    shape = f"{rows:,} x {width}, {concepts} concepts"
    return [
        Row("readings of one site, ridge, one penalty", ours.wall, "s wall", note=shape),
        Row("scikit-learn RidgeClassifier loop", peer.wall, "s wall", note=f"{peer.cpu:.1f} CPU-seconds"),
        at_least(15, "ratio of wall times, without shuffles", peer.wall / ours.wall, "x"),
        Row("the same, ours choosing among 6 penalties", peer.wall / choosing.wall, "x"),
    ]


STREAM = """
import resource, torch
from imprint.probes.fitting.moments import Moments
torch.set_num_threads(1)
def batches(rows, width, size=8192):
    rng = torch.Generator().manual_seed(0)
    for start in range(0, rows, size):
        n = min(size, rows - start)
        x = torch.randn(n, width, generator=rng)
        yield x, (x[:, :8] > 0).float(), torch.randint(0, 5, (n,), generator=rng)
moments = Moments.of(batches({rows}, {width}), folds=5)
assert int(moments.sums.count.sum()) == {rows}
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


def streaming(quick: bool) -> list[Row]:
    """(c) Peak memory of a process that accumulates moments from a generator."""
    rows = 200_000 if quick else 10_000_000
    code = STREAM.format(rows=rows, width=256)
    done, spent = timed(
        lambda: subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    )
    note = f"{rows:,} rows x 256, 8 targets, 5 folds, libraries included; {spent.wall:.0f} s with making rows"
    return [at_most(1.5, "peak memory of a streamed pass", int(done.stdout) / 1e9, "GB", note=note)]


def moments_rate(quick: bool) -> list[Row]:
    """(d) Floating-point rate of the moments pass, against a float32 matrix product in the same run."""
    rows, width, targets = (20_000 if quick else 200_000), 256, 64
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(rows, width, generator=rng)
    y, fold = (torch.rand(rows, targets, generator=rng) > 0.5).float(), torch.randint(0, FOLDS, (rows,), generator=rng)

    def accumulate() -> None:
        Moments(width, targets, FOLDS).add(x, y, fold)

    machine = matrix_product_rate()
    seconds = best(accumulate).wall
    machine = max(machine, matrix_product_rate())
    rate = 2 * rows * width * (width + targets) / seconds / 1e9
    return [
        Row("moments pass", rate, "GFLOP/s", note=f"{rows:,} x {width}, {targets} targets, {FOLDS} folds"),
        Row("float32 matrix product of this machine", machine, "GFLOP/s", note="1,536 x 1,536, best of two"),
        at_least(0.5, "moments pass / matrix product", rate / machine, ""),
    ]


def against_concept_erasure(quick: bool) -> list[Row]:
    """(e) Fitting LEACE, against concept-erasure on the same rows."""
    rows, width = (2000, 64) if quick else (20_000, 256)
    rng = torch.Generator().manual_seed(0)
    z = torch.nn.functional.one_hot(torch.randint(0, 3, (rows,), generator=rng), 3).float()
    x = torch.randn(rows, width, generator=rng) + z @ torch.randn(3, width, generator=rng)
    ours, theirs = best(lambda: eraser(x, z)), best(lambda: LeaceFitter.fit(x, z).eraser)
    difference = float((eraser(x, z)(x) - LeaceFitter.fit(x.double(), z.double()).eraser(x.double())).abs().max())
    note = f"{rows:,} x {width}, 3 classes, float32: {ours.wall:.3f} and {theirs.wall:.3f} s"
    return [
        at_least(1, "LEACE, concept-erasure / ours", theirs.wall / ours.wall, "x", note=note),
        at_most(1e-4, "largest difference of an erased activation", difference, ""),
    ]


def capture(quick: bool) -> list[Row]:
    """(f) Capturing activations at eight sites, against the plain forward pass."""
    rows, width = (2000 if quick else 20_000), 256
    torch.manual_seed(0)
    layers = [layer for _ in range(8) for layer in (nn.Linear(width, width), nn.ReLU())]
    model = nn.Sequential(*layers, nn.Linear(width, 1)).eval()
    sites = [str(i) for i in range(1, 16, 2)]
    x = torch.randn(rows, width)
    subject = imprint.Subject(model, sites=sites)

    def plain() -> None:
        with torch.no_grad():
            for chunk in x.split(512):
                model(chunk)

    ours, theirs = best(lambda: subject.activations(x)), best(plain)
    note = f"{rows:,} x {width}, 17 layers, batches of 512: {ours.wall:.3f} and {theirs.wall:.3f} s"
    return [at_most(1.5, "capture of 8 hooks / plain forward pass", ours.wall / theirs.wall, "x", note=note)]


def main() -> None:
    """Run all comparisons and print the ratios."""
    options = arguments(__doc__.splitlines()[0])
    torch.set_num_threads(1)
    comparisons = (against_logistic, against_ridge, streaming, moments_rate, against_concept_erasure, capture)
    with threadpool_limits(1):
        rows = [row for comparison in comparisons for row in comparison(options.quick)]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    show(f"probes (this process held at most {peak:.1f} GB)", rows, as_json=options.json)


if __name__ == "__main__":
    main()
