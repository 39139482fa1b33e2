from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from imprint.analyses.goals.crossed import crossed_draws
from imprint.models.errors import ImprintError, UnknownNameError


def mean_only(means: np.ndarray) -> np.ndarray:
    return means[..., :1]


def test_of_one_seed_the_interval_of_a_mean_is_students() -> None:
    x = np.random.default_rng(0).normal(3, 2, size=(1, 200, 1))
    found = crossed_draws(x, mean_only, ("x",), resamples=4000, rng=np.random.default_rng(1)).number("x")
    low, high = stats.t.interval(0.95, 199, x.mean(), x.std(ddof=1) / 200**0.5)
    assert (found.low, found.high) == (pytest.approx(low, abs=0.01), pytest.approx(high, abs=0.01))


@pytest.mark.parametrize("seeds", [3, 6])
def test_the_interval_holds_the_truth_whatever_part_is_due_to_seeds(seeds: int) -> None:
    rng, covered = np.random.default_rng(seeds), []
    for i in range(240):
        own, level = rng.normal(0, (0.0, 0.1, 1.0)[i % 3], (seeds, 1)), rng.normal(0, 1, 30)
        rows = (5 + own + level + rng.normal(0, 1, (seeds, 30)))[..., None]
        ratio = np.concatenate([rows, np.ones_like(rows) * 2], axis=2)
        found = crossed_draws(ratio, lambda m: m[..., :1] / m[..., 1:], ("r",), resamples=200, rng=rng).number("r")
        covered.append(found.low <= 2.5 <= found.high)
    assert 0.92 <= np.mean(covered) <= 0.99


def test_statistics_keep_going_together() -> None:
    x = np.random.default_rng(0).normal(size=(4, 100, 1))
    both = np.concatenate([x, -x], axis=2)
    found = crossed_draws(both, lambda m: m, ("a", "b"), resamples=500, rng=np.random.default_rng(0))
    assert np.corrcoef(found.draws.T)[0, 1] == pytest.approx(-1.0, abs=1e-6)


def test_what_is_the_same_on_all_levels_is_not_known_exactly() -> None:
    found = crossed_draws(np.ones((3, 50, 1)), mean_only, ("x",), resamples=200, rng=np.random.default_rng(0))
    assert found.number("x").low < 1.0 < found.number("x").high
    share = found.number("x", share=True)  # of a whole there is no more than all
    assert share.low == found.number("x").low and share.high == 1.0


def test_mistakes_are_named() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(ImprintError, match="at least two levels"):
        crossed_draws(np.ones((3, 1, 1)), mean_only, ("x",), resamples=200, rng=rng)
    found = crossed_draws(np.ones((1, 9, 1)), mean_only, ("wanting coin",), resamples=100, rng=rng)
    with pytest.raises(UnknownNameError, match="wanting coin"):
        found.number("wanting coins")
