"""Readouts against scikit-learn: the same coefficients, the same scores, and its own checks of an estimator."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import Ridge as ReferenceRidge
from sklearn.linear_model import RidgeClassifierCV
from sklearn.neighbors import NearestCentroid

from imprint.models.errors import NotMeasurableError
from imprint.probes.readouts.linear_discriminant import LinearDiscriminant
from imprint.probes.readouts.mean_difference import MeanDifference
from imprint.probes.readouts.regression import Regression
from imprint.probes.readouts.ridge import Ridge


def rows(classes: int, n: int = 600, d: int = 10, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, classes, n)
    centres = rng.normal(size=(classes, d))
    return rng.normal(size=(n, d)) @ (np.eye(d) + 0.5 * rng.normal(size=(d, d))) + centres[y] + 3.0, y


@pytest.mark.parametrize("penalty", [1e-4, 1e-2, 1.0])
def test_ridge_has_the_coefficients_of_scikit_learn(penalty: float) -> None:
    x, y = rows(2)
    z = (x - x.mean(0)) / x.std(0)
    ours = Ridge(penalties=[penalty]).fit(z, y).fitted_.weight[:, 0].numpy()
    theirs = RidgeClassifierCV(alphas=[penalty * len(x)]).fit(z, y).coef_.ravel()
    np.testing.assert_allclose(2 * ours, theirs, rtol=1e-5)
    numbers = x[:, 0] ** 2
    fitted = Regression(penalties=[penalty]).fit(z, numbers).fitted_
    theirs = ReferenceRidge(alpha=penalty * len(x)).fit(z, numbers)
    np.testing.assert_allclose(fitted.weight[:, 0].numpy(), theirs.coef_, rtol=1e-5)
    np.testing.assert_allclose(fitted.bias[0].numpy(), theirs.intercept_, rtol=1e-5)


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("shrinkage", [0.0, 0.1, 0.7])
def test_the_discriminant_is_that_of_scikit_learn(classes: int, shrinkage: float) -> None:
    x, y = rows(classes)
    ours = LinearDiscriminant(shrinkage=shrinkage).fit(x, y)
    theirs = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=shrinkage).fit(x, y)
    prior = np.log(theirs.priors_)  # ours has equal ones
    read = ours.decision_function(x)
    reference = theirs.decision_function(x) - (prior[1] - prior[0] if classes == 2 else prior)
    if classes > 2:  # only differences between classes mean anything
        read, reference = read - read[:, :1], reference - reference[:, :1]
    np.testing.assert_allclose(read, reference, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("classes", [2, 5])
def test_the_mean_difference_is_the_nearest_centroid(classes: int) -> None:
    x, y = rows(classes)
    assert (MeanDifference().fit(x, y).predict(x) == NearestCentroid().fit(x, y).predict(x)).all()


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
