"""Moments and the ridge solved from them, against scikit-learn and against themselves in pieces."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge as Reference

from imprint.models.errors import ImprintError, NotMeasurableError
from imprint.probes.moments import Moments
from imprint.probes.readouts.ridge import PENALTIES, Ridge


def rows(n: int, d: int, q: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(seed)
    x = torch.randn(n, d, generator=rng) * 3 + 5
    y = x[:, :q] @ torch.randn(q, q, generator=rng) + torch.randn(n, q, generator=rng)
    return x, y, torch.randint(0, 4, (n,), generator=rng)


@settings(max_examples=20, deadline=None)
@given(cuts=st.lists(st.integers(1, 199), min_size=1, max_size=5, unique=True), seed=st.integers(0, 99))
def test_merged_shards_equal_one_pass(cuts: list[int], seed: int) -> None:
    x, y, fold = rows(200, 6, 3, seed)
    whole = Moments(6, 3, 4)
    whole.add(x, y, fold)
    merged = Moments(6, 3, 4)
    for a, b in zip([0, *sorted(cuts)], [*sorted(cuts), 200], strict=True):
        part = Moments(6, 3, 4)
        part.add(x[a:b], y[a:b], fold[a:b])
        merged = merged.merge(part)
    for one, other in zip(whole.sums.parts(), merged.sums.parts(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-9)


def test_ridge_equals_scikit_learn_on_standardised_columns() -> None:
    x, y, _ = rows(500, 12, 3)
    x[:, 4] = 7.0  # a dead unit
    fitted = Ridge().fit(x, y, rng=torch.Generator().manual_seed(1))
    scale = x.double().std(0, unbiased=False)
    z = ((x - x.mean(0)) / torch.where(scale > 0, scale, 1.0)).double().numpy()
    errors = []
    for penalty in PENALTIES:
        reference = Reference(alpha=penalty * len(x)).fit(z, y.numpy())
        weight = np.where(scale.numpy()[:, None] > 0, reference.coef_.T / np.where(scale > 0, scale, 1.0)[:, None], 0.0)
        errors.append(np.abs(weight - fitted.weight.numpy()).max(0) / np.abs(weight).max(0))
    assert (np.min(errors, axis=0) < 1e-5).all()
    assert torch.equal(fitted.weight[4], torch.zeros(3, dtype=torch.float64))


def test_the_penalty_is_chosen_by_held_out_error() -> None:
    """With pure noise the strongest penalty wins; with a clean signal a weak one does."""
    rng = torch.Generator().manual_seed(3)
    x = torch.randn(120, 40, generator=rng)
    noise, clean = torch.randn(120, 1, generator=rng), x[:, :1] * 2
    norms = [float(Ridge().fit(x, y, rng=torch.Generator().manual_seed(0)).weight.norm()) for y in (noise, clean)]
    assert norms[0] < 0.2
    assert norms[1] == pytest.approx(2.0, abs=0.01)


def test_bad_rows_are_refused() -> None:
    x, y, fold = rows(20, 3, 2)
    moments = Moments(3, 2, 4)
    with pytest.raises(ImprintError, match="20 rows of activations, 19 of targets"):
        moments.add(x, y[:19], fold)
    x[3, 1] = float("nan")
    with pytest.raises(NotMeasurableError, match="NaN"):
        moments.add(x, y, fold)
    with pytest.raises(ImprintError, match="different shapes"):
        moments.merge(Moments(3, 1, 4))
