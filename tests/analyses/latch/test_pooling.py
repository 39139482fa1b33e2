"""Intervals over seeds and groups cover what is true, and are as wide as seeds or groups make them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from imprint.analyses.latch.pooling import pool
from imprint.analyses.latch.profile import Profile, split
from imprint.analyses.latch.shares import measure
from tests.known.latched import NAMES, profiles, table, value


@pytest.mark.parametrize(("seeds", "groups"), [(1, 40), (3, 100), (6, 15)])
def test_intervals_of_shares_cover(seeds: int, groups: int) -> None:
    rng = np.random.default_rng(10 * seeds + groups)
    covered = []
    for _ in range(150):
        # Seeds share one truth here, so that it is known: share .4 x .8 / 1 of a, less what sampling adds.
        pooled = pool(profiles(0.8, rng, seeds=seeds, n=600, groups=groups, spread=0.0), resamples=300, rng=rng)
        low, high = pooled.intervals()[0]
        covered.append(low <= 0.32 <= high)
    # 95 % intended; below 133 of 150 has probability .002.
    assert sum(covered) >= 133


def test_groups_that_move_together_widen_the_interval() -> None:
    rng = np.random.default_rng(3)
    concepts, group = table(1000, rng), np.repeat(np.arange(20), 50)
    values = value(concepts, rng, 0.6) + 2 * rng.standard_normal(20)[group] * concepts["a"].to_numpy()
    widths = []
    for groups in (None, group):
        pooled = pool([Profile(measure(values, concepts, groups, NAMES), {})], resamples=500, rng=rng)
        widths.append(float(np.diff(pooled.intervals()[0])[0]))
    assert widths[1] > 1.5 * widths[0]


def test_seeds_that_differ_widen_the_interval() -> None:
    alike, unlike = (
        pool(profiles(0.8, np.random.default_rng(1), seeds=4, n=1600, spread=s), resamples=500,
             rng=np.random.default_rng(2))
        for s in (0.0, 0.5)
    )  # fmt: skip
    assert np.diff(unlike.intervals()[0]) > 2 * np.diff(alike.intervals()[0])
    assert (alike.seeds, alike.rows) == (4, 6400)


def test_one_group_gives_no_interval() -> None:
    rng = np.random.default_rng(5)
    pooled = pool(profiles(0.8, rng, seeds=3, n=200, groups=1), resamples=100, rng=rng)
    assert np.isnan(pooled.intervals()).all() and np.isfinite(split(pooled.estimate)[0]).all()


def test_seeds_of_several_worlds_are_pooled_over_worlds() -> None:
    rng = np.random.default_rng(7)
    made = [p for dominance in (0.9, 0.7, 0.5, 0.4) for p in profiles(dominance, rng, seeds=2, n=800, spread=0.0)]
    world = np.repeat(np.arange(4), 2)
    pooled = pool(made, resamples=2000, rng=rng, worlds=world.tolist())
    means = np.stack([p.numbers for p in made]).reshape(4, 2, -1).mean(1)
    assert (pooled.seeds, pooled.worlds) == (8, 4)
    np.testing.assert_allclose(pooled.estimate, means.mean(0))
    half = stats.t.ppf(0.975, 3) * means.std(0, ddof=1)[0] / 2
    low, high = pooled.intervals()[0]
    assert 0.8 < (high - low) / 2 / half < 1.2, "Student's t over the means of worlds"
    one = pool(made, resamples=2000, rng=rng).intervals()[0]
    assert np.diff(one)[0] < high - low, "eight seeds of one world would say more than four worlds do"


def test_one_seed_a_world_and_unbalanced_worlds_are_pooled() -> None:
    rng = np.random.default_rng(8)
    made = profiles(0.8, rng, seeds=5, n=400)
    each = pool(made, resamples=200, rng=rng, worlds=[0, 1, 2, 3, 4])
    some = pool(made, resamples=200, rng=rng, worlds=[0, 1, 0, 1, 0])
    assert (each.worlds, some.worlds) == (5, 2) and np.isfinite(each.intervals()).all()
    numbers = np.stack([p.numbers for p in made])
    expected = (numbers[[0, 2, 4]].mean(0) + numbers[[1, 3]].mean(0)) / 2
    np.testing.assert_allclose(some.estimate, expected)
