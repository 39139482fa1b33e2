from __future__ import annotations

import numpy as np
import pytest

from imprint.analyses.goals.curves import crossing, dip


def test_the_crossing_is_where_the_goal_overtakes_for_good() -> None:
    assert crossing([0, 1, 2, 3], [0.1, 0.2, 0.6, 0.8], [0.8, 0.8, 0.2, 0.1]) == pytest.approx(1.6)
    assert crossing([0, 1, 2], [0.3, 0.1, 0.5], [0.1, 0.8, 0.1]) == pytest.approx(1 + 0.7 / 1.1)
    assert np.isnan(crossing([0, 1], [0.9, 0.1], [0.0, 0.8]))
    assert crossing([5, 6], [0.9, 0.9], [0.0, 0.1]) == 5


def test_the_dip_is_the_deepest_fall_from_an_earlier_height() -> None:
    assert dip([0.4, 0.9, 0.6, 0.8]) == pytest.approx(0.3)
    assert dip([0.1, 0.5, 0.9]) == 0.0
    assert dip([0.9, 0.1]) == 0.0
