"""The chart of an exhibit: a table and its chart in, one Plotly dictionary per panel and one key for all out.

- ``points`` and ``bars`` stand at their category or number, colours side by side, intervals as error bars;
- ``lines`` carry their interval as a band, and line and band break where nothing was measured;
- ``heat`` is drawn in :mod:`imprint.reports.charts.heat`.

Categories whose names do not fit side by side on a phone go down the side, as everywhere in the reports. Panels share
their scales, so that they can be compared. What was not measured is a cross at the edge of the figure: a bar that is
left out would read as zero. The key is HTML, because Plotly's own takes its space from the figure.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from imprint.analyses.questions.base import Chart
from imprint.reports.charts.heat import draw_heat
from imprint.reports.charts.rows import (
    COLOURS,
    CROSS,
    NARROW,
    ROOM,
    Drawing,
    Entry,
    Rows,
    charted,
    cross,
    down,
    fits,
    folded,
    under,
    words_of,
)
from imprint.reports.figures.axes import SYMBOLS, Plot, axis, band, error_bars, layout, limits, numbers
from imprint.reports.reading.tables import records
from imprint.reports.words import measured, number, plural

SIGNS = dict(zip(SYMBOLS, "●■◆▲✚▼★⬢✖", strict=True))
MANY = 40
"""Points of a line from which its markers are small."""
SWAP = {"x": "y", "y": "x", "error_y": "error_x", "error_x": "error_y"}


@dataclass(frozen=True)
class _Canvas:
    """A chart, its rows, and what all of its panels share."""

    chart: Chart
    rows: Rows
    """With a column ``at``: the place on the axis of ``x``."""
    aside: bool
    """Whether categories go down the side."""
    lanes: int
    """Colours side by side at one place; 1 when no two colours share a place, as when colour groups the categories."""
    unit: float
    """Smallest distance between two places on the axis of ``x``."""
    x: tuple[float, float]
    """Limits of the axis."""
    y: tuple[float, float]

    @property
    def edge(self) -> float:
        """The level at which crosses stand, at the edge of the figure."""
        return 0.0 if self.y[0] == 0 else self.y[0] + 0.03 * (self.y[1] - self.y[0])


def draw(chart: Chart, frame: pd.DataFrame) -> Drawing:
    """The drawing of a chart. Raises :class:`ImprintError` when the table does not fit it."""
    rows = charted(chart, frame)
    if chart.kind == "heat":
        return draw_heat(chart, rows)
    place = {name: float(i) for i, name in enumerate(rows.categories)}
    at = [float(f"{x:.12g}") if rows.numeric else place[x] for x in rows.table["x"]]  # 0.1 + 0.2 stands at 0.3
    table = rows.table.assign(at=pd.Series(at, dtype=float))
    placed = Rows(table.dropna(subset=["at"]), rows.numeric, rows.categories, rows.colours)
    canvas = _canvas(chart, placed)
    panels = tuple((name, _plot(canvas, panel)) for name, panel in placed.panels())
    return Drawing(panels, tuple(_key(chart, placed, len(table) - len(placed.table))))


def _canvas(chart: Chart, rows: Rows) -> _Canvas:
    table, bars = rows.table, chart.kind == "bars"
    at = np.unique(table["at"])
    unit = float(np.diff(at).min()) if len(at) > 1 else 1.0
    levels = [0.0] * bars + ([] if chart.reference is None else [chart.reference])
    drawn = pd.concat([table["estimate"], table["low"], table["high"], pd.Series(levels, dtype=float)])
    low, high = limits(drawn)
    if bars:  # their foot is the edge of the figure, unless some point the other way
        low, high = (0.0 if drawn.min() >= 0 else low), (0.0 if drawn.max() <= 0 < high and drawn.min() < 0 else high)
    first, last = limits(table["at"], pad=0.04) if rows.numeric else (-0.5, len(rows.categories) - 0.5)
    margin = 0.5 * unit if bars and rows.numeric else 0.0
    aside = chart.kind != "lines" and not rows.numeric and not fits(rows.categories)
    meet = table.groupby(["panel", "at"])["colour"].nunique().gt(1).any()
    lanes = len(rows.colours) if meet else 1
    return _Canvas(chart, rows, aside, lanes, unit, (first - margin, last + margin), (low, high))


@dataclass(frozen=True)
class _Series:
    """The rows of one colour in one panel, and how they are drawn."""

    rows: pd.DataFrame
    at: list[float]
    """Where they stand; colours that share a place stand side by side."""
    words: list[str]
    colour: str
    symbol: str
    width: float
    """Of a bar."""

    @property
    def trace(self) -> Plot:
        """What every kind of trace has."""
        hover = {"customdata": self.words, "hovertemplate": "%{customdata}<extra></extra>"}
        return {"x": self.at, "y": numbers(self.rows["estimate"]), **hover}

    def crosses(self, edge: float) -> list[Plot]:
        """Crosses at the edge for rows that were not measured."""
        lost = [i for i, value in enumerate(self.rows["estimate"]) if not measured(value)]
        return [cross([self.at[i] for i in lost], [edge] * len(lost), [self.words[i] for i in lost])] if lost else []


def _plot(canvas: _Canvas, panel: pd.DataFrame) -> Plot:
    """One panel."""
    data: list[Plot] = []
    traces = {"points": _points, "bars": _bars, "lines": _lines}[canvas.chart.kind]
    for k, name in enumerate(canvas.rows.colours):
        if (panel["colour"] == name).any():
            series = _series(canvas, panel[panel["colour"] == name], k)
            data += [*traces(series), *series.crosses(canvas.edge)]
    x, y, height = _axes(canvas)
    if canvas.aside:
        data = [_turned(trace) for trace in data]
    reference = canvas.chart.reference
    shapes = [] if reference is None else [_level(reference, canvas.aside)]
    return {"data": data, "layout": layout(x, y, height=height, shapes=shapes, barmode="overlay")}


def _series(canvas: _Canvas, rows: pd.DataFrame, k: int) -> _Series:
    """The rows of colour ``k``; lines stay at their numbers, points and bars stand side by side."""
    chart, lanes = canvas.chart, canvas.lanes
    step = {"bars": 0.76 / lanes, "points": min(0.36, 0.7 / lanes), "lines": 0.0}[chart.kind] * canvas.unit
    shift = (k - (lanes - 1) / 2) * step if lanes > 1 else 0.0
    rows = rows.sort_values("at", kind="stable") if chart.kind == "lines" else rows
    words = [
        words_of(row, (row.panel, f"{chart.x_title}: {number(row.at)}" if canvas.rows.numeric else row.x, row.colour))
        for row in records(rows)
    ]
    at = [float(value) + shift for value in rows["at"]]
    return _Series(rows, at, words, COLOURS[k % len(COLOURS)], SYMBOLS[k % len(SYMBOLS)], 0.9 * step)


def _points(series: _Series) -> list[Plot]:
    marker = {"symbol": series.symbol, "size": 9, "color": series.colour}
    bars = error_bars(series.rows) | {"color": series.colour, "width": 4}
    return [series.trace | {"type": "scatter", "mode": "markers", "marker": marker, "error_y": bars}]


def _bars(series: _Series) -> list[Plot]:
    marker = {"color": series.colour, "opacity": 0.8}
    shape = {"type": "bar", "width": series.width, "marker": marker, "error_y": error_bars(series.rows)}
    return [series.trace | shape]


def _lines(series: _Series) -> list[Plot]:
    marker = {"symbol": series.symbol, "size": 7 if len(series.at) <= MANY else 3, "color": series.colour}
    line = {"mode": "lines+markers", "line": {"color": series.colour, "width": 2.2}, "marker": marker}
    return [*_bands(series), series.trace | {"type": "scatter", **line}]


def _bands(series: _Series) -> list[Plot]:
    """A band for every stretch whose interval was measured; a stroke where the stretch is a single place."""
    whole = series.rows[["estimate", "low", "high"]].notna().all(axis=1)
    stretches = series.rows[whole].groupby((~whole).cumsum()[whole])
    return [band(list(part["at"]), part, series.colour, edge=1.6 if len(part) == 1 else 0) for _, part in stretches]


def _turned(trace: Plot) -> Plot:
    """The same with categories down the side."""
    turned = {SWAP.get(key, key): value for key, value in trace.items()}
    return turned | ({"orientation": "h"} if trace["type"] == "bar" else {})


def _axes(canvas: _Canvas) -> tuple[Plot, Plot, int]:
    """Horizontal axis, vertical axis and height in pixels."""
    chart, names = canvas.chart, canvas.rows.categories
    if canvas.aside:
        y, height = down(names, chart.x_title, 11 * canvas.lanes + 6)
        return axis(folded(chart.y_title, NARROW - ROOM + 4), range=list(canvas.y), zeroline=True), y, height
    height, extra = 340, 0
    if canvas.rows.numeric:
        x = axis(folded(chart.x_title, NARROW), range=list(canvas.x), zeroline=False)
    else:
        x, extra = under(names, chart.x_title)
    y = axis(folded(chart.y_title, (height - 80) // 7), range=list(canvas.y), zeroline=True)
    return x, y, height + extra


def _level(value: float, aside: bool) -> Plot:
    """A dashed line at a level to compare with."""
    along, across = ("y", "x") if aside else ("x", "y")
    ends = {f"{along}ref": "paper", f"{along}0": 0, f"{along}1": 1, f"{across}0": value, f"{across}1": value}
    return {"type": "line", "layer": "between", "line": {"color": "--ink-soft", "width": 1.5, "dash": "dash"}, **ends}


def _key(chart: Chart, rows: Rows, left_out: int) -> list[Entry]:
    entries = []
    if chart.colour is not None:
        for k, name in enumerate(rows.colours):
            symbol = "square" if chart.kind == "bars" else SYMBOLS[k % len(SYMBOLS)]
            entries.append(Entry(SIGNS[symbol], COLOURS[k % len(COLOURS)], name))
    if chart.reference is not None:
        entries.append(Entry("┄", "--ink-soft", f"level to compare with: {number(chart.reference)}"))
    if rows.table["estimate"].isna().any():
        entries.append(CROSS)
    if left_out:
        text = f"{plural(left_out, 'row')} left out: no place on the horizontal axis"
        entries.append(Entry("", "--ink-soft", text))
    return entries
