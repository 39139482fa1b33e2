"""What each setting moves, and which two settings do not add up: exhibits of a sweep."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from imprint.analyses.effects_of_settings.cells import MEASURES, Measure, Swept
from imprint.analyses.effects_of_settings.marginal import level_means
from imprint.analyses.questions.base import Chart, Exhibit
from imprint.reports.sweeps.names import short_keys
from imprint.reports.words import bracketed, listing, measured, number, quoted

SURE = 0.05
MOST_LEVELS = 40
"""Values of all keys together up to which they are drawn."""
BASIS = (
    "Intervals are over training seeds, 95 %, and count lives that several cells share only once; the grid is fixed. "
)
NO_SEEDS = "A cell has no interval over seeds of it, so none is drawn. "
OF_AGES = (
    "Only cells that say a word have an age, so these means rest on different combinations; the table of settings "
    "compares the same ones. "
)


def main_effects(cells: Swept, effects: pd.DataFrame) -> Iterator[Exhibit]:
    """A chart per measure with the mean at every value of every setting, and one table of the settings."""
    levels, short = level_means(cells), short_keys(cells.keys)
    yield Exhibit(
        "effects",
        "How much each setting moves the latch",
        effects.assign(measure=[MEASURES[name].text for name in effects["measure"]]),
        _reading(effects),
        "The largest difference between two values of a setting, over the same combinations of all others. Its "
        "interval holds for the largest of all differences (Scheffé); p is adjusted over settings (Holm). Where the "
        "basis is “combinations”, interval and p tell how far the difference varies over other settings, not seeds.",
    )
    for measure in cells.measures():
        own = levels[levels["measure"] == measure.name]
        frame = own.assign(setting=[f"{short[k]}={v}" for k, v in zip(own["key"], own["value"], strict=True)])
        seeds = bool(own["mean_low"].notna().any())
        ends: dict[str, Any] = {"low": "mean_low", "high": "mean_high"} if seeds else {}
        yield Exhibit(
            f"means-{measure.name.replace('_', '-')}",
            f"{measure.text.capitalize()}, by setting",
            frame,
            _swing(own, measure),
            f"Mean over all cells with that value. {BASIS if seeds else NO_SEEDS}{OF_AGES if measure.age else ''}",
            Chart("points", "setting", "mean", "setting", measure.text, colour="key", **ends)
            if own["mean"].notna().any() and len(frame) <= MOST_LEVELS
            else None,
        )


def interaction_exhibits(cells: Swept, table: pd.DataFrame) -> Iterator[Exhibit]:
    """The table of pairs, and a plot of the clearest one."""
    if table.empty:
        return
    known = table[table["departure"].map(measured)]
    found = known[known["p_adjusted"] < SURE]
    yield Exhibit(
        "interactions",
        "Which settings do not simply add up",
        table.assign(measure=[MEASURES[name].text for name in table["measure"]]),
        _pairs(known, found),
        "Departure from row effect plus column effect of the mean over all other settings: its root mean square, and "
        "the largest entry with its place and interval (Scheffé). p is adjusted over all pairs of a measure (Holm).",
    )
    clearest = (found if len(found) else known).head(1)
    for row in clearest.itertuples(index=False):
        yield _crossed(cells, MEASURES[str(row.measure)], (str(row.key_a), str(row.key_b)))


def _crossed(cells: Swept, measure: Measure, keys: tuple[str, str]) -> Exhibit:
    """Means over two keys: a line per value of one, along the other."""
    along, colour = keys if len(cells.grid[keys[0]]) >= len(cells.grid[keys[1]]) else keys[::-1]
    short = short_keys(cells.keys)
    values = pd.Series(cells.values(measure)).groupby([cells.of(along), cells.of(colour)]).agg(["mean", "count"])
    names, lines = cells.labels(along), cells.labels(colour)
    frame = pd.DataFrame(
        [
            {along: cells.grid[along][i] if cells.ordered(along) else names[i], colour: f"{short[colour]}={lines[j]}"}
            | {"mean": mean, "cells": int(count)}
            for i, j, mean, count in values.reset_index().itertuples(index=False, name=None)
        ]
    )
    return Exhibit(
        "crossed",
        f"{short[along]} and {short[colour]} together",
        frame,
        f"Where the lines are not parallel, what {along} does depends on {colour}.",
        "Mean over all other settings. Parallel lines would mean that both effects add up.",
        Chart("lines", along, "mean", along, measure.text, colour=colour),
    )


def _reading(effects: pd.DataFrame) -> str:
    sure = effects[effects["p_adjusted"] < SURE]
    if sure.empty:
        return "No setting moves any measure by more than chance would."
    texts = []
    for name, rows in sure.groupby("measure", sort=False):
        texts.append(f"{MEASURES[str(name)].text}: {listing(rows['key'])}")
    return f"Moved beyond chance: {'; '.join(texts)}."


def _swing(levels: pd.DataFrame, measure: Measure) -> str:
    known = levels[levels["mean"].map(measured)]
    if known.empty:
        return f"The {measure.text} was not measured."
    means = known["mean"].to_numpy()
    low, high = known.iloc[int(means.argmin())], known.iloc[int(means.argmax())]
    return (
        f"Lowest at {low['key']}={low['value']} ({number(low['mean'])}), highest at {high['key']}={high['value']} "
        f"({number(high['mean'])})."
    )


def _pairs(known: pd.DataFrame, found: pd.DataFrame) -> str:
    if known.empty:
        return "No pair of settings could be examined."
    if found.empty:
        tested = known["p_adjusted"].notna().any()
        return "No pair departs from adding up beyond chance." if tested else "No pair could be tested against chance."
    row = found.iloc[0]
    largest = bracketed(row["largest"], row["low"], row["high"], lambda x: number(x, signed=True))
    return (
        f"Clearest: {quoted([row['key_a'], row['key_b']])} in {MEASURES[row['measure']].text}, {largest} at "
        f"{row['value_a']} and {row['value_b']} beyond what both give alone."
    )
