"""Intervals of a single model's score: as wide as the score varies, and none where that cannot be known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import imprint


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
