"""Plotly figures about agents: rates by design, and curves over ages.

Curves of one page share their margins and their axis of ages, so that they can be read one above the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from imprint.reports.figures.axes import (
    Plot,
    age_axis,
    age_band,
    age_line,
    axis,
    category,
    error_bars,
    label,
    layout,
    limits,
    numbers,
)
from imprint.reports.words import measured

RATE = (-0.03, 1.03)
"""Range of an axis of rates."""


@dataclass(frozen=True)
class Series:
    """One line, or one mark in every row: pooled estimates and those of single seeds."""

    name: str
    colour: str
    rows: pd.DataFrame
    """Over seeds: ``estimate``, ``low``, ``high``, and ``age`` or ``place``."""
    seeds: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=["seed", "age", "place", "estimate"]))
    symbol: str = "circle"
    dash: str = "solid"


def rates(
    places: Sequence[str], series: Sequence[Series], x_title: str, colours: Mapping[str, str] | None = None
) -> Plot:
    """A row per place; in it a mark with its interval per series, and a small circle per training seed.

    ``colours`` gives places colours of their own, which stand in for those of the series.
    """
    data: list[Plot] = []
    shifts = [0.56 * (i + 0.5) / len(series) - 0.28 for i in range(len(series))]
    for one, shift in zip(series, shifts, strict=True):
        known = one.rows.drop_duplicates("place", keep="last").set_index("place").reindex(list(places)).reset_index()
        name, dots = label(one.name), one.seeds[one.seeds["place"].isin(list(places))]
        at = {place: i + shift for i, place in enumerate(places)}
        paint = [(colours or {}).get(place, one.colour) for place in places]
        data.append(
            {
                "type": "scatter",
                "mode": "markers",
                "x": numbers(dots["estimate"]),
                "y": [at[place] + min(0.16, 0.27 / len(series)) for place in dots["place"]],
                "text": [f"{name}, seed {seed}" for seed in dots["seed"]],
                "marker": {"size": 5, "color": "--surface", "line": {"color": one.colour, "width": 1}},
                "hovertemplate": "%{text}: %{x:.1%}<extra></extra>",
                "showlegend": False,
            }
        )
        data.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": name,
                "x": numbers(known["estimate"]),
                "y": [at[place] for place in places],
                "error_x": error_bars(known),
                "marker": {
                    "size": 9,
                    "symbol": one.symbol,
                    "color": paint,
                    "line": {"width": 1.6, "color": paint},
                },
                "hovertemplate": f"{name} %{{x:.1%}}<extra></extra>",
            }
        )
    x = axis(x_title, tickformat=".0%", range=list(RATE), zeroline=False)
    y = category([label(place.replace("_", " "), 18) for place in places])
    high = 110 + (16 + 22 * len(series)) * len(places)
    return {"data": data, "layout": layout(x, y, height=high, showlegend=len(series) > 1)}


def curves(
    series: Sequence[Series],
    ages: Sequence[int],
    y_title: str,
    *,
    rate: bool = True,
    crossings: Sequence[float] = (),
    height: int = 270,
) -> Plot:
    """Lines over ages: thick over seeds with its interval, thin per seed, and a vertical line at every crossing age."""
    data: list[Plot] = []
    spec = ".1%" if rate else ".2f"
    for one in series:
        for seed, own in one.seeds.groupby("seed"):
            hover = f"{label(one.name)}, seed {seed}: %{{y:{spec}}}<extra></extra>"
            thin = {"width": 0.8, "dash": one.dash}
            data.append(age_line(ages, own, f"{one.colour}/0.5", line=thin, showlegend=False, hovertemplate=hover))
    for one in series:
        marker = {"size": 7, "color": one.colour, "symbol": one.symbol}
        hover = f"{label(one.name)} %{{y:{spec}}}<extra></extra>"
        data.append(age_band(ages, one.rows, one.colour))
        data.append(
            age_line(
                ages,
                one.rows,
                one.colour,
                name=label(one.name),
                mode="lines+markers",
                marker=marker,
                line={"dash": one.dash},
                hovertemplate=hover,
            )
        )
    span = list(RATE) if rate else list(limits(*(column for one in series for column in _columns(one))))
    y = axis(y_title, tickformat=".0%" if rate else ".2f", range=span, automargin=False)
    shapes = [_upright(place_of(age, ages)) for age in crossings if measured(age)]
    margin = {"l": 58, "r": 14, "t": 12, "b": 12}
    return {
        "data": data,
        "layout": layout(age_axis(ages), y, height=height, showlegend=True, shapes=shapes, margin=margin),
    }


def _columns(series: Series) -> list[pd.Series]:
    """What an axis must hold: every estimate, and of intervals what lies between -1 and 1."""
    ends = [series.rows[end].clip(-1.0, 1.0) for end in ("low", "high")]
    return [series.rows["estimate"], series.seeds["estimate"], *ends]


def place_of(age: float, ages: Sequence[int]) -> float:
    """Where an age stands on the axis, on which measured ages have equal distances; linear between them."""
    after = next((i for i, one in enumerate(ages) if one >= age), len(ages) - 1)
    if after == 0 or ages[after] == age:
        return float(after)
    return after - (ages[after] - age) / (ages[after] - ages[after - 1])


def _upright(x: float) -> Plot:
    line = {"color": "--ink-soft", "width": 1.2, "dash": "dot"}
    return {"type": "line", "x0": x, "x1": x, "y0": 0, "y1": 1, "yref": "paper", "line": line, "layer": "below"}
