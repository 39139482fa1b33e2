"""Intervals cover what they should, widen with dependence, hold what is fitted, and are not made up."""

from __future__ import annotations

import math

import pytest
import torch
from scipy import stats
from torch import Tensor

from imprint.probes.samples.clusters import BLOCKS, Clusters


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_interval_of_a_mean_is_students() -> None:
    rows = torch.randn(60, generator=rng(), dtype=torch.float64) + 3
    expected = stats.ttest_1samp(rows.numpy(), 0.0).confidence_interval(0.95)
    assert Clusters.of(60, rng=rng()).mean(rows) == pytest.approx((expected.low, expected.high))


def test_rows_of_one_group_count_once() -> None:
    offsets = torch.randn(30, generator=rng(), dtype=torch.float64)
    rows, groups = offsets.repeat_interleave(20), torch.arange(30).repeat_interleave(20).numpy()
    assert Clusters.of(600, groups, rng=rng()).mean(rows) == pytest.approx(Clusters.of(30, rng=rng()).mean(offsets))


def test_ratio_of_proportional_sums_is_exact() -> None:
    rows = torch.rand(50, generator=rng(1)) + 0.1
    assert Clusters.of(50, rng=rng()).ratio(2 * rows, rows) == pytest.approx((2.0, 2.0))


def test_one_group_or_undefined_sums_give_no_interval() -> None:
    one = Clusters.of(5, [0] * 5, rng=rng())
    assert all(math.isnan(end) for end in one.mean(torch.arange(5.0)))
    assert one.refitted(lambda block: torch.ones(1))[0] == 1.0 and math.isnan(one.refitted(lambda _: torch.ones(1))[1][0][0])
    nothing = Clusters.of(5, rng=rng()).ratio(torch.zeros(5), torch.zeros(5))
    assert all(math.isnan(end) for end in nothing)


@pytest.mark.parametrize("sizes", [[10] * 40, [1, 2, 3, 5, 8, 13, 21, 34, 30, 20, 10, 9]])
def test_the_jackknife_of_a_variance_is_unbiased(sizes: list[int]) -> None:
    """For one row a group and a block, it turns the variance over n into that over n - 1; else nearly so."""
    groups = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes)).numpy()
    clusters = Clusters.of(len(groups), groups, rng=rng())
    assert len(clusters.blocks) == min(BLOCKS, len(sizes))
    drawn = []
    for seed in range(300):
        rows = torch.randn(len(groups), generator=rng(seed), dtype=torch.float64)
        (estimate,), ((low, high),) = clusters.refitted(lambda b, r=rows: r[clusters.kept(b)].var(correction=0)[None])  # type: ignore[misc]
        drawn.append((float(estimate), low <= 1 <= high))
    estimates, covered = torch.tensor(drawn, dtype=torch.float64).T
    assert float(estimates.mean()) == pytest.approx(1, abs=3 * float(estimates.std()) / 300**0.5)
    assert 0.90 <= float(covered.mean()) <= 0.99
    rows = torch.randn(9, generator=rng(), dtype=torch.float64)
    alone = Clusters.of(9, rng=rng())
    found = alone.refitted(lambda block: rows[alone.kept(block)].var(correction=0)[None])[0]
    assert float(found) == pytest.approx(float(rows.var()))


def test_donors_make_pairs_of_groups_dependent() -> None:
    """Squared differences to another row: taking pairs for independent rows would cover .87 of skewed rows."""
    n, hits = 120, 0
    clusters = Clusters.of(n, torch.arange(n).div(4, rounding_mode="floor").numpy(), rng=rng())
    for seed in range(300):
        draw = rng(seed)
        x: Tensor = torch.randn(n, generator=draw, dtype=torch.float64).exp().clamp(max=4)
        donor = torch.arange(n).roll(40)
        low, high = clusters.ratio((x - x[donor]).square(), torch.ones(n), donor=donor)
        hits += low <= 2 * TRUE_VARIANCE <= high
    assert 0.90 <= hits / 300 <= 0.98


TRUE_VARIANCE = float(torch.randn(10**6, generator=rng(9), dtype=torch.float64).exp().clamp(max=4).var())
