"""Benchmark of ``locate`` at the widths of language models, and of causal instruments, against their peers.

Both sides of a comparison run in this process, on one thread, on the same data, and are timed in CPU-seconds; of short
ones the median of three counts. ``locate`` is timed end to end: twenty shuffles of every concept, leak checks, places,
intervals and verdicts included. ``--only NAME`` runs one comparison.

Figures of the code before (:data:`BEFORE`) are CPU-seconds of commit f1701b6, measured once on an AMD EPYC core whose
float32 matrix products ran at :data:`RATE_BEFORE` GFLOP/s; they are scaled by the rate of the machine that runs this.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import torch
from captum import attr
from concept_erasure import LeaceFitter
from sklearn.linear_model import RidgeCV
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits
from torch import nn

import imprint
from benchmarks.measure import Row, at_least, at_most, matrix_product_rate, show, timed
from imprint.analyses.locate.plan.target import target_of
from imprint.analyses.locate.reading import read
from imprint.probes.attributions.integrated_gradients import IntegratedGradients
from imprint.probes.causal.experiments import patching
from imprint.probes.fitting.least_squares import PENALTIES
from imprint.probes.interventions.erase import eraser
from imprint.probes.readouts.ridge import Ridge
from imprint.probes.samples.controls import compact_groups, folds_of

BEFORE = {"2,000 x 4,096": 229.6, "1,000 concepts": 275.8}
RATE_BEFORE = 59.0
FOLDS, NULLS = 5, 20


def grid(rows: int, width: int, concepts: int, sites: int = 1) -> tuple[dict[str, np.ndarray], pd.DataFrame]:
    """Noise in which each concept is written along a direction of its own."""
    rng = np.random.default_rng(0)
    labels = pd.DataFrame({f"concept {i}": rng.random(rows) < 0.5 for i in range(concepts)})
    signal = 0.15 * labels.to_numpy().astype(np.float32) @ rng.normal(size=(concepts, width)).astype(np.float32)
    return {f"site {s}": rng.standard_normal((rows, width), dtype=np.float32) + signal for s in range(sites)}, labels


def seconds(function: Callable[[], Any], repeats: int = 3) -> float:
    """Median CPU-seconds of some calls, after one to warm up if there are several."""
    if repeats > 1:
        function()
    return statistics.median(timed(function)[1].cpu for _ in range(repeats))


def located(rows: int, width: int, concepts: int, *, sites: int = 1, groups: int = 0, repeats: int = 1) -> float:
    """CPU-seconds of ``locate`` end to end."""
    activations, labels = grid(rows, width, concepts, sites)
    of_row = np.random.default_rng(1).integers(0, groups, rows) if groups else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return seconds(lambda: imprint.locate(activations, labels, groups=of_row, nulls=NULLS), repeats)


def ridge_cv(activations: np.ndarray, labels: pd.DataFrame, fold: np.ndarray) -> None:
    """scikit-learn's RidgeCV (leave-one-out penalties), fold by fold and concept by concept, labels only."""
    for k in range(FOLDS):
        scaler = StandardScaler().fit(activations[fold != k])
        train, held = scaler.transform(activations[fold != k]), scaler.transform(activations[fold == k])
        for name in labels:
            RidgeCV(alphas=[p * len(train) for p in PENALTIES]).fit(train, labels[name][fold != k]).predict(held)


def fewer_rows_than_units(quick: bool) -> list[Row]:
    """(a) Against RidgeCV where there are fewer rows than units."""
    rows = []
    for n, width in ((300, 1024),) if quick else ((300, 1024), (500, 2048)):
        activations, labels = grid(n, width, 5)
        fold = folds_of(np.arange(n), FOLDS, np.random.default_rng(0))
        ours = located(n, width, 5, repeats=3)
        theirs = seconds(partial(ridge_cv, activations["site 0"], labels, fold))
        note = f"{ours:.2f} s with all floors, {theirs:.2f} s for labels alone"
        rows.append(at_most(2, f"locate / RidgeCV, {n} x {width:,}, 5 concepts", ours / theirs, "x", note=note))
    return rows


def wide(quick: bool) -> list[Row]:
    """(b) 2,000 x 4,096 against the code before, and 400 x 32,768, which it could not do."""
    shapes = ((200, 512), (100, 2048)) if quick else ((2000, 4096), (400, 32_768))
    first, second = (located(n, width, 5) for n, width in shapes)
    before = BEFORE["2,000 x 4,096"] * RATE_BEFORE / matrix_product_rate()
    note = f"{first:.2f} s; {before:.0f} s before, scaled to this machine"
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return [
        at_least(20, "2,000 x 4,096, 5 concepts: before / locate", before / first, "x", note=note),
        Row("400 x 32,768, 5 concepts: locate", second, "s", note=f"this process held at most {peak:.1f} GB"),
    ]


