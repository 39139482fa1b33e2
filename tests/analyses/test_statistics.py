"""Statistics against closed forms and the references in scipy and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import balanced_accuracy_score, r2_score, roc_auc_score, roc_curve

from imprint.analyses import statistics
from imprint.models.errors import ImprintError


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
    rule = {"margin": 0.05, "freedom": 50, "alpha": 0.05}
    assert statistics.equivalent(0.0, 0.01, **rule)
    assert not statistics.equivalent(0.0, 0.05, **rule)
    assert not statistics.equivalent(float("nan"), 0.01, **rule)


def test_p_above_is_uniform_under_the_null() -> None:
    rng = np.random.default_rng(2)
    p = []
    for _ in range(400):
        sample = rng.normal(size=30)
        draws = statistics.group_weights(30, 300, rng) @ sample / 30
        p.append(statistics.p_above(draws, float(sample.mean()), 29))
    assert 0.02 <= np.mean(np.array(p) < 0.05) <= 0.09


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 60), st.integers(1, 60))
def test_the_interval_of_a_rate_is_scipys_exact_one(hits: int, trials: int) -> None:
    hits = min(hits, trials)
    reference = stats.binomtest(hits, trials).proportion_ci(confidence_level=0.95, method="exact")
    rate = statistics.rate_of(hits, trials)
    assert (rate.value, rate.n) == (hits / trials, trials)
    assert (rate.low, rate.high) == pytest.approx((reference.low, reference.high))


def test_the_interval_of_a_rate_covers_at_least_as_often_as_it_says() -> None:
    for truth in (0.02, 0.3, 0.5):
        chance = stats.binom.pmf(np.arange(31), 30, truth)
        covers = [rate.low <= truth <= rate.high for rate in (statistics.rate_of(k, 30) for k in range(31))]
        assert chance[covers].sum() >= 0.95
    nothing = statistics.rate_of(0, 0)
    assert np.isnan([nothing.value, nothing.low, nothing.high]).all() and nothing.n == 0
    with pytest.raises(ImprintError, match="hits <= trials"):
        statistics.rate_of(3, 2)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(1e-9, 1.0), min_size=1, max_size=12))
def test_holm_equals_its_definition(p: list[float]) -> None:
    ours = statistics.holm(np.array(p))
    for i, own in enumerate(p):
        steps = [min(1.0, q * sum(r >= q for r in p)) for q in p if q <= own]
        assert ours[i] == pytest.approx(max(steps))
    assert (ours >= statistics.benjamini_hochberg(np.array(p)) - 1e-12).all()


def test_holm_keeps_the_rate_of_any_false_claim() -> None:
    rng = np.random.default_rng(5)
    p = rng.random((2000, 20))
    any_false = np.mean([(statistics.holm(row) < 0.05).any() for row in p])
    assert any_false == pytest.approx(0.05, abs=0.015)
    assert np.isnan(statistics.holm(np.array([0.01, np.nan]))[1])
    assert statistics.holm(np.array([0.01, np.nan]))[0] == 0.01


def test_a_permutation_p_is_never_zero_and_uniform_under_the_null() -> None:
    assert statistics.permutation_p(5.0, np.zeros(99)) == pytest.approx(0.01)
    assert statistics.permutation_p(0.0, np.zeros(99)) == 1.0
    assert statistics.permutation_p(1.0, np.array([0.0, np.nan, 0.0])) == 0.5
    assert np.isnan(statistics.permutation_p(float("nan"), np.zeros(9)))
    draws = np.random.default_rng(6).normal(size=(4000, 20))
    p = statistics.permutation_p(draws[:, 0], draws[:, 1:])
    np.testing.assert_allclose([np.mean(p <= a) for a in (0.05, 0.25, 0.5)], [0.05, 0.25, 0.5], atol=0.025)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 999), st.integers(1, 4), st.integers(2, 30))
def test_areas_under_the_curve_are_those_of_scikit_learn(seed: int, columns: int, levels: int) -> None:
    rng = np.random.default_rng(seed)
    positive = rng.random((62, columns)) < 0.4
    positive[0], positive[1] = True, False
    scores = rng.integers(0, levels, positive.shape) + positive * rng.random()
    ours = statistics.areas(scores, positive)
    for area, of, score in zip(ours, positive.T, scores.T, strict=True):
        assert area == pytest.approx(roc_auc_score(of, score))


def test_an_area_says_when_it_is_a_coin_toss_or_undefined() -> None:
    positive = np.array([[True], [False], [True], [False]])
    assert statistics.areas(np.ones((4, 1)), positive)[0] == 0.5
    assert np.isnan(statistics.areas(np.arange(4.0)[:, None], np.ones((4, 1), dtype=bool))[0])
    assert np.isnan(statistics.areas(np.array([[0.0], [np.nan], [1.0], [2.0]]), positive)[0])


@given(st.lists(st.floats(-100, 100), min_size=2, max_size=20).filter(lambda x: np.ptp(x) > 1e-3))
def test_students_interval_is_scipys(values: list[float]) -> None:
    interval = stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
    for mean in (statistics.mean_of_all(values), statistics.mean_of_known([*values, float("nan")])):
        assert mean.value == pytest.approx(np.mean(values), abs=1e-12) and mean.n == len(values)
        assert (mean.low, mean.high) == pytest.approx((interval.low, interval.high), abs=1e-9, rel=1e-9)


def test_one_number_has_a_mean_and_no_interval() -> None:
    assert statistics.mean_of_all([2.0]).value == 2.0
    assert np.isnan(statistics.mean_of_all([2.0]).low) and np.isnan(statistics.mean_of_all([]).value)


def test_a_missing_number_makes_the_mean_of_all_missing_and_is_left_out_of_the_mean_of_the_known() -> None:
    values = [1.0, float("nan"), 3.0]
    assert np.isnan(statistics.mean_of_all(values).value) and statistics.mean_of_all(values).n == 3
    assert statistics.mean_of_known(values).value == 2.0 and statistics.mean_of_known(values).n == 2
    assert str(statistics.mean_of_all(values)) == "not measured"


def test_an_estimate_is_the_columns_of_a_row_and_reads_as_number_and_interval() -> None:
    estimate = statistics.Estimate(0.5, 0.25, 0.75, 4)
    assert estimate.row() == {"estimate": 0.5, "low": 0.25, "high": 0.75, "seeds": 4}
    assert estimate.row("kept", ends="kept_", count=None) == {"kept": 0.5, "kept_low": 0.25, "kept_high": 0.75}
    assert f"{estimate} {estimate:+.2f}" == "0.5 [0.25, 0.75] +0.50 [+0.25, +0.75]"


def test_power_of_a_mean_is_that_of_the_one_sample_t_test() -> None:
    # G*Power 3.1 (Faul et al. 2007), one-sample t test, d = .5, n = 34, two-sided .05: power .8078
    assert abs(statistics.power_of_mean(0.5, 1.0, 34) - 0.80778) < 1e-4
    assert abs(statistics.power_of_mean(0.0, 1.0, 8) - 0.025) < 1e-9


def test_recall_at_a_fixed_rate_of_false_positives_keeps_that_rate() -> None:
    rng = np.random.default_rng(3)
    positive = rng.random((5000, 3)) < np.array([0.5, 0.05, 0.985])
    scores = rng.normal(size=(5000, 3)) + 2 * positive
    scores[:, 1] = np.round(scores[:, 1])  # with ties
    found = statistics.recalls(scores, positive)
    for column in range(2):
        points = roc_curve(positive[:, column], scores[:, column], drop_intermediate=False)
        within = points[1][points[0] <= 0.01].max()
        assert found[column] == pytest.approx(within)
    assert np.isnan(found[2])  # 75 negatives cannot show a rate of 1 %
    assert np.isnan(statistics.recalls(np.zeros((300, 1)), np.zeros((300, 1), dtype=bool))[0])
