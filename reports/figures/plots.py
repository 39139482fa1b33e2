"""Plotly figures as plain dictionaries: tables in, ``{"data", "layout"}`` out. No statistics are done here.

Colours are names of CSS variables (``--c-intended``, or ``--c-intended/0.2`` with an opacity), which the page resolves
when it draws, so that figures follow light, dark and print. The palette is close to Okabe and Ito's (2008), safe for
colour-blind readers; every concept keeps one colour throughout the page, and shape or position says the same as colour.

Ages are planned log-spaced and begin with 0, which no logarithm shows: they stand at equal distances, labelled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from imprint.reports.figures.axes import (
    DASHES,
    DIVERGING,
    SYMBOLS,
    Plot,
    age_axis,
    age_band,
    age_line,
    axis,
    category,
    error_bars,
    label,
    layout,
    numbers,
)
from imprint.reports.reading.tables import records
from imprint.reports.words import MARKS, measured


def share_bars(pooled: pd.DataFrame, per_seed: pd.DataFrame, colours: Mapping[str, str]) -> Plot:
    """Shares of the value's variance: a bar per concept with its 95 % interval, a dot per training seed."""
    names = list(pooled["concept"])
    place = {name: i for i, name in enumerate(names)}
    dots = per_seed[per_seed["concept"].isin(place)]
    data = [
        {
            "type": "bar",
            "orientation": "h",
            "y": list(range(len(names))),
            "x": numbers(pooled["estimate"]),
            "error_x": error_bars(pooled),
            "marker": {"color": [colours.get(name, "--c-other1") for name in names], "opacity": 0.8},
            "width": 0.62,
            "hovertemplate": "%{x:.1%}<extra></extra>",
        },
        {
            "type": "scatter",
            "mode": "markers",
            "x": numbers(dots["estimate"]),
            "y": [place[name] + 0.22 for name in dots["concept"]],
            "text": [f"seed {seed}" for seed in dots["seed"]],
            "marker": {"size": 5, "color": "--surface", "line": {"color": "--ink", "width": 1}},
            "hovertemplate": "%{text}: %{x:.1%}<extra></extra>",
        },
    ]
    x = axis("share of the value's variance", tickformat=".0%", rangemode="tozero")
    y = category([label(name, 20) for name in names])
    return {"data": data, "layout": layout(x, y, height=70 + 40 * max(2, len(names)))}


def share_curves(pooled: pd.DataFrame, colours: Mapping[str, str], names: Sequence[str], ages: Sequence[int]) -> Plot:
    """Share of each concept against age, with its 95 % interval."""
    data: list[Plot] = []
    for i, name in enumerate(names):
        rows = pooled[pooled["concept"] == name].sort_values("age")
        colour = colours.get(name, "--c-other1")
        marker = {"symbol": SYMBOLS[i % len(SYMBOLS)], "size": 7, "color": colour}
        data.append(age_band(ages, rows, colour))
        hover = "%{y:.1%}<extra>" + label(name) + "</extra>"
        data.append(
            age_line(ages, rows, colour, name=label(name), mode="lines+markers", marker=marker, hovertemplate=hover)
        )
    y = axis("share of the value's variance", tickformat=".0%")
    return {"data": data, "layout": layout(age_axis(ages), y, height=420, showlegend=True)}


def heat_map(cells: pd.DataFrame, sites: Sequence[str], ages: Sequence[int], limit: float) -> Plot:
    """Selectivity of one concept: site down, age across; the verdict's mark in every cell, grey where not measured."""
    found = {(row.site, int(row.age)): row for row in records(cells) if measured(row.age)}
    grid = [[found.get((site, age)) for age in ages] for site in sites]
    value = [[float(c.estimate) if c is not None and measured(c.estimate) else None for c in line] for line in grid]
    tiles = {"type": "heatmap", "z": value, "zmin": -limit, "zmax": limit, "colorscale": DIVERGING, "showscale": False}
    x = age_axis(ages) | {"showgrid": False, "range": [-0.5, len(ages) - 0.5]}
    y = category([label(site) for site in sites]) | {"showgrid": False, "range": [len(sites) - 0.5, -0.5]}
    y["tickfont"] = {"size": 11}
    data = [tiles | {"xgap": 1.5, "ygap": 1.5, "hoverinfo": "skip"}, _marks(grid, limit)]
    return {"data": data, "layout": layout(x, y, height=100 + 30 * len(sites), plot_bgcolor="--missing")}


def _marks(grid: Sequence[Sequence[Any]], limit: float) -> Plot:
    """The verdict's mark in every cell that has a finding, legible on its colour."""
    cells = [(i, j, cell) for j, line in enumerate(grid) for i, cell in enumerate(line) if cell is not None]
    strong = [measured(cell.estimate) and abs(float(cell.estimate)) > 0.62 * limit for *_, cell in cells]
    return {
        "type": "scatter",
        "mode": "text",
        "x": [i for i, _, _ in cells],
        "y": [j for _, j, _ in cells],
        "text": [MARKS.get(str(cell.verdict), "") for *_, cell in cells],
        "textfont": {"size": 11, "color": ["--on-strong" if s else "--ink" for s in strong]},
        "customdata": [_cell_words(cell) for *_, cell in cells],
        "hovertemplate": "%{customdata}<extra></extra>",
    }


