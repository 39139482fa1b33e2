from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize

from imprint.analyses.effects_of_settings.border import borders, slope_of
from imprint.analyses.effects_of_settings.cells import swept
from tests.analyses.effects_of_settings.planted import GRID, cells_of

CUE, LAG, KIND = GRID


def test_a_planted_border_is_found_between_its_neighbours_and_nowhere_else() -> None:
    table = borders(cells_of(lambda s: 0.9 if s[CUE] < 0.6 or s[KIND] == "mlp" else 0.1))
    cue = table[table["key"] == CUE].set_index("combination")
    row = cue.loc["assessor.lag=1, learner.kind=conv"]
    assert (row["border"], row["after"], row["before"], row["direction"]) == ("crosses", "0.5", "0.75", "falls")
    assert row["place"] == pytest.approx(0.625) and row["crossings"] == 1
    assert row["slope_low"] == -np.inf and row["slope"] < -8 and row["slope_high"] < -1
    assert (row["word_from"], row["word_to"], row["word_after"], row["word_before"]) == (
        "intended",
        "proxy:lamp",
        "0.5",
        "0.75",
    )
    assert cue.loc["assessor.lag=1, learner.kind=mlp", "border"] == "above"
    lag = table[table["key"] == LAG]
    assert set(lag["border"]) == {"above", "below"} and (lag["word_turns"] == 0).all()
    assert KIND not in set(table["key"])  # nothing lies between two words


def test_undetermined_and_failed_cells_lie_between_the_words() -> None:
    cells = cells_of(lambda s: [0.9, 0.9, 0.5, 0.1, 0.1][GRID[CUE].index(s[CUE])])
    frame = cells.frame.copy()
    frame.loc[frame[CUE] == 0.75, "error"] = "killed"
    row = borders(swept(frame, GRID)).iloc[0]
    assert (row["word_after"], row["word_before"], row["cells"]) == ("0.25", "1", 4)
    assert (row["after"], row["before"]) == ("0.5", "1")


def test_the_slope_is_the_maximum_of_the_likelihood_and_its_interval_the_profile() -> None:
    steps, p, trials = np.arange(5.0), np.array([0.02, 0.1, 0.4, 0.8, 0.97]), np.full(5, 8.0)

    def loss(intercept: float, slope: float) -> float:
        odds = intercept + slope * steps
        return float(-(trials * (p * odds - np.logaddexp(0, odds))).sum())

    def profile(slope: float) -> float:
        return float(optimize.minimize_scalar(lambda m: loss(m, slope), bounds=(-60, 60), method="bounded").fun)

    best = optimize.minimize(lambda x: loss(*x), [0.0, 0.0])
    value, low, high = slope_of(steps, p, trials)
    assert value == pytest.approx(best.x[1], rel=5e-3)
    for end in (low, high):
        assert profile(end) - best.fun == pytest.approx(1.92, abs=0.03)


def test_a_slope_that_was_planted_is_covered_and_a_flat_row_holds_zero() -> None:
    steps, rng = np.arange(6.0), np.random.default_rng(2)
    truth = 1 / (1 + np.exp(-1.2 * (steps - 2.5)))
    fits = [slope_of(steps, rng.binomial(10, truth) / 10, np.full(6, 10.0)) for _ in range(100)]
    assert np.mean([low <= 1.2 <= high for _, low, high in fits]) >= 0.88
    _, low, high = slope_of(steps, np.full(6, 0.5), np.full(6, 10.0))
    assert low < 0 < high
    sharp = slope_of(steps, (steps > 2).astype(float), np.full(6, 10.0))
    assert sharp[0] == sharp[2] == np.inf and 1 < sharp[1] < 40
