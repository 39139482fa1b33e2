"""Student's t without its wrapper is that of scipy, to the last bit."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from imprint.probes.samples.intervals import t_above, t_quantile


@pytest.mark.parametrize("freedom", [1.0, 3.7, 59, 1e6, np.inf])
@pytest.mark.parametrize("number", [0.025, 0.5, 0.9999])
def test_students_t_is_scipys(freedom: float, number: float) -> None:
    assert t_quantile(number, freedom) == stats.t.ppf(number, freedom)
    for x in (-40 * number, 0.0, 3 * number):
        assert t_above(x, freedom) == stats.t.sf(x, freedom)


@pytest.mark.parametrize("freedom", [0.0, np.nan])
def test_without_degrees_of_freedom_it_is_missing(freedom: float) -> None:
    assert np.isnan(t_quantile(0.9, freedom)) and np.isnan(t_above(1.0, freedom))
