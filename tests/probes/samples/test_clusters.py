"""Intervals cover what they should, widen with dependence, hold what is fitted, and are not made up."""

from __future__ import annotations

import math

import pytest
import torch
from scipy import stats

from imprint.probes.interventions.ablate import derangement
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
    assert one.refitted(lambda block: torch.ones(1))[0] == 1.0 and math.isnan(
        one.refitted(lambda _: torch.ones(1))[1][0][0]
    )
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


@pytest.mark.parametrize("n", [240, 45])
def test_donors_make_pairs_of_groups_dependent(n: int) -> None:
    """Mean squared difference of two rows; pairs that are taken for independent rows make it too narrow."""
    held = [0, 0]
    groups = torch.arange(n).div(3, rounding_mode="floor").numpy()
    clusters = Clusters.of(n, groups, rng=rng())
    for seed in range(300):
        x = torch.randn(n, generator=rng(seed), dtype=torch.float64)
        donor = derangement(n, groups, rng=rng(seed))
        pairs = (x - x[donor]).square()
        for i, known in enumerate((None, donor)):
            low, high = clusters.ratio(pairs, torch.ones(n), donor=known)
            held[i] += low <= 2 <= high
    assert held[0] < 0.92 * 300 and 0.92 * 300 <= held[1] <= 0.98 * 300, held


def test_three_groups_do_not_show_how_pairs_differ() -> None:
    groups = torch.arange(12).div(4, rounding_mode="floor").numpy()
    donor = derangement(12, groups, rng=rng())
    ends = Clusters.of(12, groups, rng=rng()).ratio(torch.rand(12, generator=rng()), torch.ones(12), donor=donor)
    assert all(math.isnan(end) for end in ends)
