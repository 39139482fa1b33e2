"""Logistic regression is that of scikit-learn, and its penalty is chosen on whole groups."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from imprint.models.errors import ImprintError, NotMeasurableError
from imprint.probes.fitting import logistic_regression
from imprint.probes.readouts.logistic import Logistic
from imprint.probes.readouts.online_code import OnlineCode
from tests.known.labelled import planted, rows


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("penalty", [1e-3, 1e-1])
def test_logistic_is_that_of_scikit_learn_on_standardised_columns(classes: int, penalty: float) -> None:
    x, y = rows(classes)
    keep = (y > 0) | (np.arange(len(y)) % 3 == 0)  # unequal classes
    x, y = x[keep], y[keep]
    z = StandardScaler().fit_transform(x)
    reference = LogisticRegression(C=1 / (penalty * len(x)), class_weight="balanced", tol=1e-8, max_iter=5000).fit(z, y)
    ours = Logistic(penalties=[penalty]).fit(x, y)
    np.testing.assert_allclose(ours.decision_function(x), reference.decision_function(z), atol=1e-3)
    np.testing.assert_allclose(ours.fitted_.weight.numpy().T * x.std(0), reference.coef_, atol=1e-3)


def test_logistic_chooses_its_penalty_on_groups_that_are_kept_whole() -> None:
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(40), 15)
    y = rng.permutation(40)[group] % 2
    x = rng.normal(size=(40, 60))[group] + 0.3 * rng.normal(size=(600, 60))  # groups differ, the concept is not there
    leaky, whole = Logistic().fit(x, y), Logistic().fit(x, y, groups=group)
    size = [float(readout.fitted_.weight.norm()) for readout in (leaky, whole)]
    assert size[1] < 0.3 * size[0]
    assert torch.equal(leaky.fitted_.weight, Logistic(penalties=[1e-3]).fit(x, y).fitted_.weight)


def test_logistic_chooses_a_small_penalty_where_the_concept_is_plain() -> None:
    x, y = planted(1000, 6.0, seed=0, width=10)
    chosen = Logistic().fit(x, y).fitted_.weight
    assert torch.equal(chosen, Logistic(penalties=[1e-3]).fit(x, y).fitted_.weight)


def test_logistic_that_does_not_converge_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logistic_regression, "STEPS", 1)
    for readout in (Logistic(), OnlineCode()):
        with pytest.raises(NotMeasurableError, match="did not converge in 1 steps"):
            readout.fit(*rows())


def test_logistic_needs_two_classes_and_positive_penalties() -> None:
    x, y = (torch.from_numpy(part) for part in rows())
    with pytest.raises(NotMeasurableError, match="only one class"):
        Logistic().fit_rows(x, torch.zeros_like(y), 2, groups=None, seed=0)
    for penalties in ([], [0.0, 1.0], [-1.0]):
        with pytest.raises(ImprintError, match="expected one or more numbers above 0"):
            Logistic(penalties=penalties).fit(*rows())
