"""The first screen of a sweep: what was swept, what moves the latch most, and where the border lies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from imprint.analyses.effects_of_settings.cells import MEASURES
from imprint.reports.reading.sweep import SweepData
from imprint.reports.sweeps.names import short_keys
from imprint.reports.words import bracketed, capitalised, listing, measured, number, plural

SURE = 0.05
"""Adjusted p-value below which a setting is said to move something."""


@dataclass(frozen=True)
class Headline:
    """The top of the page."""

    swept: str
    """What was swept, and on how many lives."""
    mover: str
    """Which setting moves the latch most."""
    border: str
    """Where the verdict turns."""
    facts: Sequence[tuple[str, str]]
    """Counts of cells as (what they are, number)."""
    failures: Sequence[tuple[str, str]]
    """Cells without a result, as (their settings, why)."""


def headline_of(sweep: SweepData, effects: pd.DataFrame, border: pd.DataFrame) -> Headline:
    """The first screen. ``effects``: largest effect of every key; ``border``: one row per key and combination."""
    return Headline(_swept(sweep), mover_of(sweep, effects), border_of(sweep, border), _facts(sweep), _failures(sweep))


def _swept(sweep: SweepData) -> str:
    cells = sweep.cells
    keys = [f"{key} ({plural(len(values), 'value')})" for key, values in cells.grid.items()]
    low, high = sweep.seeds
    over = "" if not high else f", each over {low if low == high else f'{low} to {high}'} training seeds"
    on = f" on {sweep.lives:,} {'life' if sweep.lives == 1 else 'lives'}" if sweep.lives else ""
    return f"{listing(keys)} of {sweep.name}: {plural(len(cells.frame), 'cell')}{over}{on}."


def mover_of(sweep: SweepData, effects: pd.DataFrame) -> str:
    """Which setting moves the latch most, in the first measure of which cells have intervals, else the first."""
    known = effects[effects["difference"].map(measured)]
    if known.empty:
        return "Nothing can be said about what moves the latch: no two cells could be compared."
    by_seeds = known[known["basis"] == "seeds"]
    rows = known[known["measure"] == (by_seeds if len(by_seeds) else known)["measure"].iloc[0]]
    first, what = rows.iloc[0], MEASURES[rows["measure"].iloc[0]].text
    size = bracketed(first["difference"], first["low"], first["high"], lambda x: number(x, signed=True))
    step = f"{first['key']} from {first['from_value']} to {first['to_value']}"
    if first["basis"] != "seeds":
        return f"What moves the {what} most is {step}: {size}. How far seeds differ was not measured."
    moved = rows[rows["p_adjusted"] < SURE]
    if moved.empty:
        least = number(rows["p_adjusted"].min())
        return (
            f"No setting moves the {what} by more than training seeds differ (smallest adjusted p {least}); the "
            f"largest difference is {step}: {size}."
        )
    others = [key for key in moved["key"] if key != first["key"]]
    also = f" Beyond what seeds differ by, so do {listing(others)}." if others else ""
    also = also if len(others) != 1 else f" Beyond what seeds differ by, so does {others[0]}."
    return f"What moves the {what} most is {step}: {size}.{also}"


def border_of(sweep: SweepData, border: pd.DataFrame) -> str:
    """Where the probability of the intended word goes through .5: along the key along which it does so most often."""
    if border.empty:
        return "No setting with numbers for values was swept, so there is no border to look for."
    crosses = border[border["border"] == "crosses"]
    if crosses.empty:
        sides = border[border["border"] != "none"]["border"].value_counts()
        if sides.empty and sweep.words:
            return "There is no border within the grid: no cell gave “intended” any probability."
        if sides.empty:
            return "The probability of “intended” was not measured in enough cells to look for a border."
        where = listing(f"{side} .5 in {count}" for side, count in sides.items())
        return f"There is no border within the grid: along every row of cells, “intended” stays {where}."
    rate = crosses["key"].value_counts() / border["key"].value_counts()
    key = str(rate.fillna(0).idxmax())
    own, rows = crosses[crosses["key"] == key], border[border["key"] == key]
    most = own.groupby(["after", "before"]).size().sort_values(ascending=False)
    (after, before), count = most.index[0], int(most.iloc[0])
    mostly = f"between {after} and {before}"
    if len(most) > 1:
        mostly = f"mostly {mostly} ({count} of {len(own)})"
    return (
        f"The border lies along {key}: “intended” goes through .5 in {len(own)} of "
        f"{plural(len(rows), 'combination')} of the other settings, {mostly}."
    )


def _facts(sweep: SweepData) -> list[tuple[str, str]]:
    verdicts = sweep.verdicts[[state not in ("failed", "diverged") for state in sweep.states]]
    words = [(f"“{word}”", f"{count:,}") for word, count in verdicts[verdicts != ""].value_counts().items()]
    lost = [(state, f"{sweep.states.count(state):,}") for state in ("diverged", "failed") if state in sweep.states]
    return [("cells", f"{len(sweep.states):,}"), *words, *lost]


def _failures(sweep: SweepData) -> list[tuple[str, str]]:
    cells, short = sweep.cells, short_keys(sweep.cells.keys)
    found = []
    for i, state in enumerate(sweep.states):
        if state in ("failed", "diverged"):
            where = ", ".join(f"{short[key]}={cells.labels(key)[cells.of(key)[i]]}" for key in cells.keys)
            error = str(cells.frame["error"].iloc[i] or "") if "error" in cells.frame else ""
            found.append((where, capitalised(error) or "Every training seed diverged."))
    return found
