"""Rows without a Cholesky factor: ReLU maps with dead, rare and repeated units, against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import Ridge as ReferenceRidge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import imprint
from imprint.probes.fitting.damped import Damped, solved_together
from imprint.probes.fitting.least_squares import LeastSquares
from imprint.probes.fitting.moments import Moments
from imprint.probes.fitting.row_ridge import RowRidge
from imprint.probes.readouts.bilinear import Bilinear
from imprint.probes.readouts.k_sparse import KSparse
from imprint.probes.readouts.linear_discriminant import LinearDiscriminant
from imprint.probes.readouts.regression import Regression
from imprint.probes.readouts.ridge import Ridge

N, PLACES = 400, 16


def relu_map(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A map of 4 channels x 16 places of N inputs, of rank 15 at most, and a label that one unit shows.

    Channel 0 has dead and rare units, channel 2 repeats channel 1 exactly, and channel 3 is their sum.
    """
    rng = np.random.default_rng(seed)
    y = np.arange(N) % 2
    first = np.maximum(rng.normal(size=(N, PLACES)) - 1.0, 0.0)
    first[:, :4] = 0.0
    for unit, active in zip(range(4, 8), ([0, 3], [2, 5, 9], [1, 4, 8, 12], [0, 6, 7, 11, 13]), strict=True):
        first[:, unit] = 0.0
        first[active, unit] = 1e-3 * rng.random(len(active))
    second = np.maximum(rng.normal(size=(N, PLACES)) + y[:, None] * (np.arange(PLACES) == 3), 0.0)
    return np.concatenate([first, second, second, first + second], axis=1), y


@pytest.mark.parametrize(("penalty", "single"), [(1e-14, False), (1e-4, False), (1e-4, True), (1e-1, True)])
def test_ridge_reads_what_scikit_learn_reads(penalty: float, single: bool) -> None:
    x, y = relu_map()
    rows = x.astype(np.float32).astype(np.float64) if single else x
    theirs = make_pipeline(StandardScaler(), ReferenceRidge(alpha=penalty * N, solver="svd"))
    given, labels = torch.tensor(x, dtype=torch.float32 if single else torch.float64), torch.tensor(y)[:, None].double()
    moments = Moments.of([(given, labels, torch.zeros(N, dtype=torch.long))])
    ((weight, bias, _),) = LeastSquares([penalty]).solve(moments, torch.zeros(1, dtype=torch.long), [None])
    read, expected = rows @ weight.numpy() + bias.numpy(), theirs.fit(rows, y).predict(rows)
    np.testing.assert_allclose(read[:, 0], expected, atol=2e-4 if single else 1e-6)
    by_rows = RowRidge(LeastSquares([penalty]), torch.tensor(rows), torch.arange(N) % 4, 4)
    (solution,) = by_rows.solutions(labels, [torch.zeros(1, dtype=torch.long)], [None])
    read = (rows - by_rows.origin.numpy()) @ solution.weight.numpy() + solution.bias.numpy()
    np.testing.assert_allclose(read[:, 0], expected, atol=1e-6)


@pytest.mark.parametrize("shrinkage", [0.0, 0.01])
def test_the_discriminant_reads_what_scikit_learn_reads(shrinkage: float) -> None:
    x, y = relu_map()
    ours = LinearDiscriminant(shrinkage).fit(x, y).decision_function(x)
    theirs = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=shrinkage, priors=[0.5, 0.5]).fit(x, y)
    np.testing.assert_allclose(ours, theirs.decision_function(x), rtol=1e-5, atol=1e-6)


def test_every_probe_of_moments_reads_the_map_and_repeats_of_a_unit_change_nothing() -> None:
    (x, y), (other, truth) = relu_map(), relu_map(1)
    low_rank = [Bilinear(shape=(4, 4, 4), rank=rank) for rank in (1, 4)]
    for readout in (Ridge(), LinearDiscriminant(), KSparse(), *low_rank):
        scores = [readout.fit(rows, y).score(other, truth) for rows in (x, x.astype(np.float32))]
        assert scores[0] == pytest.approx(scores[1], abs=0.02) and scores[0] > 0.6, readout
    number = x[:, 19] + 0.1 * y
    assert Regression().fit(x, number).score(x, number) > 0.99
    for kind in (np.float32, np.float64):
        found = imprint.locate({"map": x.astype(kind)}, {"c": y}, nulls=5, resamples=20)
        assert np.isfinite(found["score"]).all() and found["score"].iloc[0] > 0.6


def test_a_system_that_rounding_made_indefinite_is_solved_with_its_positive_part() -> None:
    rng = np.random.default_rng(0)
    base = np.linalg.qr(rng.normal(size=(12, 12)))[0]
    values = np.r_[-1e-6, np.zeros(5), rng.random(6) + 1]  # no Cholesky factor on any processor
    gram, right = (base * values) @ base.T, rng.normal(size=(12, 3))
    expected = (base / (np.maximum(values, 0) + 1e-8)) @ base.T @ right
    system = torch.tensor((gram + gram.T) / 2)
    close = 1e-6 * np.abs(expected).max()
    np.testing.assert_allclose(Damped(system, 1e-8).solve(torch.tensor(right)), expected, rtol=1e-6, atol=close)
    both = torch.stack([system, torch.eye(12, dtype=torch.float64)])
    together = solved_together(both, 1e-8, torch.tensor(right).expand(2, 12, 3))
    np.testing.assert_allclose(together[0], expected, rtol=1e-6, atol=close)
    np.testing.assert_allclose(together[1], right / (1 + 1e-8), rtol=1e-12)
    undamped = Damped(torch.zeros(3, 3, dtype=torch.float64), 0.0).solve(torch.ones(3, 1, dtype=torch.float64))
    assert undamped.tolist() == [[0.0]] * 3
