"""The discriminant is that of scikit-learn with equal priors."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from imprint.probes.readouts.linear_discriminant import LinearDiscriminant
from tests.known.labelled import rows


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("shrinkage", [0.0, 0.1, 0.7])
def test_the_discriminant_is_that_of_scikit_learn(classes: int, shrinkage: float) -> None:
    x, y = rows(classes, n=600)
    ours = LinearDiscriminant(shrinkage=shrinkage).fit(x, y)
    theirs = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=shrinkage).fit(x, y)
    prior = np.log(theirs.priors_)  # ours has equal ones
    read = ours.decision_function(x)
    reference = theirs.decision_function(x) - (prior[1] - prior[0] if classes == 2 else prior)
    if classes > 2:  # only differences between classes mean anything
        read, reference = read - read[:, :1], reference - reference[:, :1]
    np.testing.assert_allclose(read, reference, rtol=1e-5, atol=1e-6)
