"""Rows picked from a table of findings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd


def row_of(rows: pd.DataFrame) -> pd.Series | None:
    """The last of ``rows``; None when there are none."""
    return None if rows.empty else rows.iloc[-1]


def last_age(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of the oldest age among ``rows``; all of them when none has an age."""
    return rows if rows["age"].isna().all() else rows[rows["age"] == rows["age"].max()]


def records(table: pd.DataFrame) -> list[Any]:
    """Rows as named tuples whose fields may hold anything."""
    return list(table.itertuples(index=False))


def largest(rows: pd.DataFrame) -> pd.Series:
    """The row with the largest estimate; at least one row, all of them measured."""
    return rows.sort_values("estimate", kind="stable").iloc[-1]


def in_turn(names: Sequence[str]) -> list[int]:
    """Indices of ``names`` in an order in which each name comes once before any comes a second time."""
    ranks = pd.Series(names, dtype=object).groupby(list(names)).cumcount()
    return [int(i) for i in np.argsort(ranks.to_numpy(), kind="stable")]
