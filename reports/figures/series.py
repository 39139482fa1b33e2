"""Figures of several series: marks beside names, and curves over ages. Each shows its interval and single seeds.

All curves share their margins and their axis of ages, so that they can be read one above the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from imprint.reports.figures import axes
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
        return ".2~%" if self.share else ".2~f"


RATE = (-0.03, 1.03)
"""Limits of a scale of rates."""


def marks(
    places: Sequence[str],
    series: Sequence[Series],
    scale: Scale,
    *,
    colours: Mapping[str, str] | None = None,
    threshold: float | None = None,
) -> axes.Plot:
    """A row per place; in it a mark with its interval per series, and a small circle per training seed.

    ``colours`` gives places colours of their own, instead of those of the series. ``threshold`` is a vertical line.
    """
    data: list[axes.Plot] = []
    dotted = any(len(one.seeds) for one in series)
    for i, one in enumerate(series):
        shift = 0.56 * (i + 0.5) / len(series) - 0.28
        at = {place: row + shift for row, place in enumerate(places)}
        fills = [(colours or {}).get(place, one.colour) for place in places]
        seeds, below = one.seeds[one.seeds["place"].isin(places)], min(0.16, 0.27 / len(series))
        under = [at[place] + below for place in seeds["place"]]
        data.append(axes.seed_dots(seeds, under, one.colour, name=one.name, digits=scale.hover))
        data.append(_marks(one, at, fills, scale))
    span = {} if scale.limits is None else {"range": list(scale.limits)}
    x = axes.axis(scale.title, tickformat=scale.ticks, zeroline=scale.limits is None, **span)
    height = 104 + (16 + (22 if dotted else 12) * len(series)) * len(places)
    named = len(series) > 1
    y = axes.category(map(axes.label, places))
    shapes = [] if threshold is None else [_upright(threshold)]
    return {"data": data, "layout": axes.layout(x, y, height=height, showlegend=named, shapes=shapes)}


def _marks(one: Series, at: Mapping[str, float], fills: Sequence[str], scale: Scale) -> axes.Plot:
    rows = one.rows.drop_duplicates("place", keep="last").set_index("place").reindex(list(at))
    return {
        "type": "scatter",
        "mode": "markers",
        "name": axes.label(one.name),
        "x": axes.numbers(rows["estimate"]),
        "y": list(at.values()),
        "error_x": axes.error_bars(rows),
        "marker": {"size": 9, "symbol": one.symbol, "color": list(fills), "line": {"width": 1.6, "color": list(fills)}},
        "hovertemplate": f"{axes.label(one.name)} %{{x:{scale.hover}}}<extra></extra>",
    }


def curves(
    series: Sequence[Series], ages: Sequence[int], scale: Scale, *, crossings: Sequence[float] = (), height: int = 270
) -> axes.Plot:
    """Lines over ages: thick over seeds with its interval, thin per seed, and a vertical line at every crossing age."""
    data = [line for one in series for line in _seed_lines(one, ages, scale)]
    for one in series:
        if one.rows[["low", "high"]].notna().any(axis=None):
            known = one.rows.dropna(subset=["low", "high"]).sort_values("age")
            data.append(axes.band([ages.index(int(age)) for age in known["age"]], known, one.colour))
        style: axes.Plot = {"mode": "lines", "line": {"dash": one.dash}}
        if one.symbol:
            style |= {"mode": "lines+markers", "marker": {"size": 7, "color": one.colour, "symbol": one.symbol}}
        hover = f"{axes.label(one.name)} %{{y:{scale.hover}}}<extra></extra>"
        data.append(axes.age_line(ages, one.rows, one.colour, name=axes.label(one.name), hovertemplate=hover, **style))
    span = scale.limits or axes.limits(*(column for one in series for column in _columns(one)))
    y = axes.axis(scale.title, tickformat=scale.ticks, range=list(span), automargin=False)
    shapes = [_upright(place_of(age, ages)) for age in crossings if measured(age)]
    more = {"showlegend": True, "shapes": shapes, "margin": {"l": 58, "r": 14, "t": 12, "b": 12}}
    return {"data": data, "layout": axes.layout(axes.age_axis(ages), y, height=height, **more)}


def _seed_lines(one: Series, ages: Sequence[int], scale: Scale) -> list[axes.Plot]:
    """A thin line per training seed."""
    thin = {"width": 0.8, "dash": one.dash}
    lines = []
    for seed, rows in one.seeds.groupby("seed"):
        hover = f"{axes.label(one.name)}, seed {seed}: %{{y:{scale.hover}}}<extra></extra>"
        lines.append(axes.age_line(ages, rows, f"{one.colour}/0.5", line=thin, showlegend=False, hovertemplate=hover))
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


def _upright(x: float) -> axes.Plot:
    line = {"color": "--ink-soft", "width": 1.2, "dash": "dot"}
    return {"type": "line", "x0": x, "x1": x, "y0": 0, "y1": 1, "yref": "paper", "line": line, "layer": "below"}
