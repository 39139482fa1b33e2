"""A heat map: one row a category, one column a category, the number as colour and, where it fits, as text.

One level is left blank: the chart's reference, or zero. Above it is blue, below it orange, and equal distances have
equal depth on both sides and in all panels. A tile that was not measured is grey with a cross.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from imprint.analyses.questions.base import Chart
from imprint.reports.charts.rows import CROSS, Drawing, Ramp, Rows, cross, down, under, words_of
from imprint.reports.figures.axes import DIVERGING, STRONG, Plot, label, layout, numbers, spread, texts
from imprint.reports.reading.tables import records
from imprint.reports.words import NOT_MEASURED, measured, number

PHONE = 190
"""Pixels that the columns of a heat map have on a phone, beside the names of its rows."""


@dataclass(frozen=True)
class _Grid:
    """What all panels share."""

    columns: list[str]
    lines: list[str]
    middle: float
    """The level that is left blank."""
    reach: float
    """The largest distance of a number from it."""


def draw_heat(chart: Chart, rows: Rows) -> Drawing:
    """One heat map per panel."""
    middle = 0.0 if chart.reference is None else chart.reference
    reach = spread(rows.table["estimate"] - middle, floor=1e-9)
    grid = _Grid(rows.categories, list(dict.fromkeys(rows.table["y"])), middle, reach)
    panels = tuple((name, _tiles(chart, grid, panel)) for name, panel in rows.panels())
    known = rows.table["estimate"].dropna()
    side = "above" if (known >= middle).all() else "below" if (known <= middle).all() else "both"
    ends = [middle - reach * (side != "above"), middle + reach * (side != "below")]
    low, high = (number(0.0 if abs(end) < 1e-9 * reach else end) for end in ends)
    ramp = None if known.empty else Ramp(side, (low, high), number(middle), str(chart.colour).replace("_", " "))
    lacking = len(known) < len(panels) * len(grid.lines) * len(grid.columns)
    return Drawing(panels, (CROSS,) if lacking else (), ramp)


def _tiles(chart: Chart, grid: _Grid, panel: pd.DataFrame) -> Plot:
    """One panel."""
    rows = {(row.y, row.x): row for row in records(panel)}
    cells = {(j, i): rows.get((y, x)) for j, y in enumerate(grid.lines) for i, x in enumerate(grid.columns)}
    known = {at: row for at, row in cells.items() if row is not None and measured(row.estimate)}
    estimates = {at: known[at].estimate if at in known else None for at in cells}
    z = [numbers(estimates[j, i] for i in range(len(grid.columns))) for j in range(len(grid.lines))]
    ends = {"zmin": grid.middle - grid.reach, "zmax": grid.middle + grid.reach, "colorscale": DIVERGING}
    gaps = {"showscale": False, "xgap": 1.5, "ygap": 1.5, "hoverinfo": "skip"}
    lost = [at for at in cells if at not in known]
    words = [f"{label(grid.lines[j], 60)}<br>{label(grid.columns[i], 60)}<br>{NOT_MEASURED}" for j, i in lost]
    tiles = {"type": "heatmap", "z": z, **ends, **gaps}
    data = [tiles, _numbers_on(known, grid), cross([i for _, i in lost], [j for j, _ in lost], words)]
    x, extra = under(grid.columns, chart.x_title)
    y, height = down(grid.lines, chart.y_title, 28)
    y |= {"range": [len(grid.lines) - 0.5, -0.5], "showgrid": False}
    return {"data": data, "layout": layout(x | {"showgrid": False}, y, height=height + extra, plot_bgcolor="--missing")}


def _numbers_on(known: Mapping[tuple[int, int], Any], grid: _Grid) -> Plot:
    """The number on every tile, legible on its colour; only under the pointer where a phone has no space for it."""
    shown = [number(row.estimate) for row in known.values()]
    fit = len(grid.columns) * (7 * max(map(len, shown), default=0) + 3) <= PHONE
    strong = [abs(row.estimate - grid.middle) > STRONG * grid.reach for row in known.values()]
    words = [words_of(row, (row.y, row.x)) for row in known.values()]
    return texts(list(known), shown if fit else [""] * len(shown), strong, words)
