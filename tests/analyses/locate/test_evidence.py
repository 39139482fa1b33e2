"""Intervals of a single model's score: as wide as the score varies, and none where that cannot be known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import imprint
from imprint.analyses.locate.evidence import selectivity_of, summarise
from imprint.analyses.locate.floors import Evidence, Resampling
from imprint.analyses.locate.reading import Reading


def table(n: int, share: float, groups: int, seed: int, *, noise: float = 1.0) -> pd.Series:
    rng = np.random.default_rng(seed)
    y = rng.random(n) < share
    x = rng.normal(size=(n, 8)) * noise
    x[:, 0] += 2 * y
    return imprint.locate({"s": x}, pd.DataFrame({"c": y}), groups=rng.integers(0, groups, n), nulls=5, seed=seed).iloc[
        0
    ]


def test_few_groups_make_wider_intervals() -> None:
    few, many = (np.mean([r["high"] - r["low"] for r in (table(400, 0.5, g, s) for s in range(4))]) for g in (8, 200))
    assert few > 1.1 * many


def test_a_class_of_a_handful_of_rows_has_a_score_and_no_interval() -> None:
    row = table(400, 0.015, 200, 0)
    assert np.isfinite(row["score"])
    assert np.isnan(row["low"]) and np.isnan(row["high"])


@pytest.mark.parametrize("seed", range(3))
def test_near_chance_an_interval_knows_that_rows_are_used_twice(seed: int) -> None:
    """The spread of null scores, .036 at 300 rows and 16 units, is 1.28 times what drawing groups again shows."""
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(300, 16)), rng.random(300) < 0.5
    row = imprint.locate({"s": x}, pd.DataFrame({"c": y}), nulls=5, seed=seed).iloc[0]
    drawn_again = 2 * 1.96 * np.sqrt(0.25 / 300)
    assert 1.1 * drawn_again < row["high"] - row["low"] < 1.6 * drawn_again


def test_selectivity_of_one_model_is_its_score_above_the_mean_of_its_twins() -> None:
    """Drawing a single twin in every resample, as if one more initialisation were asked for, covers .99."""
    rng, held, groups, rows = np.random.default_rng(0), [], 60, 5
    floor: list[bool] = []

    def sums(rate: float) -> np.ndarray:
        return np.concatenate([rng.binomial(rows, rate, (groups, 2)), np.full((groups, 2), rows)], 1).astype(float)

    for _ in range(250):
        twins = np.stack([sums(0.65 + 0.03 * rng.normal()) for _ in range(4)])
        reading = Reading(sums(0.8), np.full(5, 0.5) + 0.01 * rng.normal(size=5), regression=False, noise=0.0)
        draws = Resampling.draw(1, groups, len(twins), resamples=200, rng=rng)
        found = summarise([Evidence(reading, twins, None)], draws)
        held.append(found.selectivity_low <= 0.15 <= found.selectivity_high)
        floor.append(found.floor_ends["untrained"][0] <= 0.65 <= found.floor_ends["untrained"][1])
    assert 0.91 <= np.mean(held) <= 0.98 and 0.91 <= np.mean(floor) <= 0.99
    alone = summarise([Evidence(reading, twins[:1], None)], Resampling.draw(1, groups, 1, resamples=200, rng=rng))
    assert np.isnan(alone.floor_ends["untrained"]).all(), "of one twin it is not known how much twins differ"


@pytest.mark.parametrize("floors", ["none", "twins", "inputs", "both"])
def test_selectivity_needs_no_draws(floors: str) -> None:
    rng = np.random.default_rng(len(floors))

    def sums(rate: float) -> np.ndarray:
        return np.concatenate([rng.binomial(5, rate, (20, 2)), np.full((20, 2), 5)], 1).astype(float)

    twins = np.stack([sums(0.7) for _ in range(3)]) if floors in ("twins", "both") else None
    inputs = sums(0.6) if floors in ("inputs", "both") else None
    seeds = [Evidence(Reading(sums(0.8), rng.normal(0.5, 0.01, 5), regression=False), twins, inputs) for _ in range(2)]
    draws = Resampling.draw(2, 20, 0 if twins is None else 3, resamples=50, rng=rng)
    assert selectivity_of(seeds) == pytest.approx(summarise(seeds, draws).selectivity, abs=1e-12)
