"""Figures of several series: marks beside names, and curves over ages. Each shows its interval and single seeds.

All curves share their margins and their axis of ages, so that they can be read one above the other.
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


@dataclass(frozen=True)
class Series:
    """One curve, or one mark beside every name."""

    name: str
    colour: str
    rows: pd.DataFrame
    """Over seeds: ``estimate``, ``low``, ``high``, and ``age`` or ``place``."""
    seeds: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=["seed", "age", "place", "estimate"]))
    """Of single training seeds."""
    symbol: str = "circle"
    """Of the marks; a curve without a symbol is a bare line."""
    dash: str = "solid"


@dataclass(frozen=True)
class Scale:
    """The axis of the estimates."""

    title: str
    """With its unit."""
    share: bool = True
    """Whether estimates are shown in per cent."""
    limits: tuple[float, float] | None = None
    """None: what holds all that is drawn."""

    @property
    def hover(self) -> str:
        """How the pointer shows a number."""
        return ".1%" if self.share else ".2f"

    @property
    def ticks(self) -> str:
        """How the axis shows a number."""
        return ".0%" if self.share else ".2~f"


RATE = (-0.03, 1.03)
"""Limits of a scale of rates."""


def marks(
    places: Sequence[str], series: Sequence[Series], scale: Scale, *, colours: Mapping[str, str] | None = None
) -> Plot:
    """A row per place; in it a mark with its interval per series, and a small circle per training seed.

    ``colours`` gives places colours of their own, instead of those of the series.
    """
    data: list[Plot] = []
    dotted = any(len(one.seeds) for one in series)
    for i, one in enumerate(series):
        shift = 0.56 * (i + 0.5) / len(series) - 0.28
        at = {place: row + shift for row, place in enumerate(places)}
        fills = [(colours or {}).get(place, one.colour) for place in places]
        data += [_dots(one, at, min(0.16, 0.27 / len(series)), scale), _marks(one, at, fills, scale)]
    span = {} if scale.limits is None else {"range": list(scale.limits)}
    x = axis(scale.title, tickformat=scale.ticks, zeroline=scale.limits is None, **span)
    height = 104 + (16 + (22 if dotted else 12) * len(series)) * len(places)
    named = len(series) > 1
    return {"data": data, "layout": layout(x, category(map(label, places)), height=height, showlegend=named)}


def _dots(one: Series, at: Mapping[str, float], below: float, scale: Scale) -> Plot:
    """A small circle per training seed, below the mark."""
    seeds = one.seeds[one.seeds["place"].isin(list(at))]
    return {
        "type": "scatter",
        "mode": "markers",
        "x": numbers(seeds["estimate"]),
        "y": [at[place] + below for place in seeds["place"]],
        "text": [f"{label(one.name)}, seed {seed}" for seed in seeds["seed"]],
        "marker": {"size": 5, "color": "--surface", "line": {"color": one.colour, "width": 1}},
        "hovertemplate": f"%{{text}}: %{{x:{scale.hover}}}<extra></extra>",
        "showlegend": False,
    }


def _marks(one: Series, at: Mapping[str, float], fills: Sequence[str], scale: Scale) -> Plot:
    rows = one.rows.drop_duplicates("place", keep="last").set_index("place").reindex(list(at))
    return {
        "type": "scatter",
        "mode": "markers",
        "name": label(one.name),
        "x": numbers(rows["estimate"]),
        "y": list(at.values()),
        "error_x": error_bars(rows),
        "marker": {"size": 9, "symbol": one.symbol, "color": list(fills), "line": {"width": 1.6, "color": list(fills)}},
        "hovertemplate": f"{label(one.name)} %{{x:{scale.hover}}}<extra></extra>",
    }


def curves(
    series: Sequence[Series], ages: Sequence[int], scale: Scale, *, crossings: Sequence[float] = (), height: int = 270
) -> Plot:
    """Lines over ages: thick over seeds with its interval, thin per seed, and a vertical line at every crossing age."""
    data = [line for one in series for line in _seed_lines(one, ages, scale)]
    for one in series:
        if one.rows[["low", "high"]].notna().any(axis=None):
            data.append(age_band(ages, one.rows, one.colour))
        style: Plot = {"mode": "lines", "line": {"dash": one.dash}}
        if one.symbol:
            style |= {"mode": "lines+markers", "marker": {"size": 7, "color": one.colour, "symbol": one.symbol}}
        hover = f"{label(one.name)} %{{y:{scale.hover}}}<extra></extra>"
        data.append(age_line(ages, one.rows, one.colour, name=label(one.name), hovertemplate=hover, **style))
    span = scale.limits or limits(*(column for one in series for column in _columns(one)))
    y = axis(scale.title, tickformat=scale.ticks, range=list(span), automargin=False)
    shapes = [_upright(place_of(age, ages)) for age in crossings if measured(age)]
    more = {"showlegend": True, "shapes": shapes, "margin": {"l": 58, "r": 14, "t": 12, "b": 12}}
    return {"data": data, "layout": layout(age_axis(ages), y, height=height, **more)}


def _seed_lines(one: Series, ages: Sequence[int], scale: Scale) -> list[Plot]:
    """A thin line per training seed."""
    thin = {"width": 0.8, "dash": one.dash}
    lines = []
    for seed, rows in one.seeds.groupby("seed"):
        hover = f"{label(one.name)}, seed {seed}: %{{y:{scale.hover}}}<extra></extra>"
        lines.append(age_line(ages, rows, f"{one.colour}/0.5", line=thin, showlegend=False, hovertemplate=hover))
    return lines


def _columns(one: Series) -> list[pd.Series]:
    """What an axis must hold: every estimate, and of intervals what lies between -1 and 1."""
    ends = [one.rows[end].clip(-1.0, 1.0) for end in ("low", "high")]
    return [one.rows["estimate"], one.seeds["estimate"], *ends]


def place_of(age: float, ages: Sequence[int]) -> float:
    """Where an age stands on the axis, on which measured ages have equal distances; linear between them."""
    after = next((i for i, one in enumerate(ages) if one >= age), len(ages) - 1)
    if after == 0 or ages[after] == age:
        return float(after)
    return after - (ages[after] - age) / (ages[after] - ages[after - 1])


def _upright(x: float) -> Plot:
    line = {"color": "--ink-soft", "width": 1.2, "dash": "dot"}
    return {"type": "line", "x0": x, "x1": x, "y0": 0, "y1": 1, "yref": "paper", "line": line, "layer": "below"}