def _cell_words(cell: Any) -> str:
    if not measured(cell.estimate):
        return f"not measured<br>{label(str(cell.why), 90)}"
    span = f" [{cell.low:+.2f}, {cell.high:+.2f}]" if measured(cell.low) and measured(cell.high) else ""
    return f"{cell.estimate:+.2f}{span}<br>{label(str(cell.verdict))}"


def emergence(
    pooled: pd.DataFrame,
    per_seed: pd.DataFrame,
    floors: pd.DataFrame,
    *,
    colour: str,
    ages: Sequence[int],
    limits: tuple[float, float],
) -> Plot:
    """Score of one concept at its best site against age: interval over seeds, a thin line per seed, and its floors."""
    rows, marker = pooled.sort_values("age"), {"size": 7, "color": colour}
    data: list[Plot] = []
    for seed, line in per_seed.groupby("seed"):
        hover, thin = f"seed {seed}: %{{y:.2f}}<extra></extra>", {"width": 0.8}
        data.append(age_line(ages, line, f"{colour}/0.55", line=thin, showlegend=False, hovertemplate=hover))
    data.append(age_band(ages, rows, colour))
    hover = "score %{y:.2f}<extra></extra>"
    data.append(age_line(ages, rows, colour, name="score", mode="lines+markers", marker=marker, hovertemplate=hover))
    for i, (control, floor) in enumerate(floors.groupby("control", sort=True)):
        style, name = {"width": 1.5, "dash": DASHES[i % len(DASHES)]}, label(str(control))
        hover = f"{name} %{{y:.2f}}<extra></extra>"
        data.append(age_line(ages, floor, "--ink-soft", line=style, name=name, hovertemplate=hover))
    y = axis("score", range=list(limits), tickformat=".2f")
    return {"data": data, "layout": layout(age_axis(ages), y, height=330, showlegend=True)}


def forest(rows: pd.DataFrame, per_seed: pd.DataFrame, colours: Mapping[str, str], x_title: str) -> Plot:
    """One estimate per concept with its interval, zero marked, a faint dot per training seed."""
    names = list(rows["concept"])
    place = {name: i for i, name in enumerate(names)}
    dots = per_seed[per_seed["concept"].isin(place)]
    data = [
        {
            "type": "scatter",
            "mode": "markers",
            "x": numbers(dots["estimate"]),
            "y": [place[name] + 0.22 for name in dots["concept"]],
            "text": [f"seed {seed}" for seed in dots["seed"]],
            "marker": {"size": 5, "color": "--surface", "line": {"color": "--ink-soft", "width": 1}},
            "hovertemplate": "%{text}: %{x:.2f}<extra></extra>",
        },
        {
            "type": "scatter",
            "mode": "markers",
            "x": numbers(rows["estimate"]),
            "y": list(range(len(names))),
            "error_x": error_bars(rows),
            "marker": {"size": 11, "color": [colours.get(name, "--c-other1") for name in names]},
            "hovertemplate": "%{x:.2f}<extra></extra>",
        },
    ]
    y = category([label(name, 20) for name in names])
    return {"data": data, "layout": layout(axis(x_title, zeroline=True), y, height=90 + 36 * len(names))}


def versus(
    places: Sequence[str],
    effect: pd.DataFrame,
    control: pd.DataFrame,
    *,
    names: tuple[str, str],
    colour: str | Sequence[str],
    x_title: str,
    key: str = "site",
    tickformat: str = ".0%",
) -> Plot:
    """Two numbers per place: the effect (filled, coloured) above its control (hollow), each with its interval."""
    data: list[Plot] = []
    styles = (("circle", colour, -0.13), ("circle-open", "--ink-soft", 0.13))
    for rows, name, (symbol, paint, shift) in zip((effect, control), names, styles, strict=True):
        known = rows.drop_duplicates(key, keep="last").set_index(key).reindex(list(places)).reset_index()
        data.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": label(name),
                "x": numbers(known["estimate"]),
                "y": [i + shift for i in range(len(places))],
                "error_x": error_bars(known),
                "marker": {
                    "size": 10,
                    "symbol": symbol,
                    "color": paint if isinstance(paint, str) else list(paint),
                    "line": {"width": 1.6, "color": paint if isinstance(paint, str) else list(paint)},
                },
                "hovertemplate": f"{label(name)} %{{x:{tickformat}}}<extra></extra>",
            }
        )
    x = axis(x_title, tickformat=tickformat, zeroline=True)
    return {
        "data": data,
        "layout": layout(x, category([label(p) for p in places]), height=120 + 40 * len(places), showlegend=True),
    }
