from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from imprint.analyses.effects_of_settings.additive import effect_test
from imprint.analyses.effects_of_settings.cells import swept
from imprint.analyses.effects_of_settings.interactions import interactions
from imprint.analyses.effects_of_settings.marginal import key_effects, level_means
from imprint.models.errors import DamagedFileError
from tests.analyses.effects_of_settings.planted import GRID, cells_of

CUE, LAG, KIND = GRID


def additive(settings):
    return 0.2 + 0.4 * settings[CUE] + 0.1 * settings[LAG]


def of(table, measure, **where):
    rows = table[table["measure"] == measure]
    for column, value in where.items():
        rows = rows[rows[column] == value]
    return rows.iloc[0]


def test_marginal_effects_are_the_differences_that_were_planted() -> None:
    cells = cells_of(additive)
    levels, keys = level_means(cells), key_effects(cells)
    assert of(levels, "dominance", key=CUE, value="0.75")["difference"] == pytest.approx(0.3)
    assert of(levels, "dominance", key=LAG, value="2")["difference"] == pytest.approx(0.2)
    assert of(levels, "dominance", key=KIND, value="mlp")["difference"] == pytest.approx(0, abs=1e-12)
    biggest = of(keys, "dominance")
    assert (biggest["key"], biggest["from_value"], biggest["to_value"]) == (CUE, "0", "1")
    assert biggest["difference"] == pytest.approx(0.4) and biggest["low"] > 0
    assert of(keys, "dominance", key=KIND)["p_adjusted"] > 0.9


def test_errors_of_shared_lives_add_up_and_those_of_other_lives_average_out() -> None:
    half = 1.96 * 0.05
    row = of(level_means(cells_of(additive)), "dominance", key=CUE, value="1")
    assert (row["high"] - row["low"]) / 2 == pytest.approx(np.sqrt(2) * half)  # six cells a value, one set of lives
    row = of(level_means(cells_of(additive)), "dominance", key=LAG, value="1")
    assert (row["high"] - row["low"]) / 2 == pytest.approx(np.sqrt(2 / 5) * half)  # five sets of lives at each lag
    every = level_means(cells_of(additive, raised=tuple(GRID)))
    row = of(every, "dominance", key=CUE, value="1")
    assert (row["high"] - row["low"]) / 2 == pytest.approx(np.sqrt(2 / 6) * half)


def test_a_combination_that_failed_is_left_out_of_both_sides() -> None:
    cells = cells_of(lambda s: additive(s) + (5.0 if s[KIND] == "mlp" else 0.0))
    frame = cells.frame.copy()
    frame.loc[(frame[CUE] == 1.0) & (frame[KIND] == "mlp"), "error"] = "diverged"
    row = of(level_means(swept(frame, GRID, raised=[CUE])), "dominance", key=CUE, value="1")
    assert row["difference"] == pytest.approx(0.4) and row["pairs"] == 3 and row["cells"] == 3


def test_a_planted_null_is_not_said_to_move_anything_and_a_planted_effect_is() -> None:
    rng = np.random.default_rng(0)

    def drawn(truth):
        frame = cells_of(truth, rng=rng).frame.drop(columns=["probability|intended", "latch_age"])
        return swept(frame, GRID, raised=tuple(GRID))

    tables = [drawn(lambda _: 0.5) for _ in range(40)]
    for effects in (key_effects, interactions):  # 5 % by construction: 7 or more of 40 come with probability .003
        assert sum((effects(one)["p_adjusted"] < 0.05).any() for one in tables) < 7
    hits = [of(key_effects(drawn(additive)), "dominance", key=LAG) for _ in range(20)]
    assert np.mean([row["p_adjusted"] < 0.05 for row in hits]) > 0.9
    assert np.mean([row["low"] <= 0.2 <= row["high"] for row in hits]) > 0.9


def test_a_planted_interaction_is_found_at_its_place_and_additive_settings_have_none() -> None:
    none = interactions(cells_of(additive))
    assert (none.query("measure == 'dominance'")["departure"] < 1e-12).all()
    both = interactions(cells_of(lambda s: 0.5 + 0.4 * (s[CUE] == 1.0 and s[LAG] == 0), raised=tuple(GRID)))
    row = of(both, "dominance")
    assert (row["key_a"], row["key_b"], row["value_a"], row["value_b"]) == (CUE, LAG, "1", "0")
    assert row["largest"] == pytest.approx(0.4 * (4 / 5) * (2 / 3)) and row["low"] > 0 and row["p_adjusted"] < 0.001


def test_tests_without_intervals_are_those_of_a_two_way_analysis_of_variance() -> None:
    rng = np.random.default_rng(1)
    codes = np.array([(i, j, k) for i in range(3) for j in range(4) for k in range(2)])
    y = codes[:, 0] * 0.3 + rng.standard_normal(len(codes))
    table = y.reshape(3, 4, 2)
    grand = table.mean()
    a, b, c = (table.mean(axis=other) - grand for other in ((1, 2), (0, 2), (0, 1)))
    ab = table.mean(2) - grand - a[:, None] - b[None]
    ac = table.mean(1) - grand - a[:, None] - c[None]
    bc = table.mean(0) - grand - b[:, None] - c[None]
    squares = {(0, 1): 2 * (ab**2).sum(), (0, 2): 4 * (ac**2).sum(), (1, 2): 3 * (bc**2).sum()}
    total = ((table - grand) ** 2).sum()
    mains = 8 * (a**2).sum() + 6 * (b**2).sum() + 12 * (c**2).sum()
    left = total - mains - sum(squares.values())
    pair, main = effect_test(y, codes, (0, 1)), effect_test(y, codes, (0,))
    f = squares[0, 1] / 6 / (left / 6)
    assert pair.statistic == pytest.approx(f) and pair.p_value == pytest.approx(stats.f.sf(f, 6, 6))
    f = 8 * (a**2).sum() / 2 / ((total - mains) / 17)
    assert main.statistic == pytest.approx(f) and main.p_value == pytest.approx(stats.f.sf(f, 2, 17))


def test_a_table_that_does_not_fit_its_grid_is_refused() -> None:
    frame = cells_of(additive).frame
    with pytest.raises(DamagedFileError, match="not in the grid"):
        swept(frame.assign(**{LAG: 7}), GRID)
    with pytest.raises(DamagedFileError, match="twice"):
        swept(frame.assign(**{LAG: 1}), GRID)
    with pytest.raises(DamagedFileError, match="no column 'nothing'"):
        swept(frame, {**GRID, "nothing": [1]})
