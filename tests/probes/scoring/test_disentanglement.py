"""Codes with one factor a unit score 1, mixed ones less, and unrelated ones nothing at all."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import mutual_info_score

from imprint.models.errors import ImprintError, NotMeasurableError, UnknownNameError
from imprint.probes.scoring.disentanglement import dci, mutual_information_gap

Floats = NDArray[np.float64]
N, K = 1000, 5
FACTORS = np.random.default_rng(0).uniform(-1, 1, (N, K))
TABLE = pd.DataFrame(FACTORS, columns=list("abcde"))


def draw(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def rotated(seed: int) -> Floats:
    return np.asarray(FACTORS @ np.linalg.qr(draw(seed).normal(size=(K, K)))[0])


ALIGNED = {
    "permuted and scaled": FACTORS[:, [3, 1, 4, 0, 2]] * np.array([1.0, -20, 0.3, 4, 5]),
    "squashed": np.tanh(2 * FACTORS),
}


@pytest.mark.parametrize("estimator", ["lasso", "forest"])
@pytest.mark.parametrize("name", ALIGNED)
def test_one_factor_a_unit_is_disentangled_and_complete(name: str, estimator: str) -> None:
    found = dci(torch.from_numpy(ALIGNED[name]), TABLE, estimator=estimator, shuffles=1, rng=draw())
    assert found.disentanglement == pytest.approx(1.0, abs=0.02) and found.completeness == pytest.approx(1.0, abs=0.02)
    assert found.informativeness.min() > 0.94 and found.floor.max() < 0.02 and found.why == ""
    assert (np.sort(found.importance, axis=0)[-1] > 0.98).all()


def test_rotated_codes_know_everything_and_are_entangled() -> None:
    lasso = [dci(torch.from_numpy(rotated(s)), TABLE, shuffles=1, rng=draw()) for s in range(100, 110)]
    assert all(found.informativeness.min() > 0.99 for found in lasso)
    assert 0.05 < np.mean([found.disentanglement for found in lasso]) < 0.3
    assert all(abs(found.disentanglement - found.completeness) < 0.03 for found in lasso)
    forest = dci(torch.from_numpy(rotated(100)), TABLE, estimator="forest", shuffles=1, rng=draw())
    assert lasso[0].disentanglement + 0.1 < forest.disentanglement < 0.6


def test_copies_are_one_code_to_the_lasso_and_three_to_the_forest() -> None:
    codes = torch.from_numpy(np.tile(FACTORS, 3).copy())
    lasso = dci(codes, TABLE, shuffles=2, rng=draw())
    forest = dci(codes, TABLE, estimator="forest", shuffles=1, rng=draw())
    assert lasso.disentanglement == pytest.approx(1.0, abs=0.01) and lasso.completeness == pytest.approx(1.0, abs=0.01)
    assert forest.disentanglement == pytest.approx(1.0, abs=0.01) and forest.completeness == pytest.approx(
        0.6, abs=0.02
    )


@pytest.mark.parametrize("estimator", ["lasso", "forest"])
def test_unrelated_codes_get_no_figure_but_a_reason(estimator: str) -> None:
    found = dci(
        torch.from_numpy(draw(1).normal(size=(N, K))),
        TABLE,
        estimator=estimator,
        shuffles=9 if estimator == "lasso" else 1,
        rng=draw(),
    )
    assert np.isnan(found.disentanglement) and np.isnan(found.completeness) and not found.importance.any()
    assert "no factor is predicted" in found.why and (found.informativeness < 0.01).all()


def test_factors_that_are_not_known_do_not_count() -> None:
    half = np.column_stack([FACTORS[:, 0], FACTORS[:, 1], draw(1).normal(size=(N, 2))])
    found = dci(torch.from_numpy(half), TABLE, rng=draw())
    assert found.disentanglement > 0.98 and found.completeness > 0.98 and not found.importance[:, 2:].any()
    single = dci(torch.from_numpy(half[:, [0, 2]]), TABLE, rng=draw())
    assert np.isnan(single.disentanglement) and single.completeness > 0.98 and "only one factor" in single.why


def test_classes_count_as_one_factor() -> None:
    colour = draw(2).integers(0, 3, N)
    table = pd.DataFrame({"colour": pd.Categorical.from_codes(colour, ["b", "g", "r"]), "size": FACTORS[:, 0]})
    codes = np.column_stack([np.eye(3)[colour], FACTORS[:, 0]]) + 0.01 * draw(3).normal(size=(N, 4))
    found = dci(torch.from_numpy(codes), table, rng=draw())
    assert found.disentanglement > 0.95 and found.informativeness.min() > 0.98
    assert found.importance[3].tolist() == pytest.approx([0.0, 1.0], abs=0.02)


def test_groups_keep_a_memory_of_episodes_from_passing_as_knowledge() -> None:
    groups = np.repeat(np.arange(25), 40)
    episode = pd.DataFrame({"a": draw(1).normal(size=25)[groups], "b": draw(2).normal(size=25)[groups]})
    codes = torch.from_numpy(draw(3).normal(size=(25, 25))[groups] + 0.1 * draw(4).normal(size=(N, 25)))
    assert dci(codes, episode, rng=draw()).informativeness.min() > 0.5
    assert "no factor" in dci(codes, episode, groups=groups, rng=draw()).why


def test_gaps_are_wide_for_one_factor_a_unit_and_nil_for_copies_and_noise() -> None:
    for codes in ALIGNED.values():
        found = mutual_information_gap(torch.from_numpy(codes), TABLE, rng=draw())
        assert found.score > 0.92 and found.floor < 0.02
    copies = mutual_information_gap(torch.from_numpy(np.tile(FACTORS, 2).copy()), TABLE, rng=draw())
    assert copies.score == pytest.approx(0.0, abs=1e-9)
    unrelated = mutual_information_gap(torch.from_numpy(draw(1).normal(size=(N, K))), TABLE, rng=draw())
    assert unrelated.score == pytest.approx(unrelated.floor, abs=0.01) and unrelated.score < 0.02
    assert mutual_information_gap(torch.from_numpy(rotated(100)), TABLE, rng=draw()).score < 0.6


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_strengths_are_those_of_the_textbook(seed: int) -> None:
    rng = draw(seed)
    label, codes = rng.integers(0, 3, 200), rng.normal(size=(200, 2))
    codes[:, 0] += label
    table = pd.DataFrame({"label": label, "number": codes[:, 1] ** 2 + rng.normal(size=200)})
    information = mutual_information_gap(torch.from_numpy(codes), table, bins=5, rng=draw()).strength
    five = pd.qcut(codes[:, 0], 5, labels=False)
    entropy = mutual_info_score(label, label)
    assert information[0, 0] == pytest.approx(mutual_info_score(five, label) / entropy, abs=1e-9)


def test_bad_requests_are_refused() -> None:
    codes = torch.from_numpy(FACTORS)
    with pytest.raises(UnknownNameError, match="Did you mean 'lasso'"):
        dci(codes, TABLE, estimator="laso", rng=draw())
    with pytest.raises(ImprintError, match="for 1000 rows of factors"):
        dci(codes[:7], TABLE, rng=draw())
    with pytest.raises(NotMeasurableError, match="never varies"):
        dci(codes, pd.DataFrame({"a": np.ones(N)}), rng=draw())
    with pytest.raises(NotMeasurableError, match="at least two"):
        mutual_information_gap(codes[:, :1], TABLE, rng=draw())
    with pytest.raises(NotMeasurableError, match="NaN"):
        dci(codes * torch.nan, TABLE, rng=draw())
