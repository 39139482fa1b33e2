"""Small questions to a table of findings."""

from __future__ import annotations

from typing import Any

import pandas as pd


def row_of(rows: pd.DataFrame) -> pd.Series | None:
    """The only row, or the last of several; None of none."""
    return None if rows.empty else rows.iloc[-1]


def last_age(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of the oldest age among ``rows``; all of them when none has an age."""
    return rows if rows["age"].isna().all() else rows[rows["age"] == rows["age"].max()]


def records(table: pd.DataFrame) -> list[Any]:
    """Rows as named tuples; their fields are cells of any kind."""
    return list(table.itertuples(index=False))


def largest(rows: pd.DataFrame) -> pd.Series:
    """The row with the largest estimate, among rows that were measured."""
    return rows.sort_values("estimate", kind="stable").iloc[-1]