def many_concepts(quick: bool) -> list[Row]:
    """(c) 1,000 concepts against the code before."""
    ours = located(1000 if quick else 4000, 256, 30 if quick else 1000)
    before = BEFORE["1,000 concepts"] * RATE_BEFORE / matrix_product_rate()
    note = f"{ours:.1f} s; {before:.0f} s before, scaled to this machine"
    return [at_least(10, "4,000 x 256 x 1,000 concepts: before / locate", before / ours, "x", note=note)]


def matrix_products(quick: bool) -> list[Row]:
    """(d) The rate of the products that reading cannot do without, end to end, against this machine's products."""
    rows = []
    cases = ((20_000, 256, 4, 2, 0.4), (100_000, 768, 20, 3, 0.6))
    for n, width, concepts, sites, limit in cases[:1] if quick else cases:
        spent = located(n, width, concepts, sites=sites, groups=200, repeats=1 if n > 50_000 else 3)
        columns = concepts * (1 + 2 * NULLS)
        work = sites * 2.0 * n * width * (width + 2 * columns)
        rate, machine = work / spent / 1e9, matrix_product_rate()
        note = f"{spent:.2f} s, {rate:.1f} of {machine:.1f} GFLOP/s; {columns} columns with shuffles and sequences"
        what = f"{n:,} x {width} x {sites} sites x {concepts} concepts / matrix product"
        rows.append(at_least(limit, what, rate / machine, "", note=note))
    return rows


def plain_ridge(x: torch.Tensor, y: torch.Tensor, fold: torch.Tensor, penalty: float) -> torch.Tensor:
    """Out-of-fold balanced accuracies ``[Q]`` of ridge with one penalty, as one would write it oneself."""
    right = torch.empty(len(x), y.shape[1], dtype=torch.bool)
    for k in range(FOLDS):
        train = fold != k
        mean, deviation = x[train].mean(0), x[train].std(0, correction=0)
        z, target = (x[train] - mean) / deviation, y[train]
        gram = z.T @ z + penalty * len(z) * torch.eye(x.shape[1])
        weight = torch.linalg.solve(gram, z.T @ (target - target.mean(0)))
        reading = z @ weight
        inside = (reading * target).sum(0) / target.sum(0)
        outside = (reading * (1 - target)).sum(0) / (1 - target).sum(0)
        held = (x[~train] - mean) / deviation @ weight
        right[~train] = (held > (inside + outside) / 2) == (y[~train] > 0)
    positive = y > 0
    return ((right & positive).sum(0) / positive.sum(0) + (right & ~positive).sum(0) / (~positive).sum(0)) / 2


def logistic(x: torch.Tensor, y: torch.Tensor, fold: torch.Tensor) -> torch.Tensor:
    """Out-of-fold readings of logistic regressions of all columns at once, by L-BFGS."""
    out = torch.empty(len(x), y.shape[1])
    for k in range(FOLDS):
        train = fold != k
        mean, deviation = x[train].mean(0), x[train].std(0, correction=0)
        z, held = (x[train] - mean) / deviation, (x[~train] - mean) / deviation
        weight = torch.zeros(x.shape[1], y.shape[1], requires_grad=True)
        bias = torch.zeros(y.shape[1], requires_grad=True)
        engine = torch.optim.LBFGS([weight, bias], max_iter=100, line_search_fn="strong_wolfe")

        def loss(z: torch.Tensor = z, target: torch.Tensor = y[train]) -> torch.Tensor:
            engine.zero_grad()  # noqa: B023, called at once
            value = nn.functional.binary_cross_entropy_with_logits(z @ weight + bias, target)  # noqa: B023
            value = value + weight.square().sum() / (2 * len(z))  # noqa: B023
            value.backward()
            return value

        engine.step(loss)
        with torch.no_grad():
            out[~train] = held @ weight + bias
    return out


