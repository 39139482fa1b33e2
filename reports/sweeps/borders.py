"""Where the verdict turns along each setting, and how sharply: exhibits of a sweep."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from imprint.analyses.questions.base import Chart, Exhibit
from imprint.reports.sweeps.names import short_keys, shorter
from imprint.reports.words import NOT_MEASURED, number, plural

MOST = 24
"""Combinations up to which borders are drawn."""
CAPTION = (
    "A mark lies where the probability of “intended” goes through .5, linear between the two cells that the bar joins. "
    "The slope is that of a logistic curve in log odds per step of the grid, its 95 % interval from the profile of the "
    "likelihood with as many trials as seeds; ∞ is steeper than the grid can tell."
)


def border_exhibits(table: pd.DataFrame) -> Iterator[Exhibit]:
    """One exhibit per key whose values are numbers."""
    short = short_keys(list(dict.fromkeys(table["key"])))
    for i, (name, rows) in enumerate(table.groupby("key", sort=False)):
        key = str(name)
        crosses = rows[rows["border"] == "crosses"]
        ends = [pd.to_numeric(rows[end], errors="coerce") for end in ("after", "before")]
        frame = rows.assign(low=np.minimum(ends[0], ends[1]), high=np.maximum(ends[0], ends[1]))
        slopes = rows[["slope", "slope_low", "slope_high"]].itertuples(index=False)
        frame = frame.assign(sharpness=[sharpness(*slope) for slope in slopes])
        frame = frame.drop(columns=["slope", "slope_low", "slope_high"])
        frame["combination"] = [shorter(text, short | short_keys_of(rows)) for text in rows["combination"]]
        shown = 0 < len(crosses) <= MOST and len(rows) <= 2 * MOST
        chart = Chart("points", "combination", "place", "other settings", key, "low", "high") if shown else None
        drawn = frame[frame["border"] == "crosses"] if shown else frame
        yield Exhibit(f"border-{i}", f"The border along {key}", drawn, _reading(key, rows, crosses), CAPTION, chart)


def sharpness(slope: float, low: float, high: float) -> str:
    """A slope with its interval as text; ``∞`` where it is too steep to tell."""
    if np.isnan(slope):
        return NOT_MEASURED
    return f"{_end(slope)} [{_end(low)}, {_end(high)}]"


def _end(slope: float) -> str:
    return number(slope) if np.isfinite(slope) else "∞" if slope > 0 else "\u2212∞"


def short_keys_of(rows: pd.DataFrame) -> dict[str, str]:
    """Keys that the names of combinations hold -> their short names."""
    parts = [part.partition("=")[0] for text in rows["combination"] for part in str(text).split(", ") if "=" in part]
    return short_keys(list(dict.fromkeys(parts)))


def _reading(key: str, rows: pd.DataFrame, crosses: pd.DataFrame) -> str:
    total = plural(len(rows), "combination")
    others = rows[rows["border"] != "crosses"]["border"].map(
        {"above": "above .5 throughout", "below": "below .5 throughout", "none": "not measured"}
    )
    rest = ", ".join(f"{count} {side}" for side, count in others.value_counts().items())
    if crosses.empty:
        return f"No border along {key} within the grid: of {total}, {rest}."
    ways = crosses["direction"].value_counts()
    turned = " and ".join(f"{way} through .5 in {count}" for way, count in ways.items())
    slopes = crosses["slope"].abs()
    steep = slopes.median()
    sharp = "steeper than the grid can tell" if np.isinf(steep) else f"{number(steep)} log odds per step"
    twice = int((crosses["crossings"] > 1).sum())
    more = f" In {plural(twice, 'combination')} it is crossed more than once." if twice else ""
    return f"Of {total}, “intended” {turned}{f'; {rest}' if rest else ''}. Median sharpness: {sharp}.{more}"
