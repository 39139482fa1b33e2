"""Ridge has the coefficients of scikit-learn, for classes and for numbers."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge as ReferenceRidge
from sklearn.linear_model import RidgeClassifierCV

from imprint.models.errors import NotMeasurableError
from imprint.probes.readouts.regression import Regression
from imprint.probes.readouts.ridge import Ridge
from tests.known.labelled import rows


@pytest.mark.parametrize("penalty", [1e-4, 1e-2, 1.0])
def test_ridge_has_the_coefficients_of_scikit_learn(penalty: float) -> None:
    x, y = rows(2, n=600)
    z = (x - x.mean(0)) / x.std(0)
    ours = Ridge(penalties=[penalty]).fit(z, y).fitted_.weight[:, 0].numpy()
    theirs = RidgeClassifierCV(alphas=[penalty * len(x)]).fit(z, y).coef_.ravel()
    np.testing.assert_allclose(2 * ours, theirs, rtol=1e-5)
    numbers = x[:, 0] ** 2
    fitted = Regression(penalties=[penalty]).fit(z, numbers).fitted_
    theirs = ReferenceRidge(alpha=penalty * len(x)).fit(z, numbers)
    np.testing.assert_allclose(fitted.weight[:, 0].numpy(), theirs.coef_, rtol=1e-5)
    np.testing.assert_allclose(fitted.bias[0].numpy(), theirs.intercept_, rtol=1e-5)


def test_groups_of_any_labels_are_the_same_groups_and_a_missing_one_is_refused() -> None:
    rng = np.random.default_rng(0)
    x, y, groups = rng.normal(size=(60, 5)), rng.random(60) < 0.5, np.arange(60) // 6
    named = np.array([f"episode {9 - g}" for g in groups], dtype=object)
    by_number, by_name = (Ridge().fit(x, y, of).direction for of in (groups, named))
    assert bool((by_number == by_name).all())
    with pytest.raises(NotMeasurableError, match="1 rows have no group"):
        Ridge().fit(x, y, np.where(np.arange(60) == 3, None, named))
    with pytest.raises(NotMeasurableError, match="expected one per row"):
        Ridge().fit(x, y, groups[:5])
