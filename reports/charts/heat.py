"""A heat map: one row a category, one column a category, the number as colour and, where it fits, as text.

One level is left blank: the chart's reference, or zero. Above it is blue, below it orange, and equal distances have
equal depth on both sides and in all panels. A tile that was not measured is grey with a cross.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from imprint.analyses.questions.base import Chart
from imprint.reports.charts.rows import CROSS, Drawing, Ramp, Rows, cross, down, under, words_of
from imprint.reports.figures.axes import DIVERGING, Plot, label, layout, spread
from imprint.reports.reading.tables import records
from imprint.reports.words import measured, number

PHONE = 190
"""Pixels that the columns of a heat map have on a phone, beside the names of its rows."""
STRONG = 0.62
"""Part of the scale from which text on a tile is set in the light colour."""


def draw_heat(chart: Chart, rows: Rows) -> Drawing:
    """One heat map per panel."""
    middle = 0.0 if chart.reference is None else chart.reference
    reach = spread(rows.table["estimate"] - middle, floor=1e-9)
    lines = list(dict.fromkeys(rows.table["y"]))
    panels = tuple((name, _tiles(chart, rows.categories, lines, part, middle, reach)) for name, part in rows.panels())
    known = rows.table["estimate"].dropna()
    side = "above" if (known >= middle).all() else "below" if (known <= middle).all() else "both"
    ends = [middle - reach * (side != "above"), middle + reach * (side != "below")]
    low, high = (number(0.0 if abs(end) < 1e-9 * reach else end) for end in ends)
    ramp = None if known.empty else Ramp(side, (low, high), number(middle), str(chart.colour).replace("_", " "))
    lacking = len(known) < len(panels) * len(lines) * len(rows.categories)
    return Drawing(panels, (CROSS,) if lacking else (), ramp)


def _tiles(chart: Chart, columns: list[str], lines: list[str], part: pd.DataFrame, middle: float, reach: float) -> Plot:
    """One panel."""
    found = {(row.y, row.x): row for row in records(part)}
    cells = {(j, i): found.get((line, column)) for j, line in enumerate(lines) for i, column in enumerate(columns)}
    known = {at: row for at, row in cells.items() if row is not None and measured(row.estimate)}
    z = [[known[j, i].estimate if (j, i) in known else None for i in range(len(columns))] for j in range(len(lines))]
    tiles = {"type": "heatmap", "z": z, "zmin": middle - reach, "zmax": middle + reach, "colorscale": DIVERGING}
    lost = [at for at in cells if at not in known]
    words = [f"{label(lines[j], 60)}<br>{label(columns[i], 60)}<br>not measured" for j, i in lost]
    data = [
        tiles | {"showscale": False, "xgap": 1.5, "ygap": 1.5, "hoverinfo": "skip"},
        _numbers_on(known, len(columns), middle, reach),
        cross([i for _, i in lost], [j for j, _ in lost], words),
    ]
    x, extra = under(columns, chart.x_title)
    y, height = down(lines, chart.y_title, 28)
    y |= {"range": [len(lines) - 0.5, -0.5], "showgrid": False}
    return {"data": data, "layout": layout(x | {"showgrid": False}, y, height=height + extra, plot_bgcolor="--missing")}


def _numbers_on(known: dict[tuple[int, int], Any], columns: int, middle: float, reach: float) -> Plot:
    """The number on every tile, legible on its colour; left to the pointer where a phone has no room for it."""
    shown = [number(row.estimate) for row in known.values()]
    room = columns * (7 * max(map(len, shown), default=0) + 3) <= PHONE
    strong = [abs(row.estimate - middle) > STRONG * reach for row in known.values()]
    return {
        "type": "scatter",
        "mode": "text",
        "x": [i for _, i in known],
        "y": [j for j, _ in known],
        "text": shown if room else [""] * len(shown),
        "textfont": {"size": 11, "color": ["--on-strong" if s else "--ink" for s in strong]},
        "customdata": [words_of(row, (row.y, row.x)) for row in known.values()],
        "hovertemplate": "%{customdata}<extra></extra>",
    }
