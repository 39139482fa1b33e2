"""Axes, layout, colours and marks of every figure.

Figures are plain Plotly dictionaries. Colours are names of CSS variables (``--c-intended``, or ``--c-intended/0.2``
with an opacity), which the page resolves when it draws, so that figures follow light, dark and print. The palette is
close to that of Okabe and Ito (2008), safe for colour-blind readers; every concept keeps one colour throughout a page,
and shape or position says the same as colour.

Ages are planned log-spaced and begin with 0, which no logarithm shows: they stand at equal distances, labelled.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from imprint.reports.words import UNIT, age_tick, measured

Plot = dict[str, Any]

DASHES = ("dot", "dash", "dashdot", "longdash")
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "triangle-down", "star", "hexagon", "x")

DIVERGING = [[0.0, "--below2"], [0.25, "--below1"], [0.5, "--surface"], [0.75, "--above1"], [1.0, "--above2"]]
"""Orange below zero, the colour of the page at zero, blue above."""
STRONG = 0.62
"""Part of a colour scale beyond which text on it is set in the light colour."""


def label(name: str, limit: int = 24) -> str:
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


def axis(title: str, **more: Any) -> Plot:
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


def layout(x: Plot, y: Plot, *, height: int, **more: Any) -> Plot:
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


def error_bars(rows: pd.DataFrame) -> Plot:
    """Asymmetric error bars; none where the interval was not measured."""
    return {
        "type": "data",
        "symmetric": False,
        "array": numbers(rows["high"] - rows["estimate"]),
        "arrayminus": numbers(rows["estimate"] - rows["low"]),
        "thickness": 1.6,
        "width": 5,
        "color": "--ink",
    }


def age_axis(ages: Sequence[int]) -> Plot:
    """The horizontal axis of every figure over ages: equal distances, labelled."""
    ticks = {"tickmode": "array", "tickvals": list(range(len(ages))), "ticktext": [age_tick(age) for age in ages]}
    return axis(f"{UNIT.get()} of training", **ticks, range=[-0.3, len(ages) - 0.7], zeroline=False)


def band(x: Sequence[float], rows: pd.DataFrame, colour: str, *, edge: float = 0) -> Plot:
    """The intervals of ``rows``, which stand at ``x``, as a surface with an edge of so many pixels."""
    return {
        "type": "scatter",
        "mode": "lines",
        "x": [*x, *reversed(x)],
        "y": [*numbers(rows["high"]), *reversed(numbers(rows["low"]))],
        "fill": "toself",
        "fillcolor": f"{colour}/0.18",
        "line": {"width": edge, "color": colour},
        "hoverinfo": "skip",
        "showlegend": False,
    }


def seed_dots(rows: pd.DataFrame, y: Sequence[float], colour: str, *, name: str = "", digits: str = ".1%") -> Plot:
    """A small circle per training seed; the pointer shows ``name``, the seed and the estimate."""
    return {
        "type": "scatter",
        "mode": "markers",
        "x": numbers(rows["estimate"]),
        "y": list(y),
        "text": [f"{label(name)}{', ' if name else ''}seed {seed}" for seed in rows["seed"]],
        "marker": {"size": 5, "color": "--surface", "line": {"color": colour, "width": 1}},
        "hovertemplate": f"%{{text}}: %{{x:{digits}}}<extra></extra>",
        "showlegend": False,
    }


def texts(at: Sequence[tuple[int, int]], shown: Sequence[str], strong: Sequence[bool], words: Sequence[str]) -> Plot:
    """Texts on tiles (row, column) of a heat map, light where ``strong``; the pointer shows ``words``."""
    return {
        "type": "scatter",
        "mode": "text",
        "x": [column for _, column in at],
        "y": [row for row, _ in at],
        "text": list(shown),
        "textfont": {"size": 11, "color": ["--on-strong" if s else "--ink" for s in strong]},
        "customdata": list(words),
        "hovertemplate": "%{customdata}<extra></extra>",
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


def category(names: Iterable[str], **more: Any) -> Plot:
    """A vertical axis with one name a row, the first on top, at 0, 1, ..."""
    shown = list(names)
    ticks = {"tickmode": "array", "tickvals": list(range(len(shown))), "ticktext": shown}
    return axis("", **ticks, zeroline=False, **{"range": [len(shown) - 0.4, -0.6], **more})


def spread(*values: pd.Series, floor: float = 0.05) -> float:
    """The largest absolute finite number of ``values``, at least ``floor``; for symmetric colour scales."""
    return max([floor, *(abs(float(v)) for series in values for v in series if measured(v))])


def limits(*values: pd.Series, pad: float = 0.06) -> tuple[float, float]:
    """An axis range that holds every finite number, with a margin of ``pad`` of its width; 0 to 1 without numbers."""
    known = [float(v) for series in values for v in series if measured(v)]
    if not known:
        return 0.0, 1.0
    margin = pad * (max(known) - min(known) or 1.0)
    return min(known) - margin, max(known) + margin
