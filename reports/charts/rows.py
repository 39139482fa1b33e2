"""The rows that a chart draws, under fixed column names, and the drawing that is made of them.

An exhibit's table has columns of any name; its :class:`~imprint.analyses.questions.base.Chart` says which are drawn.
Here they are checked and renamed once, so that the drawing code knows only ``x, estimate, low, high, colour, panel``
(and ``y``, the row, of heat maps). Names are text, in the order in which the table brings them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from textwrap import wrap
from typing import Any

import pandas as pd

from imprint.analyses.questions.base import Chart
from imprint.models.errors import ImprintError, unknown_name
from imprint.reports.figures.axes import Plot, axis, category, label, shortened
from imprint.reports.words import NOT_MEASURED, bracketed, measured

COLOURS = ("--c-intended", *(f"--c-proxy{i}" for i in range(1, 6)), *(f"--c-other{i}" for i in range(1, 5)))
ROOM = 16
"""Characters that fit in a line beside a figure on a phone."""
NARROW = 36
"""Characters that fit side by side under a figure on a phone."""

BREAKS = re.compile(r"(?<=[_@/:])|(?<=\.)(?=[^\W\d])")
"""Where names without spaces, such as those of sites, may be broken."""


@dataclass(frozen=True)
class Entry:
    """A line of the key: a sign in its colour and what it stands for."""

    sign: str
    colour: str
    """A CSS variable."""
    text: str


@dataclass(frozen=True)
class Ramp:
    """The colour scale of heat maps."""

    side: str
    """``above``, ``below`` or ``both``: where the numbers lie, seen from the level that is left blank."""
    ends: tuple[str, str]
    blank: str
    """The level that is left blank."""
    of: str
    """What the numbers are."""


@dataclass(frozen=True)
class Drawing:
    """A chart, ready for the page."""

    panels: tuple[tuple[str, Plot], ...]
    """Name (empty without panels) and plot; all share their scales and the key."""
    key: tuple[Entry, ...] = ()
    ramp: Ramp | None = None


@dataclass(frozen=True)
class Rows:
    """The rows of a chart and the categories in them."""

    table: pd.DataFrame
    """Columns ``x, estimate, low, high, colour, panel`` and, of heat maps, ``y``."""
    numeric: bool
    """Whether ``x`` is a number."""
    categories: list[str]
    """Of ``x``; empty when it is a number."""
    colours: list[str] = field(default_factory=lambda: [""])

    def panels(self) -> Iterator[tuple[str, pd.DataFrame]]:
        """Name and rows of every panel, in the order of the table."""
        for name in dict.fromkeys(self.table["panel"]):
            yield name, self.table[self.table["panel"] == name]


def charted(chart: Chart, frame: pd.DataFrame) -> Rows:
    """The columns that ``chart`` names, checked.

    Raises :class:`ImprintError` when a column is not there, is not of numbers where numbers are drawn, or when two
    rows would be drawn over one another as bars, lines or tiles.
    """
    heat = chart.kind == "heat"
    if heat and chart.colour is None:
        raise ImprintError("a heat chart names no number to show; say which column is its colour.")
    if (chart.low is None) != (chart.high is None):
        raise ImprintError("a chart names one end of the interval only; name both, low and high, or neither.")
    named = {"panel": chart.panel} | ({"y": chart.y} if heat else {"colour": chart.colour})
    blank = [""] * len(frame)
    table = pd.DataFrame({key: blank if name is None else _texts(frame, name) for key, name in named.items()})
    for key, name in (("estimate", chart.colour if heat else chart.y), ("low", chart.low), ("high", chart.high)):
        table[key] = float("nan") if name is None else _floats(frame, name)
    numeric = not heat and _is_number(_column(frame, chart.x))
    table["x"] = _floats(frame, chart.x) if numeric else _texts(frame, chart.x)
    place = ["panel", "x", "y" if heat else "colour"]
    if chart.kind != "points" and (twice := table.duplicated(place)).any():
        first = ", ".join(str(value) for value in table.loc[twice, place].iloc[0] if value != "")
        raise ImprintError(f"a chart of {chart.kind} has two rows for {first}; give it one, or draw points.")
    colours = [""] if heat else list(dict.fromkeys(table["colour"]))
    return Rows(table, numeric, [] if numeric else list(dict.fromkeys(table["x"])), colours)


def _column(frame: pd.DataFrame, name: str) -> pd.Series:
    if name not in frame:
        raise unknown_name("column of a chart", name, [str(column) for column in frame])
    return frame[name]


def _is_number(values: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(values.dtype) and not pd.api.types.is_bool_dtype(values.dtype)


def _floats(frame: pd.DataFrame, name: str) -> list[float]:
    values = _column(frame, name)
    if not _is_number(values) and not values.isna().all():
        raise ImprintError(f"column {name!r} of a chart holds {values.dtype}; numbers are drawn there.")
    return [float(value) if measured(value) else float("nan") for value in values]


def _texts(frame: pd.DataFrame, name: str) -> list[str]:
    return [_text(value) for value in _column(frame, name)]


def _text(value: Any) -> str:
    """A cell as the name of a category."""
    if not isinstance(value, str) and pd.isna(value):
        return NOT_MEASURED
    if pd.api.types.is_bool(value):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def words_of(row: Any, names: Sequence[str]) -> str:
    """What the pointer shows: names, the number and its interval."""
    shown = bracketed(row.estimate, row.low, row.high)
    return "<br>".join([*(label(name, 60) for name in names if name), shown])


def folded(text: str, room: int) -> str:
    """Text in lines of about the same length, at most ``room`` (and not under 8) characters, safe inside a figure."""
    room = max(room, 8)
    marked = BREAKS.sub("\v", text)
    longest = max(map(len, marked.split()), default=0)
    count = len(_lines(marked, room))
    even = next(width for width in range(min(longest, room), room + 1) if len(_lines(marked, width)) == count)
    return "<br>".join(label(line, room) for line in _lines(marked, even))


def _lines(marked: str, width: int) -> list[str]:
    return [line.replace("\v", "") for line in wrap(marked, max(width, 1), replace_whitespace=False)]


def tick(name: str, room: int = ROOM) -> str:
    """A category beside its axis, in two lines where it needs them."""
    return folded(shortened(name, 2 * room - 2), room)


def down(names: Sequence[str], text: str, row: int) -> tuple[Plot, int]:
    """A vertical axis of categories and the height of the figure, with ``row`` pixels for each or more."""
    shown = [tick(name) for name in names]
    height = 90 + max(row, *(14 * name.count("<br>") + 24 for name in shown)) * len(shown) if shown else 120
    heading = axis(folded(text, (height - 70) // 7))["title"]
    return category(shown) | {"title": heading, "tickfont": {"size": 11}}, height


def fits(names: Sequence[str]) -> bool:
    """Whether names can stand side by side under a figure on a phone."""
    return sum(len(name) + 2 for name in names) <= NARROW


def under(names: Sequence[str], text: str) -> tuple[Plot, int]:
    """A horizontal axis of categories, turned upwards where they do not fit, and the extra height that may take."""
    shown = [tick(name, 20) for name in names]
    ticks = {"tickmode": "array", "tickvals": list(range(len(names))), "ticktext": shown, "zeroline": False}
    x = axis(folded(text, NARROW), **ticks, range=[-0.5, len(names) - 0.5], autotickangles=[0, -90])
    return x, 0 if fits(names) else 7 * min(20, max(map(len, names), default=0))


def cross(x: Sequence[float], y: Sequence[float], words: Sequence[str]) -> Plot:
    """Crosses where nothing was measured."""
    return {
        "type": "scatter",
        "mode": "markers",
        "x": list(x),
        "y": list(y),
        "marker": {"symbol": "x-thin", "size": 8, "line": {"width": 1.5, "color": "--ink-soft"}},
        "cliponaxis": False,
        "customdata": list(words),
        "hovertemplate": "%{customdata}<extra></extra>",
    }


CROSS = Entry("×", "--ink-soft", NOT_MEASURED)
