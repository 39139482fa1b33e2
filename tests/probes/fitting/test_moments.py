"""Moments and the ridge solved from them, against scikit-learn and against themselves in pieces."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge as Reference
from sklearn.model_selection import LeaveOneGroupOut
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from imprint.models.errors import ImprintError, NotMeasurableError
from imprint.probes.fitting.least_squares import PENALTIES, LeastSquares
from imprint.probes.fitting.moments import BLOCK, Moments


def rows(n: int, d: int, q: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(seed)
    x = torch.randn(n, d, generator=rng) * 3 + 5
    y = x[:, :q] @ torch.randn(q, q, generator=rng) + torch.randn(n, q, generator=rng)
    return x, y, torch.randint(0, 4, (n,), generator=rng)


@settings(max_examples=20, deadline=None)
@given(
    cuts=st.lists(st.integers(1, 199), min_size=1, max_size=5, unique=True),
    seed=st.integers(0, 99),
    precise=st.booleans(),
)
def test_merged_shards_equal_one_pass(cuts: list[int], seed: int, precise: bool) -> None:
    x, y, fold = rows(200, 6, 3, seed)
    x, tolerance = (x.double(), 1e-12) if precise else (x, 1e-6)
    whole = Moments(6, 3, 4)
    whole.add(x, y, fold)
    merged = Moments(6, 3, 4)
    for a, b in zip([0, *sorted(cuts)], [*sorted(cuts), 200], strict=True):
        part = Moments(6, 3, 4)
        part.add(x[a:b], y[a:b], fold[a:b])
        merged = merged.merge(part)
    for one, other in zip(whole.sums.parts(), merged.sums.parts(), strict=True):
        torch.testing.assert_close(one, other, rtol=tolerance, atol=1e3 * tolerance)


def standardised(x: torch.Tensor) -> np.ndarray:
    z = x.double().numpy()
    return (z - z.mean(0)) / np.where(z.std(0) > 1e-9, z.std(0), 1.0)


def test_least_squares_equals_scikit_learn_with_any_fold_held_out() -> None:
    x, y, fold = rows(500, 12, 3)
    x[:, 4] = 7.0  # a dead unit
    moments = Moments.of([(x[:200].double(), y[:200], fold[:200]), (x[200:].double(), y[200:], fold[200:])], folds=4)
    engine = LeastSquares(penalties=[0.01])
    for k, (weight, bias, _) in zip(range(4), engine.solve(moments, torch.arange(3), range(4)), strict=True):
        train = (fold != k).numpy()
        scaler = StandardScaler().fit(x[train].numpy())
        reference = Reference(alpha=0.01 * train.sum()).fit(
            scaler.transform(x[train].double().numpy()), y[train].numpy()
        )
        np.testing.assert_allclose(weight.numpy() * scaler.scale_[:, None], reference.coef_.T, rtol=1e-5, atol=1e-9)
        read = x[~train].double() @ weight + bias
        np.testing.assert_allclose(read, reference.predict(scaler.transform(x[~train].double().numpy())), rtol=1e-5)


def test_the_penalty_is_the_one_that_scikit_learn_finds_on_the_same_folds() -> None:
    rng = torch.Generator().manual_seed(3)
    x = torch.randn(120, 40, generator=rng, dtype=torch.float64)
    y = torch.cat([x[:, :1] * 2, x[:, :5].sum(1, True) + 4 * torch.randn(120, 1, generator=rng), x[:, 39:].sin()], 1)
    y[:, 2] = torch.randn(120, generator=rng)
    groups = torch.arange(120) // 12
    moments = Moments.of([(x, y, groups)], folds=10)
    ((_, _, chosen),) = LeastSquares().solve(moments, torch.arange(3), [None])
    error = np.zeros((len(PENALTIES), 3))
    for train, held in LeaveOneGroupOut().split(x, groups=groups):
        for i, penalty in enumerate(PENALTIES):
            model = make_pipeline(StandardScaler(), Reference(alpha=penalty * len(train))).fit(
                x[train], y[train].numpy()
            )
            error[i] += np.square(model.predict(x[held]) - y[held].numpy()).sum(0)
    assert chosen.tolist() == [PENALTIES[i] for i in error.argmin(0)]
    assert chosen[0] < chosen[2]


def test_a_unit_that_varies_only_in_the_rows_held_out_is_not_read() -> None:
    """Its variance in training is what subtracting those rows leaves: rounding, which scaling would blow up."""
    x, y, fold = rows(400, 8, 2)
    x[:, 5:] = torch.where((fold == 2)[:, None], x[:, 5:] * 300, 0.0)
    moments = Moments.of([(x, y, fold)], folds=4)
    for k, (weight, _, _) in zip(range(4), LeastSquares().solve(moments, torch.arange(2), range(4)), strict=True):
        assert bool(torch.isfinite(weight).all())
        assert bool((weight[5:] == 0).all()) == (k == 2)


def test_groups_become_folds_without_another_pass() -> None:
    x, y, _ = rows(300, 5, 2)
    groups = torch.arange(300) % 12
    assignment = torch.arange(12) % 3
    by_group = Moments.of([(x.double(), y, groups)], folds=12)
    direct = Moments.of([(x.double(), y, assignment[groups])], folds=3)
    for one, other in zip(by_group.regrouped(assignment).sums.parts(), direct.sums.parts(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-9)


def test_moments_survive_the_disk(tmp_path: Path) -> None:
    x, y, fold = rows(50, 4, 2)
    moments = Moments.of([(x, y, fold)], folds=4)
    moments.save(tmp_path / "m.safetensors")
    again = Moments.load(tmp_path / "m.safetensors")
    assert all(torch.equal(a, b) for a, b in zip(moments.sums.parts(), again.sums.parts(), strict=True))


@pytest.mark.parametrize(("kind", "u"), [(torch.float32, 2.0**-24), (torch.float64, 2.0**-53)])
def test_sums_lie_within_the_stated_bound(kind: torch.dtype, u: float) -> None:
    """Integers are exact in float64, so the true sums are known."""
    rng = torch.Generator().manual_seed(0)
    x = torch.randint(-4000, 4000, (5000, 6), generator=rng).to(kind)
    moments = Moments.of([(x, x[:, :1], torch.zeros(5000, dtype=torch.long))])
    exact = x.double().T @ x.double()
    bound = 3 * (BLOCK * u + 5000 / BLOCK * 2.0**-53) * (x.double().abs().T @ x.double().abs())
    assert ((moments.sums.total().xx - exact).abs() <= bound).all()


def test_bad_rows_are_refused() -> None:
    x, y, fold = rows(20, 3, 2)
    moments = Moments(3, 2, 4)
    with pytest.raises(ImprintError, match="20 rows of activations, 19 of targets"):
        moments.add(x, y[:19], fold)
    x[3, 1] = float("nan")
    with pytest.raises(NotMeasurableError, match="NaN"):
        moments.add(x, y, fold)
    with pytest.raises(ImprintError, match="different shapes"):
        Moments(3, 2, 4).merge(Moments(3, 1, 4))


@pytest.mark.parametrize("products", [True, False])
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("where", ["activations", "targets"])
def test_rows_that_are_refused_leave_the_moments_as_they_were(where: str, bad: float, products: bool) -> None:
    x, y, fold = rows(2 * BLOCK + 30, 3, 2)  # the bad number comes in the last of several blocks
    more = {"activations": x.clone(), "targets": y.clone()}
    more[where][-1, 1] = bad
    spoiled, clean = Moments(3, 2, 4, products=products), Moments(3, 2, 4, products=products)
    for moments in (spoiled, clean):
        moments.add(x[:50], y[:50], fold[:50])
    with pytest.raises(NotMeasurableError, match=f"{where} hold NaN or infinite"):
        spoiled.add(more["activations"].double(), more["targets"], fold)
    for moments in (spoiled, clean):
        moments.add(x[50:99], y[50:99], fold[50:99])
    assert all(torch.equal(a, b) for a, b in zip(spoiled.sums.parts(), clean.sums.parts(), strict=True))
    assert spoiled.sums.roundoff == clean.sums.roundoff
    by_fold, untouched = Moments(3, 2, 1), Moments(3, 2, 1)
    with pytest.raises(NotMeasurableError, match=where):
        by_fold.add_fold(0, more["activations"], more["targets"])
    for moments in (by_fold, untouched):
        moments.add(x[:50], y[:50])
    assert torch.equal(by_fold.sums.xx, untouched.sums.xx)


def test_targets_that_single_precision_cannot_hold_are_refused_before_they_are_added() -> None:
    x, y, fold = rows(20, 3, 2)
    moments = Moments(3, 2, 4)
    with pytest.raises(NotMeasurableError, match="targets hold"):
        moments.add(x, 1e300 * y.double(), fold)
    assert float(moments.sums.count.sum()) == 0
