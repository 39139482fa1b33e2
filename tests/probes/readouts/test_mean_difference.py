"""The mean difference is the nearest centroid."""

from __future__ import annotations

import pytest
from sklearn.neighbors import NearestCentroid

from imprint.probes.readouts.mean_difference import MeanDifference
from tests.known.labelled import rows


@pytest.mark.parametrize("classes", [2, 5])
def test_the_mean_difference_is_the_nearest_centroid(classes: int) -> None:
    x, y = rows(classes, n=600)
    assert (MeanDifference().fit(x, y).predict(x) == NearestCentroid().fit(x, y).predict(x)).all()
