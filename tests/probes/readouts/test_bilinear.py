"""The low-rank readout against ridge regression, a search of another kind, and a concept written at a known place."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from imprint.models.errors import ImprintError
from imprint.probes.readouts.bilinear import Bilinear
from imprint.probes.readouts.ridge import Ridge

Array = np.ndarray[Any, Any]

GRID = (6, 5, 4)


def grid(n: int, seed: int, effect: float = 3.0) -> tuple[Array, Array, Array]:
    """Noise on 6 channels of 5 x 4 places; a concept added at place (1, 2) through one channel pattern, third."""
    rng = np.random.default_rng(seed)
    pattern = np.random.default_rng(99).normal(size=6)
    pattern /= np.linalg.norm(pattern)
    y = rng.integers(0, 2, n)
    x = rng.normal(size=(n, *GRID))
    x[:, :, 1, 2] += np.outer(effect * (y - 0.5), pattern)
    return x.reshape(n, -1), y, pattern


def test_what_one_channel_pattern_writes_at_one_place_is_found_with_few_rows() -> None:
    fresh, truth, pattern = grid(4000, 1000)
    few = np.mean([Bilinear(shape=GRID).fit(*grid(60, seed)[:2]).score(fresh, truth) for seed in range(4)])
    for n, gain in ((60, 0.05), (120, 0.0)):
        ridge = np.mean([Ridge(standardise=False).fit(*grid(n, seed)[:2]).score(fresh, truth) for seed in range(4)])
        assert 0.92 > few > ridge + gain
    fitted = Bilinear(shape=GRID).fit(*grid(120, 0)[:2]).fitted_
    where, what = fitted.spatial_map[..., 0, 0], fitted.channel_weights[:, 0, 0]
    assert where.shape == (5, 4) and int(where.argmax()) == 1 * 4 + 2
    assert float(where.norm()) == pytest.approx(1.0)
    assert float(what @ torch.from_numpy(pattern) / what.norm()) > 0.9
    rebuilt = torch.einsum("c,hw->chw", what, where).flatten()
    torch.testing.assert_close(rebuilt, fitted.weight[:, 0])


def test_what_is_not_on_the_grid_is_not_found() -> None:
    (x, y, _), (fresh, truth, _) = grid(400, 0, 0.0), grid(4000, 1, 0.0)
    assert Bilinear(shape=GRID).fit(x, y).score(fresh, truth) == pytest.approx(0.5, abs=0.05)


def test_full_rank_is_ridge() -> None:
    x, y, _ = grid(300, 0)
    plain = Ridge(standardise=False).fit(x, y).fitted_
    for readout in (Bilinear(), Bilinear(shape=GRID, rank=6)):
        fitted = readout.fit(x, y).fitted_
        torch.testing.assert_close(fitted.weight, plain.weight)
        torch.testing.assert_close(fitted.bias, plain.bias)


@pytest.mark.parametrize("rank", [1, 2])
def test_no_search_from_elsewhere_finds_better_weights_of_the_same_rank(rank: int) -> None:
    x, y, _ = grid(200, 0)
    penalty = 0.1
    fitted = Bilinear(shape=GRID, rank=rank, penalties=[penalty]).fit(x, y).fitted_
    assert torch.linalg.matrix_rank(fitted.weight[:, 0].reshape(6, 20), rtol=1e-8) == rank
    scale = np.sqrt(x.var(0).mean())
    z, target = torch.from_numpy((x - x.mean(0)) / scale), torch.from_numpy(y - y.mean())

    def loss(weight: torch.Tensor) -> torch.Tensor:
        return (z @ weight - target).square().sum() + penalty * len(x) * weight.square().sum()

    def searched(flat: Array) -> tuple[float, Array]:
        part = torch.from_numpy(flat).requires_grad_()
        value = loss((part[: 6 * rank].reshape(6, rank) @ part[6 * rank :].reshape(rank, 20)).flatten())
        value.backward()
        assert part.grad is not None
        return float(value.detach()), part.grad.numpy()

    ours = float(loss(fitted.weight[:, 0] * scale))
    rng = np.random.default_rng(0)
    found = [minimize(searched, 0.3 * rng.normal(size=26 * rank), jac=True, method="L-BFGS-B").fun for _ in range(3)]
    assert ours <= min(found) * (1 + 1e-4)


@pytest.mark.parametrize("shape", [(6, 5, 5), (6, 20), (0, 5, 4), (6, -5, -4)])
def test_bilinear_refuses_shapes_that_do_not_fit(shape: Any) -> None:
    x, y, _ = grid(50, 0)
    readout = Bilinear()
    readout.shape = shape
    with pytest.raises(ImprintError, match=r"expected (the )?\(channels, height, width\)"):
        readout.fit(x, y)


@pytest.mark.parametrize(("shape", "rank", "most"), [(GRID, 7, 6), (GRID, 0, 6), (None, 2, 1)])
def test_bilinear_refuses_ranks_that_do_not_exist(shape: Any, rank: int, most: int) -> None:
    x, y, _ = grid(50, 0)
    with pytest.raises(ImprintError, match=rf"rank is {rank}; expected 1\.\.{most} "):
        Bilinear(shape=shape, rank=rank).fit(x, y)
