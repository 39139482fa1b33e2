"""Axes, layout, colours and marks of every figure."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from imprint.reports.words import age_tick, measured

Plot = dict[str, Any]

DASHES = ("dot", "dash", "dashdot", "longdash")

DIVERGING = [[0.0, "--below2"], [0.25, "--below1"], [0.5, "--surface"], [0.75, "--above1"], [1.0, "--above2"]]
"""Orange below zero, the page's own colour at zero, blue above."""


def label(name: str, limit: int = 26) -> str:
    """A name safe inside Plotly's text mark-up, shortened to ``limit`` characters."""
    return html.escape(shortened(name, limit), quote=False)


def shortened(name: str, limit: int) -> str:
    """A name without its middle where it is longer than ``limit`` characters; names of sites differ at their ends."""
    head = (limit - 1) * 2 // 5
    return name if len(name) <= limit else f"{name[:head]}…{name[head + 1 - limit :]}"


def palette(intended: str, proxies: Sequence[str], others: Sequence[str] = ()) -> dict[str, str]:
    """Concept -> colour variable: the intended concept blue, proxies warm, others and the remainders grey."""
    colours = {"(interaction)": "--c-interaction", "(residual)": "--c-residual"}
    colours |= {name: f"--c-other{i % 4 + 1}" for i, name in enumerate(others)}
    colours |= {name: f"--c-proxy{i % 5 + 1}" for i, name in enumerate(proxies)}
    return colours | {intended: "--c-intended"}


def axis(title: str, **more: Any) -> dict[str, Any]:
    """An axis in the manner of every page; ``title`` with its unit."""
    return {
        "title": {"text": title, "standoff": 8},
        "automargin": True,
        "gridcolor": "--grid",
        "zerolinecolor": "--axis",
        "linecolor": "--axis",
        "fixedrange": True,
        **more,
    }


def layout(x: dict[str, Any], y: dict[str, Any], *, height: int, **more: Any) -> dict[str, Any]:
    """The layout of every figure; ``height`` in pixels."""
    return {
        "xaxis": x,
        "yaxis": y,
        "height": height,
        "margin": {"l": 12, "r": 14, "t": 12, "b": 12},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif", "size": 12, "color": "--ink"},
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "xanchor": "left"},
        "hoverlabel": {"bgcolor": "--surface", "bordercolor": "--axis", "font": {"color": "--ink"}},
        "dragmode": False,
        "hovermode": "closest",
        "showlegend": False,
        **more,
    }


def numbers(values: Any) -> list[float | None]:
    """Plain numbers; None, which Plotly does not draw, where nothing was measured."""
    return [float(v) if measured(v) else None for v in values]


def error_bars(rows: pd.DataFrame) -> dict[str, Any]:
    """Asymmetric error bars; none where the interval was not measured."""
    up = [h - e if measured(h) and measured(e) else None for h, e in zip(rows["high"], rows["estimate"], strict=True)]
    down = [e - b if measured(b) and measured(e) else None for b, e in zip(rows["low"], rows["estimate"], strict=True)]
    return {
        "type": "data",
        "symmetric": False,
        "array": up,
        "arrayminus": down,
        "thickness": 1.6,
        "width": 5,
        "color": "--ink",
    }


def age_axis(ages: Sequence[int]) -> dict[str, Any]:
    """The horizontal axis of every figure over ages: equal distances, labelled."""
    ticks: dict[str, Any] = {
        "tickmode": "array",
        "tickvals": list(range(len(ages))),
        "ticktext": [age_tick(age) for age in ages],
    }
    return axis("experiences lived", **ticks, range=[-0.3, len(ages) - 0.7], zeroline=False)


def age_band(ages: Sequence[int], rows: pd.DataFrame, colour: str) -> Plot:
    """The intervals of ``rows`` against age, as a surface."""
    known = rows.dropna(subset=["low", "high"])
    x = [ages.index(int(age)) for age in known["age"]]
    return {
        "type": "scatter",
        "mode": "lines",
        "x": [*x, *reversed(x)],
        "y": [*numbers(known["high"]), *reversed(numbers(known["low"]))],
        "fill": "toself",
        "fillcolor": f"{colour}/0.18",
        "line": {"width": 0},
        "hoverinfo": "skip",
        "showlegend": False,
    }


def age_line(ages: Sequence[int], rows: pd.DataFrame, colour: str, **more: Any) -> Plot:
    """The estimates of ``rows`` against age."""
    rows = rows[rows["age"].isin(ages)].sort_values("age")
    return {
        "type": "scatter",
        "mode": "lines",
        "x": [ages.index(int(age)) for age in rows["age"]],
        "y": numbers(rows["estimate"]),
        "line": {"color": colour, "width": 2.2, **more.pop("line", {})},
        **more,
    }


SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "triangle-down", "star", "hexagon", "x")


def category(names: Sequence[str]) -> dict[str, Any]:
    """A vertical axis with one name a row, the first on top, at 0, 1, ..."""
    ticks: dict[str, Any] = {"tickmode": "array", "tickvals": list(range(len(names))), "ticktext": list(names)}
    return axis("", **ticks, range=[len(names) - 0.4, -0.6], zeroline=False)


def spread(*values: pd.Series, floor: float = 0.05) -> float:
    """The largest absolute finite number of ``values``, at least ``floor``; for symmetric colour scales."""
    found = [abs(float(v)) for series in values for v in series if measured(v)]
    return max([floor, *found]) if found else floor


def limits(*values: pd.Series, pad: float = 0.06) -> tuple[float, float]:
    """An axis range that holds every finite number with some air."""
    found = [float(v) for series in values for v in series if measured(v) and math.isfinite(float(v))]
    if not found:
        return 0.0, 1.0
    air = pad * (max(found) - min(found) or 1.0)
    return min(found) - air, max(found) + air
