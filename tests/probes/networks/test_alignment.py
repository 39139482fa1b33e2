"""Same units, renamed units, a rotated space and nothing in common are told apart."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from imprint.models.errors import ImprintError, NotMeasurableError
from imprint.probes.networks.alignment import ROUTES, cka_matrix, linear_cka, transfer

N, WIDTH = 1200, 64


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def draw(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def randn(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=rng(seed), dtype=torch.float64)


CONCEPTS = pd.DataFrame(
    {
        "lit": draw(1).random(N) > 0.7,
        "colour": pd.Categorical.from_codes(draw(2).integers(0, 3, N), ["blue", "green", "red"]),
        "speed": draw(3).normal(size=N),
    }
)


def network() -> Tensor:
    """Concepts along dense directions that no unit is dominated by; units otherwise have lives of their own."""
    y = np.column_stack([CONCEPTS["lit"] * 3.5, np.eye(3)[CONCEPTS["colour"].cat.codes] * 4, CONCEPTS["speed"] * 2])
    own = torch.from_numpy(draw(0).laplace(size=(N, WIDTH)) / 2**0.5)
    return torch.from_numpy(y) @ torch.linalg.qr(randn(WIDTH, 5, seed=5)).Q.T + own


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    a = network()
    renamed = a[:, torch.randperm(WIDTH, generator=rng(7))] * torch.tensor([-1.0, 1.0]).repeat(WIDTH // 2) * 5 + 3
    rotated = a @ torch.linalg.qr(randn(WIDTH, WIDTH, seed=8)).Q * 2 - 1
    networks = torch.stack([a, a.clone(), renamed, rotated, randn(N, WIDTH, seed=9)])
    pairs = torch.tensor([[0, 1], [0, 2], [0, 3], [0, 4]])
    return transfer(networks, CONCEPTS, pairs=pairs, rng=draw()).set_index(["concept", "second"])


IDENTICAL, RENAMED, ROTATED, UNRELATED = 1, 2, 3, 4
WORKS = {"lit": 0.9, "colour": 0.95, "speed": 0.7}
FAILS = {"lit": 0.62, "colour": 0.45, "speed": 0.1}
concept = pytest.mark.parametrize("concept", list(WORKS))


@concept
def test_an_identical_network_is_read_as_well_as_the_own_one(table: pd.DataFrame, concept: str) -> None:
    row = table.loc[(concept, IDENTICAL)]
    for route in ("same_unit", "hungarian", "procrustes"):
        assert row[route] == pytest.approx(row["own"], abs=1e-9) and row[route] > WORKS[concept]


@concept
def test_renamed_units_are_found_again_by_matching(table: pd.DataFrame, concept: str) -> None:
    row = table.loc[(concept, RENAMED)]
    assert row["same_unit"] < FAILS[concept]
    for route in ("hungarian", "procrustes"):
        assert row[route] == pytest.approx(row["own"], abs=0.01)
    assert row["hungarian"] > row["hungarian_floor"] + 0.03


@concept
def test_a_rotated_space_is_found_again_by_rotation_only(table: pd.DataFrame, concept: str) -> None:
    row = table.loc[(concept, ROTATED)]
    assert row["same_unit"] < FAILS[concept]
    assert row["procrustes"] == pytest.approx(row["own"], abs=0.01) and row["own"] > WORKS[concept]
    # Matching carries over a good deal between any two bases of one space. Its floor says how much.
    assert row["hungarian"] == pytest.approx(row["hungarian_floor"], abs=0.1)
    assert row["hungarian"] < row["procrustes"] - 0.02


@concept
def test_nothing_restores_an_unrelated_network(table: pd.DataFrame, concept: str) -> None:
    assert (table.loc[(concept, UNRELATED), list(ROUTES)].astype(float) < FAILS[concept]).all()


def test_chance_and_metric_are_named(table: pd.DataFrame) -> None:
    first = table.xs(1, level="second")
    assert first["metric"].to_dict() == {"lit": "balanced_accuracy", "colour": "balanced_accuracy", "speed": "r2"}
    assert first["chance"].tolist() == pytest.approx([0.5, 1 / 3, 0.0])


def test_many_pairs_at_once_give_what_one_gives() -> None:
    networks = torch.stack([network() + randn(N, WIDTH, seed=s) for s in range(7)])
    every = transfer(networks, CONCEPTS, rng=draw())
    assert len(every) == 42 * 3 and (every["first"] != every["second"]).all()
    alone = transfer(networks, CONCEPTS, pairs=torch.tensor([[5, 2]]), rng=draw())
    of_pair = every[(every["first"] == 5) & (every["second"] == 2)]
    np.testing.assert_allclose(of_pair[list(ROUTES)].to_numpy(), alone[list(ROUTES)].to_numpy(), atol=1e-9)


def test_groups_are_not_memorised() -> None:
    groups = np.repeat(np.arange(20), 60)
    episode = randn(20, WIDTH, seed=1)[groups] + 0.05 * randn(N, WIDTH, seed=2)
    label = pd.DataFrame({"episode": (draw(5).permutation(20) < 10)[groups]})
    networks = torch.stack([episode, episode])
    assert transfer(networks, label, rng=draw())["own"].min() > 0.95
    assert transfer(networks, label, groups=groups, rng=draw())["own"].max() < 0.8


def test_dead_units_are_harmless() -> None:
    a = network()
    a[:, :4] = 2.5
    row = transfer(torch.stack([a, a]), CONCEPTS[["lit"]], rng=draw()).iloc[0]
    assert all(row[route] > 0.9 for route in ("same_unit", "hungarian", "procrustes", "own"))


def test_what_cannot_be_measured_says_why() -> None:
    x = torch.stack([network()] * 2)
    one = pd.DataFrame({"same": np.zeros(N, bool), "once": np.arange(N) == 4})
    table = transfer(x, one, rng=draw())
    assert table[list(ROUTES)].isna().all(axis=None) and table["chance"].isna().all()
    assert "never varies" in table["why"][0] and "missing from one half" in table["why"][2]
    with pytest.raises(NotMeasurableError, match="NaN"):
        transfer(x * torch.nan, CONCEPTS, rng=draw())
    with pytest.raises(ImprintError, match=r"expected \[S, n, d\]"):
        transfer(x[0], CONCEPTS, rng=draw())
    with pytest.raises(ImprintError, match=r"networks 0\.\.1"):
        transfer(x, CONCEPTS, pairs=torch.tensor([[0, 2]]), rng=draw())


def by_kernels(x: Tensor, y: Tensor) -> float:
    """Debiased CKA from n x n kernels, as the unbiased HSIC is written."""

    def hsic(k: Tensor, m: Tensor) -> Tensor:
        n = len(k)
        k, m = k - k.diag().diag(), m - m.diag().diag()
        mixed = k.sum() * m.sum() / ((n - 1) * (n - 2)) - 2 / (n - 2) * k.sum(0) @ m.sum(0)
        return ((k * m).sum() + mixed) / (n * (n - 3))

    k, m = x @ x.T, y @ y.T
    return float(hsic(k, m) / (hsic(k, k) * hsic(m, m)).sqrt())


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.booleans())
def test_cka_ignores_rotation_scale_and_shift_and_is_one_for_the_same(seed: int, debiased: bool) -> None:
    x, y = randn(40, 6, seed=seed), randn(40, 9, seed=seed + 1)
    y = y + x @ randn(6, 9, seed=seed + 2)
    turned = 7 * x @ torch.linalg.qr(randn(6, 6, seed=seed + 3)).Q - 4
    value = linear_cka(x, y, debiased=debiased)
    torch.testing.assert_close(linear_cka(turned, y, debiased=debiased), value)
    torch.testing.assert_close(linear_cka(y, x, debiased=debiased), value)
    torch.testing.assert_close(linear_cka(x, turned, debiased=debiased), torch.tensor(1.0, dtype=torch.float64))
    if debiased:
        assert float(value) == pytest.approx(by_kernels(x + 2, y - 1), abs=1e-9)


def test_only_the_debiased_estimate_is_nil_for_unrelated_networks_of_many_units() -> None:
    x, y = randn(20, 60, 80, seed=1), randn(20, 60, 80, seed=2)
    assert abs(float(linear_cka(x, y).mean())) < 0.02
    assert float(linear_cka(x, y, debiased=False).mean()) > 0.5


def test_the_matrix_is_made_of_the_pairs() -> None:
    networks = randn(4, 50, 7, seed=0) + randn(50, 7, seed=1)
    matrix = cka_matrix(networks)
    assert matrix.shape == (4, 4) and torch.equal(matrix.diagonal(), matrix.diagonal().clamp(1 - 1e-12, 1 + 1e-12))
    torch.testing.assert_close(matrix[1, 3], linear_cka(networks[1], networks[3]))
    torch.testing.assert_close(linear_cka(networks[:, None], networks), matrix)


def test_cka_of_nothing_is_missing() -> None:
    assert torch.isnan(linear_cka(torch.ones(10, 3), randn(10, 3, seed=0)))
    with pytest.raises(ImprintError, match="same 4"):
        linear_cka(torch.ones(10, 3), torch.ones(9, 3))
