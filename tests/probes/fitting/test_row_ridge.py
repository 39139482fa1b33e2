"""Ridge of activations that are wide for their number, against scikit-learn on the same folds, and its systems."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import RidgeCV
from sklearn.preprocessing import StandardScaler

from imprint.probes.fitting.damped import FEW, LARGE, Damped, gram_of
from imprint.probes.fitting.least_squares import PENALTIES, LeastSquares
from imprint.probes.fitting.moments import Moments
from imprint.probes.fitting.out_of_fold import RowsOutOfFold, wide
from imprint.probes.fitting.row_ridge import RowRidge
from imprint.probes.readouts.base import Columns, decided_alone
from imprint.probes.readouts.ridge import Ridge


def rows(n: int, d: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(seed)
    x = torch.randn(n, d, generator=rng) + 50.0
    y = torch.stack([x[:, :4].sum(1) + torch.randn(n, generator=rng), torch.randn(n, generator=rng)], 1)
    x[:, 5] = 7.0  # a dead unit
    return x, y, torch.randint(0, 4, (n,), generator=rng)


@pytest.mark.parametrize(("n", "d"), [(120, 300), (130, 90)])
def test_rows_give_what_scikit_learn_gives(n: int, d: int) -> None:
    """Penalties are chosen on the same inner folds; the second case is solved from products of units."""
    x, y, fold = rows(n, d)
    ridge = RowRidge(LeastSquares(), x.double(), fold, 4)
    held = range(4)
    best = ridge.chosen(y, held)
    for k, solution in zip(held, ridge.solutions(y, best, held), strict=True):
        train = (fold != k).numpy()
        inner = fold[train].numpy()
        errors = np.zeros((len(PENALTIES), 2))
        for j in set(inner.tolist()):
            scaler = StandardScaler().fit(x[train][inner != j].double())
            for i, penalty in enumerate(PENALTIES):
                model = RidgeCV(alphas=[penalty * (inner != j).sum()]).fit(
                    scaler.transform(x[train][inner != j].double()), y[train][inner != j]
                )
                read = model.predict(scaler.transform(x[train][inner == j].double()))
                errors[i] += np.square(read - y[train][inner == j].numpy()).sum(0)
        assert best[k].tolist() == errors.argmin(0).tolist()
        scaler = StandardScaler().fit(x[train].double())
        for q in range(2):
            model = RidgeCV(alphas=[PENALTIES[int(best[k][q])] * train.sum()]).fit(
                scaler.transform(x[train].double()), y[train, q]
            )
            read = (x[~train].double() - ridge.origin) @ solution.weight[:, q] + solution.bias[q]
            truth = model.predict(scaler.transform(x[~train].double()))
            np.testing.assert_allclose(read.numpy(), truth, rtol=1e-6, atol=1e-6)


def test_rows_and_moments_give_the_same_readings_of_classes() -> None:
    x, _, fold = rows(160, 100)
    codes = torch.randint(0, 3, (160,), generator=torch.Generator().manual_seed(1))
    x[:, 0] += codes
    y = torch.cat([torch.nn.functional.one_hot(codes), (codes > 0).long()[:, None]], 1).float()
    columns = Columns.joined([Columns.single(3, classes=True), Columns.single(1, classes=True)])
    assert not wide(160, 100, 4)
    moments = Ridge().out_of_fold(x, fold, y).readings(y, columns, torch.arange(4))
    by_rows = RowsOutOfFold(x, fold, y, Ridge().engine, decided_alone)
    torch.testing.assert_close(by_rows.readings(y, columns, torch.arange(4)), moments, rtol=1e-3, atol=1e-4)


def test_penalties_that_were_chosen_serve_all_blocks_of_targets() -> None:
    x, y, fold = rows(200, 60)
    label = torch.tensor([0, 1, 1])
    wider = torch.cat([y, y[:, 1:].flip(0)], 1)
    columns = Columns.joined([Columns.single(1, classes=False)] * 3)
    for width in (60, 20):
        engine = Ridge().out_of_fold(x[:, :width], fold, y)
        whole = engine.readings(wider, columns, label)
        part = engine.readings(wider[:, 2:], Columns.single(1, classes=False), label[2:])
        torch.testing.assert_close(part[:, 0], whole[:, 2], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("damping", [1e-1, 1e-9])
def test_damped_systems_are_solved_within_the_stated_bound(damping: float) -> None:
    """With little damping float32 does not get there, and float64 answers."""
    rng = torch.Generator().manual_seed(0)
    gram = gram_of(torch.randn(LARGE, LARGE // 2, generator=rng, dtype=torch.float64))
    truth = torch.randn(LARGE, LARGE // FEW, generator=rng, dtype=torch.float64)
    right = gram @ truth + damping * truth
    answer = Damped(gram, damping).solve(right)
    residual = right - gram @ answer - damping * answer
    assert bool((residual.norm(dim=0) <= 1e-7 * max(damping, 1e-4) * answer.norm(dim=0)).all())


def test_a_system_that_rounding_made_indefinite_is_solved() -> None:
    gram = torch.diag(torch.tensor([1.0, -1e-3, 0.5], dtype=torch.float64))
    answer = Damped(gram, 1e-6).solve(torch.tensor([[1.0], [0.0], [1.0]], dtype=torch.float64))
    torch.testing.assert_close(answer[:, 0], torch.tensor([1.0, 0.0, 2.0], dtype=torch.float64), rtol=1e-4, atol=1e-6)


def test_adding_rows_waits_for_no_accelerator() -> None:
    """On the meta device nothing is computed, and whatever needs a number raises."""
    moments = Moments(6, 2, 3, device="meta")
    for _ in range(2):
        x, y = torch.empty(50, 6, device="meta"), torch.empty(50, 2, device="meta")
        moments.add(x, y, torch.arange(50) % 3)
    with pytest.raises((RuntimeError, NotImplementedError)):
        _ = moments.sums
