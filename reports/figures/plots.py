"""Figures of a single kind: shares as bars, and a heat map of where and when a concept can be read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from imprint.reports.answers.located import MARKS
from imprint.reports.figures import axes
from imprint.reports.reading.tables import records
from imprint.reports.words import NOT_MEASURED, bracketed, measured


def share_bars(pooled: pd.DataFrame, per_seed: pd.DataFrame, colours: Mapping[str, str]) -> axes.Plot:
    """Shares of the value's variance: a bar per concept with its 95 % interval, a dot per training seed."""
    names = list(pooled["concept"])
    place = {name: i for i, name in enumerate(names)}
    dots = per_seed[per_seed["concept"].isin(place)]
    bars = {
        "type": "bar",
        "orientation": "h",
        "y": list(range(len(names))),
        "x": axes.numbers(pooled["estimate"]),
        "error_x": axes.error_bars(pooled),
        "marker": {"color": [colours.get(name, "--c-other1") for name in names], "opacity": 0.8},
        "width": 0.62,
        "hovertemplate": "%{x:.1%}<extra></extra>",
    }
    seeds = axes.seed_dots(dots, [place[name] + 0.22 for name in dots["concept"]], "--ink")
    x = axes.axis("share of the value's variance", tickformat=".2~%", rangemode="tozero")
    height = 70 + 40 * max(2, len(names))
    y = axes.category(axes.label(name, 20) for name in names)
    return {"data": [bars, seeds], "layout": axes.layout(x, y, height=height)}


def heat_map(cells: pd.DataFrame, sites: Sequence[str], ages: Sequence[int], limit: float) -> axes.Plot:
    """Selectivity of one concept: site down, age across; the verdict's mark in every cell, grey where not measured."""
    known = {(row.site, int(row.age)): row for row in records(cells) if measured(row.age)}
    grid = [[known.get((site, age)) for age in ages] for site in sites]
    z = [axes.numbers(None if cell is None else cell.selectivity for cell in line) for line in grid]
    tiles = {"type": "heatmap", "z": z, "zmin": -limit, "zmax": limit, "colorscale": axes.DIVERGING, "showscale": False}
    x = axes.age_axis(ages) | {"showgrid": False, "range": [-0.5, len(ages) - 0.5]}
    rows = [len(sites) - 0.5, -0.5]
    y = axes.category(map(axes.label, sites), showgrid=False, range=rows, tickfont={"size": 11})
    data = [tiles | {"xgap": 1.5, "ygap": 1.5, "hoverinfo": "skip"}, _marks(grid, limit)]
    return {"data": data, "layout": axes.layout(x, y, height=100 + 30 * len(sites), plot_bgcolor="--missing")}


def _marks(grid: Sequence[Sequence[Any]], limit: float) -> axes.Plot:
    """The verdict's mark in every cell that has a finding, legible on its colour."""
    cells = [(i, j, cell) for j, line in enumerate(grid) for i, cell in enumerate(line) if cell is not None]
    strong = [measured(cell.selectivity) and abs(float(cell.selectivity)) > axes.STRONG * limit for *_, cell in cells]
    marks = [MARKS.get(str(cell.verdict), "") for *_, cell in cells]
    return axes.texts([(j, i) for i, j, _ in cells], marks, strong, [_cell_words(cell) for *_, cell in cells])


def _cell_words(cell: Any) -> str:
    if not measured(cell.selectivity):
        return f"{NOT_MEASURED}<br>{axes.label(str(cell.why), 90)}"
    return f"{bracketed(cell.selectivity, cell.low, cell.high)}<br>{axes.label(str(cell.verdict))}"
