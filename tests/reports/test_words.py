"""Numbers, intervals and ages in words."""

from __future__ import annotations

import pandas as pd

from imprint.reports.words import age_tick, bracketed, cell, interval, number, percent, points, verdict_counts


def test_numbers_in_words() -> None:
    assert number(float("nan")) == percent(None) == "not measured"
    assert [number(v) for v in (0.0, -0.0, 1234.0, 0.0123, -0.5)] == ["0", "0", "1,234", "0.012", "\u22120.50"]
    assert [number(v) for v in (-4.17e-4, -4.17e-6, 2e7)] == [
        "\u22120.0004",
        "\u22124.2\u00a0×\u00a010⁻⁶",
        "2.0\u00a0×\u00a010⁷",
    ]
    assert [percent(v) for v in (-0.0001, 0.4547, 0.0547)] == ["0.0\u00a0%", "45\u00a0%", "5.5\u00a0%"]
    row = {"estimate": 0.5, "low": float("nan"), "high": 0.6}
    assert interval(row) == "0.50 (no interval)"
    assert interval(row | {"estimate": float("nan")}) == "not measured"
    assert [age_tick(age) for age in (0, 960, 2400, 76800, 2_000_000)] == ["birth", "960", "2.4k", "76.8k", "2M"]


def test_a_missing_number_is_not_zero() -> None:
    nan = float("nan")
    assert bracketed(0.314, 0.2, 0.4) == "0.31 [0.20, 0.40]"
    assert bracketed(0.314, 0.2, 0.4, percent) == "31\u00a0% [20\u00a0%, 40\u00a0%]"
    assert bracketed(0.314, 0.2, nan) == "0.31" and bracketed(nan, 0.0, 1.0) == "not measured"
    assert points(nan) == "not measured" and points(-0.031) == "3.1 percentage points"
    assert [cell(v) for v in (None, pd.NA, nan, True, 3, 0.5, "a")] == [*["not measured"] * 3, "yes", "3", "0.50", "a"]


def test_verdicts_are_counted() -> None:
    assert verdict_counts(pd.Series(["mixed", "", "intended", "intended"])) == "2 “intended”, 1 “mixed”"
    assert verdict_counts(pd.Series([""])) == ""
