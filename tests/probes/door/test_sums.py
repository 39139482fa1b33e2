"""Means and finiteness of many rows, against PyTorch's own."""

from __future__ import annotations

import pytest
import torch

from imprint.probes.door.sums import all_finite, column_means


@pytest.mark.parametrize("kind", [torch.float32, torch.float64, torch.bfloat16])
def test_the_means_are_those_of_float64_over_several_blocks(kind: torch.dtype) -> None:
    x = (torch.randn(2500, 3, generator=torch.Generator().manual_seed(0)) + 1e4).to(kind)
    torch.testing.assert_close(column_means(x), x.double().mean(0), rtol=1e-14, atol=0)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_value_that_is_not_finite_is_seen_and_a_sum_that_overflows_is_not_one(value: float) -> None:
    x = torch.full((10, 3), 3e38)
    assert all_finite(x)
    x[4, 1] = value
    assert not all_finite(x)
