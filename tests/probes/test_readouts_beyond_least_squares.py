"""Readouts beyond plain least squares, each against scikit-learn, a closed form or a search of another kind."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.linear_model import Ridge as ReferenceRidge
from sklearn.preprocessing import StandardScaler
from torch import nn

from imprint.models.errors import ImprintError, NotMeasurableError
from imprint.probes.fitting import logistic_regression
from imprint.probes.fitting.moments import Moments
from imprint.probes.readouts.base import Columns
from imprint.probes.readouts.k_sparse import KSparse
from imprint.probes.readouts.logistic import Logistic
from imprint.probes.readouts.mlp import Mlp
from imprint.probes.readouts.online_code import OnlineCode
from imprint.probes.readouts.ridge import Ridge
from imprint.probes.subjects.subject import Subject

Array = np.ndarray[Any, Any]


def rows(classes: int = 2, n: int = 500, d: int = 10, seed: int = 0) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, classes, n)
    centres = rng.normal(size=(classes, d))
    return rng.normal(size=(n, d)) @ (np.eye(d) + 0.5 * rng.normal(size=(d, d))) + centres[y] + 3.0, y


def planted(n: int, effect: float, *, seed: int, width: int = 64) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    direction = np.random.default_rng([seed // 2, 7]).normal(size=width)
    y = rng.integers(0, 2, n)
    return rng.normal(size=(n, width)) + np.outer((y - 0.5) * effect, direction / np.linalg.norm(direction)), y


# -- logistic ----------------------------------------------------------------------------------------------------------


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


# -- k_sparse ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [1, 3])
def test_k_sparse_is_ridge_on_the_units_of_largest_standardised_mean_difference(k: int) -> None:
    x, y = rows()
    z = StandardScaler().fit_transform(x)
    difference = np.abs(z[y == 1].mean(0) - z[y == 0].mean(0))
    units = np.argsort(-difference)[:k]
    fitted = KSparse(k=k, penalty=0.01).fit(x, y).fitted_
    assert fitted.units[:, 0].tolist() == units.tolist()
    reference = ReferenceRidge(alpha=0.01 * len(x)).fit(z[:, units], y)
    np.testing.assert_allclose(fitted.weight[units, 0].numpy() * x.std(0)[units], reference.coef_, rtol=1e-6)
    assert int((fitted.weight != 0).sum()) == k
    reading = fitted(torch.from_numpy(x))[:, 0].numpy()
    assert reading[y == 1].mean() == pytest.approx(-reading[y == 0].mean())  # decided halfway


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), classes=st.integers(3, 5), k=st.integers(1, 9))
def test_k_sparse_ranks_by_the_class_that_a_unit_tells_best(seed: int, classes: int, k: int) -> None:
    x, y = rows(classes, 200, 8, seed)
    z = StandardScaler().fit_transform(x)
    difference = [np.abs(z[y == c].mean(0) - z[y != c].mean(0)) for c in range(classes)]
    expected = np.argsort(-np.max(difference, axis=0))[:k]
    units = KSparse(k=k).fit(x, y).fitted_.units
    assert units.shape == (min(k, 8), classes)
    assert all(units[:, c].tolist() == expected.tolist() for c in range(classes))


def test_k_sparse_finds_the_units_that_were_written_to() -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 1000)
    x = rng.normal(size=(1000, 50)) * np.logspace(-3, 3, 50)  # units of very different size
    x[:, 7] *= 0.1
    x[:, [7, 31]] += y[:, None] * x[:, [7, 31]].std(0) * [1.5, -1.0]
    x[:, 20] = 5.0  # silent
    assert KSparse(k=2).fit(x, y).fitted_.units[:, 0].tolist() == [7, 31]
    everything = KSparse(k=100).fit(x, y).fitted_
    assert everything.units.shape == (50, 1) and int(everything.units[-1, 0]) == 20
    assert float(everything.weight[20, 0]) == 0.0


def test_k_sparse_ranks_units_on_the_training_folds_alone() -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 400)
    fold = np.arange(400) % 2
    x = rng.normal(size=(400, 6))
    x[fold == 0, 2] += 10.0 * y[fold == 0]
    x[fold == 1, 4] += 10.0 * y[fold == 1]
    moments = Moments.of([(torch.from_numpy(x), torch.from_numpy(y)[:, None], torch.from_numpy(fold))], 2)
    without_0, without_1 = KSparse(k=1).solve(moments, Columns.single(1, classes=True), [0, 1])
    assert [int(fitted.units) for fitted in (without_0, without_1)] == [4, 2]  # type: ignore[attr-defined]


@pytest.mark.parametrize(("effect", "expected", "error"), [(0.0, 0.501, 0.02), (1.0, 0.556, 0.02), (2.0, 0.616, 0.03)])
def test_the_best_single_unit_reads_a_spread_out_concept_as_badly_as_in_the_reference_table(
    effect: float, expected: float, error: float
) -> None:
    scores = []
    for seed in range(0, 20, 2):
        x, y = planted(5000, effect, seed=seed)
        scores.append(KSparse(k=1).fit(x[:1000], y[:1000]).score(x[1000:], y[1000:]))
    assert np.mean(scores) == pytest.approx(expected, abs=error)


@pytest.mark.parametrize("k", [0, -2, 1.5])
def test_k_sparse_refuses_impossible_settings(k: Any) -> None:
    readout = KSparse()
    readout.k = k
    with pytest.raises(ImprintError, match="expected a whole number of units, 1 or more"):
        readout.fit(*rows())
    with pytest.raises(ImprintError, match=r"penalty is 0\.0"):
        KSparse(penalty=0.0).fit(*rows())


# -- mlp ---------------------------------------------------------------------------------------------------------------


def exclusive_or(n: int, seed: int) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    bits = rng.integers(0, 2, (n, 2))
    x = 0.3 * rng.normal(size=(n, 16))
    x[:, :2] += 2 * bits - 1
    return x, bits[:, 0] ^ bits[:, 1]


def test_exclusive_or_is_there_but_not_linear() -> None:
    train, test = exclusive_or(2000, 0), exclusive_or(4000, 1)
    assert Ridge().fit(*train).score(*test) == pytest.approx(0.506, abs=0.02)
    assert Logistic().fit(*train).score(*test) == pytest.approx(0.506, abs=0.02)
    assert Mlp().fit(*train).score(*test) == pytest.approx(0.998, abs=0.003)


def test_mlp_is_no_worse_than_a_linear_readout_where_the_concept_is_linear() -> None:
    x, y = planted(5000, 2.0, seed=0)
    network, line = (readout.fit(x[:1000], y[:1000]).score(x[1000:], y[1000:]) for readout in (Mlp(), Logistic()))
    assert network > line - 0.02


def test_mlp_reads_in_torch_what_its_engine_reads() -> None:
    x, y = rows(3, n=40)
    fitted = Mlp(hidden=5, passes=3).fit(x, y).fitted_
    assert [list(part.shape) for part in fitted.tensors().values()] == [[10, 5], [5], [5, 3], [3]]
    hidden = np.maximum(x @ fitted.hidden_weight.numpy() + fitted.hidden_bias.numpy(), 0)
    reading = hidden @ fitted.weight.numpy() + fitted.bias.numpy()
    np.testing.assert_allclose(fitted(torch.from_numpy(x)).numpy(), reading, rtol=1e-10)


def test_mlp_stops_on_groups_it_has_never_seen() -> None:
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(40), 25)
    y = rng.integers(0, 2, 40)[group]
    x = 2 * rng.normal(size=(40, 30))[group] + 0.1 * rng.normal(
        size=(1000, 30)
    )  # groups differ, the concept is not there
    surer = np.abs(Mlp().fit(x, y).decision_function(x)).mean()
    unsure = np.abs(Mlp().fit(x, y, groups=group).decision_function(x)).mean()
    assert unsure < 0.5 * surer


def test_mlp_seeds_draw_different_networks() -> None:
    x, y = rows()
    one, two = (Mlp(seed=seed, passes=3).fit(x, y).fitted_.hidden_weight for seed in (0, 1))
    assert not torch.allclose(one, two)


def test_mlp_can_be_the_value_of_a_subject() -> None:
    train = exclusive_or(2000, 0)
    fitted = Mlp().fit(*train).fitted_
    model = nn.Sequential(nn.Linear(16, 16, bias=False), nn.Linear(16, 1))
    with torch.no_grad():
        model[0].weight.copy_(torch.eye(16))
    observation = torch.from_numpy(train[0][:200]).float().requires_grad_()
    value = Subject(model).reading("0", fitted).value_with_grad(observation)
    (gradient,) = torch.autograd.grad(value.sum(), observation)
    torch.testing.assert_close(value.double(), fitted(observation.detach())[:, 0], atol=1e-5, rtol=1e-5)
    assert float(gradient[:, :2].abs().mean()) > 5 * float(gradient[:, 2:].abs().mean())


@pytest.mark.parametrize("setting", ["hidden", "passes"])
def test_mlp_refuses_impossible_settings(setting: str) -> None:
    with pytest.raises(ImprintError, match=f"{setting} is 0; expected a whole number"):
        Mlp(**{setting: 0}).fit(*rows())


# -- online_code -------------------------------------------------------------------------------------------------------


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
