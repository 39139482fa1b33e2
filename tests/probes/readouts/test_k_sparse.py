"""The units chosen are those of largest standardised difference, read by ridge regression."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge as ReferenceRidge
from sklearn.preprocessing import StandardScaler

from imprint.models.errors import ImprintError
from imprint.probes.fitting.moments import Moments
from imprint.probes.readouts.base import Columns
from imprint.probes.readouts.k_sparse import KSparse
from tests.known.labelled import planted, rows


@pytest.mark.parametrize("k", [1, 3])
def test_k_sparse_is_ridge_on_the_units_of_largest_standardised_mean_difference(k: int) -> None:
    x, y = rows()
    z = StandardScaler().fit_transform(x)
    difference = np.abs(z[y == 1].mean(0) - z[y == 0].mean(0))
    units = np.argsort(-difference)[:k]
    fitted = KSparse(k=k, penalty=0.01).fit(x, y).fitted_
    assert fitted.units[:, 0].tolist() == units.tolist()
    reference = ReferenceRidge(alpha=0.01 * len(x)).fit(z[:, units], y)
    np.testing.assert_allclose(fitted.weight[units, 0].numpy() * x.std(0)[units], reference.coef_, rtol=1e-6)
    assert int((fitted.weight != 0).sum()) == k
    reading = fitted(torch.from_numpy(x))[:, 0].numpy()
    assert reading[y == 1].mean() == pytest.approx(-reading[y == 0].mean())  # decided halfway


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), classes=st.integers(3, 5), k=st.integers(1, 9))
def test_k_sparse_ranks_by_the_class_that_a_unit_tells_best(seed: int, classes: int, k: int) -> None:
    x, y = rows(classes, 200, 8, seed)
    z = StandardScaler().fit_transform(x)
    difference = [np.abs(z[y == c].mean(0) - z[y != c].mean(0)) for c in range(classes)]
    expected = np.argsort(-np.max(difference, axis=0))[:k]
    units = KSparse(k=k).fit(x, y).fitted_.units
    assert units.shape == (min(k, 8), classes)
    assert all(units[:, c].tolist() == expected.tolist() for c in range(classes))


def test_k_sparse_finds_the_units_that_were_written_to() -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 1000)
    x = rng.normal(size=(1000, 50)) * np.logspace(-3, 3, 50)  # units of very different size
    x[:, 7] *= 0.1
    x[:, [7, 31]] += y[:, None] * x[:, [7, 31]].std(0) * [1.5, -1.0]
    x[:, 20] = 5.0  # silent
    assert KSparse(k=2).fit(x, y).fitted_.units[:, 0].tolist() == [7, 31]
    everything = KSparse(k=100).fit(x, y).fitted_
    assert everything.units.shape == (50, 1) and int(everything.units[-1, 0]) == 20
    assert float(everything.weight[20, 0]) == 0.0


def test_k_sparse_ranks_units_on_the_training_folds_alone() -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 400)
    fold = np.arange(400) % 2
    x = rng.normal(size=(400, 6))
    x[fold == 0, 2] += 10.0 * y[fold == 0]
    x[fold == 1, 4] += 10.0 * y[fold == 1]
    moments = Moments.of([(torch.from_numpy(x), torch.from_numpy(y)[:, None], torch.from_numpy(fold))], 2)
    without_0, without_1 = KSparse(k=1).solve(moments, Columns.single(1, classes=True), [0, 1])
    assert [int(fitted.units) for fitted in (without_0, without_1)] == [4, 2]  # type: ignore[attr-defined]


@pytest.mark.parametrize(("effect", "expected", "error"), [(0.0, 0.501, 0.02), (1.0, 0.556, 0.02), (2.0, 0.616, 0.03)])
def test_the_best_single_unit_reads_a_spread_out_concept_as_badly_as_in_the_reference_table(
    effect: float, expected: float, error: float
) -> None:
    scores = []
    for seed in range(0, 20, 2):
        x, y = planted(5000, effect, seed=seed)
        scores.append(KSparse(k=1).fit(x[:1000], y[:1000]).score(x[1000:], y[1000:]))
    assert np.mean(scores) == pytest.approx(expected, abs=error)


@pytest.mark.parametrize("k", [0, -2, 1.5])
def test_k_sparse_refuses_impossible_settings(k: Any) -> None:
    readout = KSparse()
    readout.k = k
    with pytest.raises(ImprintError, match="expected a whole number of units, 1 or more"):
        readout.fit(*rows())
    with pytest.raises(ImprintError, match=r"penalty is 0\.0"):
        KSparse(penalty=0.0).fit(*rows())
