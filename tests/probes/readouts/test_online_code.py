"""The code length is that of its blocks, and compression that of a reference table."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from imprint.models.errors import ImprintError
from imprint.probes.readouts.online_code import OnlineCode
from tests.known.labelled import planted, rows


@pytest.mark.parametrize(
    ("effect", "compression", "error"), [(0.0, 0.984, 0.006), (1.0, 1.157, 0.02), (2.0, 1.778, 0.06), (4.0, 5.58, 0.25)]
)
def test_compression_is_that_of_the_reference_table(effect: float, compression: float, error: float) -> None:
    found = [
        OnlineCode(standardise=False).fit(*planted(8000, effect, seed=seed)).fitted_.compression for seed in (0, 2)
    ]
    assert np.mean(found) == pytest.approx(compression, abs=error)
    assert (np.mean(found) < 1) == (effect == 0)


def test_the_code_is_the_sum_of_its_blocks() -> None:
    x, y = rows(3, n=1000)
    fitted = OnlineCode(prior_variance=0.5).fit(x, y).fitted_
    ends = fitted.block_rows.cumsum(0).tolist()
    assert ends == [1, 2, 4, 8, 16, 32, 62, 125, 250, 500, 1000]
    assert float(fitted.uniform_code) == pytest.approx(1000 * np.log2(3))
    assert float(fitted.block_bits[0]) == pytest.approx(np.log2(3))
    z, order = StandardScaler().fit_transform(x), np.random.default_rng(0).permutation(1000)
    order = np.argsort(np.argsort(order))  # the rows in the order in which they were dealt
    z, y = z[order], y[order]
    for block, (start, end) in enumerate(pairwise(ends)):
        if len(np.unique(y[:start])) < 3:
            continue
        model = LogisticRegression(C=0.5, tol=1e-8, max_iter=5000).fit(z[:start], y[:start])
        bits = -np.log2(model.predict_proba(z[start:end])[np.arange(end - start), y[start:end]]).sum()
        assert float(fitted.block_bits[block + 1]) == pytest.approx(bits, rel=1e-4)
    assert fitted.code_length == pytest.approx(float(fitted.block_bits.sum()))
    assert fitted.compression == pytest.approx(1000 * np.log2(3) / fitted.code_length)


def test_a_label_that_has_not_occurred_yet_has_a_finite_code() -> None:
    fitted = OnlineCode().fit(np.zeros((2, 1)), [0, 1]).fitted_
    assert fitted.block_bits.tolist() == [1.0, 1.0] and fitted.compression == 1.0  # p = 1 / (1 + 1)
    rare = np.zeros(1000, dtype=int)
    rare[:3] = [1, 2, 3]
    fitted = OnlineCode().fit(np.random.default_rng(0).normal(size=(1000, 2)), rare).fitted_
    assert 30 < fitted.code_length < 300  # of 2,000; the entropy of the labels is 35


def test_shuffled_labels_do_not_compress() -> None:
    x, y = planted(2000, 4.0, seed=0)
    code = OnlineCode().fit(x, y).fitted_.compression
    shuffled = OnlineCode().fit(x, np.random.default_rng(0).permutation(y)).fitted_.compression
    assert code > 2.5 and 0.9 < shuffled < 1


def test_groups_are_sent_whole() -> None:
    x, y = rows(n=1000)
    group = np.random.default_rng(0).permutation(np.arange(1000) % 25)
    fitted = OnlineCode().fit(x, y, groups=group).fitted_
    assert (fitted.block_rows % 40 == 0).all() and int(fitted.block_rows.sum()) == 1000
    assert len(fitted.block_rows) > 4


def test_a_concept_of_groups_does_not_compress_by_recognising_the_group() -> None:
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(50), 20)
    y = rng.permutation(50)[group] % 2
    x = rng.normal(size=(50, 60))[group] + 0.1 * rng.normal(size=(1000, 60))  # groups differ, the concept is not there
    assert OnlineCode().fit(x, y, groups=group).fitted_.compression < 1 < OnlineCode().fit(x, y).fitted_.compression


def test_one_group_has_no_code_but_a_probe() -> None:
    x, y = rows()
    fitted = OnlineCode().fit(x, y, groups=np.zeros(500)).fitted_
    assert np.isnan(fitted.code_length) and np.isnan(fitted.compression)
    assert torch.equal(fitted.weight, OnlineCode().fit(x, y).fitted_.weight)


def test_the_probe_beside_the_code_is_a_balanced_logistic_regression() -> None:
    x, y = rows(2)
    reference = LogisticRegression(C=0.01, class_weight="balanced", tol=1e-8).fit(StandardScaler().fit_transform(x), y)
    found = OnlineCode().fit(x, y).fitted_.weight[:, 0].numpy() * x.std(0)
    np.testing.assert_allclose(found, reference.coef_[0], atol=1e-5)
    with pytest.raises(ImprintError, match=r"prior_variance is 0\.0"):
        OnlineCode(prior_variance=0.0).fit(x, y)