def own_code(quick: bool) -> list[Row]:
    """(e) Readings with shuffles, against 15 lines of ridge and batched logistic regression in PyTorch."""
    n, width, concepts = (1000, 64, 2) if quick else (8000, 256, 4)
    activations, labels = grid(n, width, concepts)
    x, rng, of = torch.from_numpy(activations["site 0"]), np.random.default_rng(0), compact_groups(None, n)
    fold = folds_of(of, FOLDS, rng)
    targets = [target_of(name, labels[name], of, nulls=NULLS, rng=rng) for name in map(str, labels)]
    groups = rng.permutation(n) % 200
    y, known = torch.cat([t.columns() for t in targets], 1), torch.from_numpy(fold)
    ours = seconds(lambda: read(x, targets, Ridge(penalties=(1e-2,)), fold=fold, groups=groups))
    plain = seconds(lambda: plain_ridge(x, y, known, 1e-2))
    batched = seconds(lambda: logistic(x, y, known), 1)
    found = np.array([r.score for r in read(x, targets, Ridge(penalties=(1e-2,)), fold=fold, groups=groups)])
    apart = float(np.abs(found - plain_ridge(x, y, known, 1e-2)[:: 1 + NULLS].numpy()).max())
    shape = f"{n:,} x {width}, {concepts} concepts, {NULLS} shuffles"
    return [
        at_least(1, "plain ridge in PyTorch / readings, one penalty", plain / ours, "x", note=f"{shape}: {ours:.3f} s"),
        at_most(1e-3, "largest difference of a balanced accuracy", apart, ""),
        at_least(6, "batched L-BFGS in PyTorch / readings", batched / ours, "x", note=f"{batched:.2f} s"),
    ]


def network(width: int) -> nn.Sequential:
    """Five layers."""
    torch.manual_seed(0)
    layers = [layer for _ in range(4) for layer in (nn.Linear(width, width), nn.ReLU())]
    return nn.Sequential(*layers, nn.Linear(width, 1)).eval()


def peer_eraser(x: torch.Tensor, z: torch.Tensor) -> Any:
    """LEACE of concept-erasure."""
    return LeaceFitter.fit(x, z).eraser


def instruments(quick: bool) -> list[Row]:
    """(f) Integrated gradients, patching and LEACE against captum, plain hooks and concept-erasure, at two widths."""
    rows = []
    for width in (64,) if quick else (256, 768):
        model, n = network(width), 256 if quick else 1024
        rng = torch.Generator().manual_seed(0)
        x, other = torch.randn(n, width, generator=rng), torch.randn(n, width, generator=rng)
        subject = imprint.Subject(model)
        steps = IntegratedGradients().steps

        def captum(x: torch.Tensor = x, model: nn.Module = model, steps: int = steps) -> None:
            method = attr.IntegratedGradients(lambda a: model(a)[:, 0])
            for part in x.split(1024 // steps):
                method.attribute(part, x.mean(0, keepdim=True), n_steps=steps, method="gausslegendre")

        ours, theirs = seconds(partial(IntegratedGradients(), subject, x)), seconds(captum)
        rows.append(at_most(1.05, f"integrated gradients / captum, {width}", ours / theirs, "x", note=f"{ours:.2f} s"))

        def patched(s: imprint.Subject = subject, x: torch.Tensor = x, other: torch.Tensor = other) -> None:
            patching(s, x, other, ["0", "2", "4"], placebos=5, rng=torch.Generator().manual_seed(0))

        def hooks(model: nn.Sequential = model, x: torch.Tensor = x, other: torch.Tensor = other) -> None:
            kept: dict[int, torch.Tensor] = {}
            with torch.no_grad():
                for side in (x, other):
                    handles = [
                        model[i].register_forward_hook(lambda _m, _i, out, i=i: kept.__setitem__(i, out))
                        for i in (0, 2, 4)
                    ]
                    model(side)
                    for handle in handles:
                        handle.remove()
                for i in (0, 2, 4):
                    for _ in range(6):
                        handle = model[i].register_forward_hook(lambda _m, _i, _out, i=i: kept[i])
                        model(x)
                        handle.remove()

        ours, theirs = seconds(patched), seconds(hooks)
        rows.append(at_most(1.05, f"patching / plain hooks, {width}", ours / theirs, "x", note=f"{ours:.2f} s"))
        z = nn.functional.one_hot(torch.randint(0, 3, (8 * n,), generator=rng), 3).float()
        wide = torch.randn(8 * n, width, generator=rng) + z @ torch.randn(3, width, generator=rng)
        ours = seconds(partial(eraser, wide, z))
        theirs = seconds(partial(peer_eraser, wide, z))
        rows.append(at_most(1.05, f"LEACE / concept-erasure, {width}", ours / theirs, "x", note=f"{ours:.3f} s"))
    return rows


COMPARISONS = (fewer_rows_than_units, wide, many_concepts, matrix_products, own_code, instruments)


def main() -> None:
    """Run the comparisons and print the ratios."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")
    parser.add_argument("--quick", action="store_true", help="a small trial run, whose numbers are not meaningful")
    parser.add_argument("--only", action="append", choices=[c.__name__ for c in COMPARISONS], help="may be repeated")
    options = parser.parse_args()
    torch.set_num_threads(1)
    chosen = [c for c in COMPARISONS if not options.only or c.__name__ in options.only]
    with threadpool_limits(1):
        located(500, 64, 2)
        rows = [row for comparison in chosen for row in comparison(options.quick)]
    show("locate", rows, as_json=options.json)


if __name__ == "__main__":
    main()
