"""Intervals cover what they should, widen with dependence, and are not made up."""

from __future__ import annotations

import math

import pytest
import torch

from imprint.probes.samples.intervals import LARGEST
from imprint.probes.samples.resamples import Resamples


def test_interval_of_a_mean_covers_it_as_often_as_it_says() -> None:
    rng = torch.Generator().manual_seed(0)
    hits = 0
    for _ in range(200):
        low, high = Resamples.of(60, count=400, rng=rng).mean(torch.randn(60, generator=rng) + 3)
        hits += low <= 3 <= high
    assert 0.88 <= hits / 200 <= 0.99


def test_rows_of_one_group_count_once() -> None:
    rng = torch.Generator().manual_seed(0)
    offsets = torch.randn(30, generator=rng)
    rows, groups = offsets.repeat_interleave(20), torch.arange(30).repeat_interleave(20).numpy()
    alone = Resamples.of(30, rng=rng).mean(offsets)
    grouped = Resamples.of(600, groups, rng=rng).mean(rows)
    naive = Resamples.of(600, rng=rng).mean(rows)
    assert grouped[1] - grouped[0] == pytest.approx(alone[1] - alone[0], rel=0.1)
    assert naive[1] - naive[0] < 0.4 * (grouped[1] - grouped[0])


def test_ratio_of_proportional_sums_is_exact() -> None:
    rows = torch.rand(50, generator=torch.Generator().manual_seed(1)) + 0.1
    assert Resamples.of(50, rng=torch.Generator()).ratio(2 * rows, rows) == pytest.approx((2.0, 2.0))


def test_one_group_or_undefined_draws_give_no_interval() -> None:
    one = Resamples.of(5, [0] * 5, rng=torch.Generator())
    assert all(math.isnan(end) for end in one.mean(torch.arange(5.0)))
    nothing = Resamples.of(5, rng=torch.Generator()).ratio(torch.zeros(5), torch.zeros(5))
    assert all(math.isnan(end) for end in nothing)


def test_many_groups_are_merged_and_the_same_seed_gives_the_same_interval() -> None:
    rows = torch.randn(3000, generator=torch.Generator().manual_seed(2))
    first, second = (Resamples.of(3000, count=500, rng=torch.Generator().manual_seed(3)) for _ in range(2))
    assert first.weights.shape == (500, LARGEST) and bool((first.weights.sum(1) == LARGEST).all())
    assert first.mean(rows) == second.mean(rows)
    low, high = first.mean(rows)
    assert high - low == pytest.approx(2 * 1.96 / 3000**0.5, rel=0.25)
