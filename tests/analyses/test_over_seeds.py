from __future__ import annotations

import math

import numpy as np
from scipy import stats

from imprint.analyses.over_seeds import over_seeds


def test_the_interval_is_that_of_a_t_test() -> None:
    values = np.random.default_rng(0).normal(size=12)
    found = over_seeds(values)
    low, high = stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
    assert np.allclose([found.value, found.low, found.high], [values.mean(), low, high]) and found.seeds == 12


def test_what_was_not_measured_is_not_counted() -> None:
    assert over_seeds([1.0, float("nan"), 3.0]).seeds == 2
    alone, nothing = over_seeds([2.0]), over_seeds([])
    assert alone.value == 2.0 and math.isnan(alone.low) and math.isnan(nothing.value)
    assert not alone.above(-9.0) and not alone.below(9.0), "one seed shows nothing"
