"""Statistics against closed forms and the references in scipy and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import balanced_accuracy_score, r2_score

from imprint.analyses import statistics


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(1e-9, 1.0), min_size=1, max_size=40))
def test_benjamini_hochberg_equals_scipy(p: list[float]) -> None:
    np.testing.assert_allclose(statistics.benjamini_hochberg(np.array(p)), stats.false_discovery_control(p), rtol=1e-12)


def test_missing_p_is_not_counted() -> None:
    q = statistics.benjamini_hochberg(np.array([0.01, np.nan, 0.04]))
    np.testing.assert_allclose(q[[0, 2]], stats.false_discovery_control([0.01, 0.04]))
    assert np.isnan(q[1])


def test_scores_from_sums_equal_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    y, guess = rng.integers(0, 3, 200), rng.integers(0, 3, 200)
    sums = [((guess == y) & (y == c)).sum() for c in range(3)] + [(y == c).sum() for c in range(3)]
    assert statistics.score(np.array(sums, dtype=float), regression=False) == pytest.approx(
        balanced_accuracy_score(y, guess)
    )
    a, b = rng.normal(size=200), rng.normal(size=200)
    sums = np.array([((a - b) ** 2).sum(), 200, a.sum(), (a**2).sum()])
    assert statistics.score(sums, regression=True) == pytest.approx(r2_score(a, b))


def test_undefined_scores_are_missing_not_zero() -> None:
    assert np.isnan(statistics.score(np.array([3.0, 0.0, 5.0, 0.0]), regression=False))
    assert np.isnan(statistics.score(np.array([1.0, 4.0, 8.0, 16.0]), regression=True))


def test_group_intervals_cover_when_rows_are_not_independent() -> None:
    """300 samples of 20 groups with a group effect.

    The 95 % interval of the mean covers the truth about as often as it says.
    """
    rng = np.random.default_rng(1)
    hits = 0
    for _ in range(300):
        values = rng.normal(size=(20, 1)) + 0.5 * rng.normal(size=(20, 10))
        sums = np.stack([values.sum(1), np.full(20, 10.0)], axis=-1)
        drawn = statistics.group_weights(20, 400, rng) @ sums
        low, high = statistics.interval(drawn[:, 0] / drawn[:, 1])
        hits += low <= 0 <= high
    assert 0.89 <= hits / 300 <= 0.97  # 20 groups: the percentile interval is a little short of 0.95


def test_equivalence_needs_evidence() -> None:
    assert statistics.equivalent(0.0, 0.01, 0.05, 50, 0.05)
    assert not statistics.equivalent(0.0, 0.05, 0.05, 50, 0.05)
    assert not statistics.equivalent(float("nan"), 0.01, 0.05, 50, 0.05)


def test_p_above_is_uniform_under_the_null() -> None:
    rng = np.random.default_rng(2)
    p = []
    for _ in range(400):
        sample = rng.normal(size=30)
        draws = statistics.group_weights(30, 300, rng) @ sample / 30
        p.append(statistics.p_above(draws, float(sample.mean()), 29))
    assert 0.02 <= np.mean(np.array(p) < 0.05) <= 0.09
