"""Axes, colours and layout of every figure."""

from __future__ import annotations

import copy
import re
from typing import Any

import numpy as np
import pandas as pd
import pytest

from imprint.reports.figures.axes import label, limits, palette, spread
from imprint.reports.pages.template import TEMPLATES


def colours_of(value: Any, coloured: bool = False) -> list[str]:
    """Every colour variable that a figure names, as the page would look it up."""
    if isinstance(value, str):
        return [value.split("/")[0]] if coloured and value.startswith("--") else []
    if isinstance(value, dict):
        return [c for key, item in value.items() for c in colours_of(item, bool(re.search(r"color(scale)?$", key)))]
    return [c for item in value for c in colours_of(item, coloured)] if isinstance(value, list | tuple) else []


def plain(value: Any) -> Any:
    """A figure with every colour variable replaced, for Plotly's own validation."""
    if isinstance(value, str):
        return "#123456" if value.startswith("--") else value
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value


def test_plotly_knows_every_property_of_every_figure(plots: dict[str, Any]) -> None:
    graph_objects = pytest.importorskip("plotly.graph_objects")
    assert len(plots) > 20
    for plot in plots.values():
        graph_objects.Figure(plain(copy.deepcopy(plot)))


def test_every_colour_is_one_of_the_page(plots: dict[str, Any]) -> None:
    style = (TEMPLATES / "style.css").read_text(encoding="utf-8")
    light, dark = style.split("@media screen", 1)
    used = {colour for plot in plots.values() for colour in colours_of(plot)}
    assert len(used) > 8
    assert all(f"{colour}:" in light and f"{colour}:" in dark for colour in used)


def test_axes_have_titles(plots: dict[str, Any]) -> None:
    for name, plot in plots.items():
        assert plot["layout"]["xaxis"]["title"]["text"], name


def test_names_are_shortened_and_escaped() -> None:
    assert label("<b>x</b>") == "&lt;b&gt;x&lt;/b&gt;"
    assert label("a" * 20 + "b" * 20, 10) == "aaa…bbbbbb"


def test_a_concept_keeps_one_colour() -> None:
    colours = palette("mother", ["red", "lamp"], ["mother", "other"])
    assert colours["mother"] == "--c-intended" and len({colours[n] for n in ("mother", "red", "lamp", "other")}) == 4


def test_ranges_ignore_what_was_not_measured() -> None:
    assert limits(pd.Series([np.nan, 0.5, 1.0]), pad=0.0) == (0.5, 1.0)
    assert limits(pd.Series([np.nan])) == (0.0, 1.0)
    assert spread(pd.Series([np.nan, -0.3])) == 0.3
