"""A figure of a page as a file for a paper: the same Plotly dictionary drawn by matplotlib, as SVG, PNG or PDF.

Pages draw their figures in the browser. Here the few kinds of trace that pages use (lines, marks, bands, texts, bars,
heat maps, with their error bars, levels and axes) are drawn again in the light colours of the page, without a browser.
A kind that is not among them is an error, so that no figure loses a part unseen.
"""

from __future__ import annotations

import html
import io
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_rgba
from matplotlib.figure import Figure

from imprint.models.errors import ImprintError, unknown_name
from imprint.models.files import write_bytes
from imprint.reports.figures.axes import SYMBOLS, Plot

FORMATS = ("svg", "png", "pdf")
STYLE = Path(__file__).parent.parent / "templates" / "style.css"
WIDTH, DOTS = 7.0, 72
"""Inches, and pixels of the page per inch."""
MARKERS = dict(zip(SYMBOLS, "osD^Pv*hX", strict=True))
LINES = {"dot": ":", "dash": "--", "dashdot": "-.", "longdash": (0, (8, 3))}


def write_still(plot: Plot, path: str | Path, *, title: str = "") -> Path:
    """Draw a figure into a file, whole or not at all; the path, whose ending (svg, png, pdf) says the format."""
    target, content = Path(path), io.BytesIO()
    if (kind := target.suffix[1:]) not in FORMATS:
        raise unknown_name("format of a figure", kind, FORMATS)
    undated = {"Date": None} if kind == "svg" else None
    drawn(plot, title=title).savefig(content, format=kind, dpi=200, metadata=undated)
    write_bytes(target, content.getvalue())
    return target


def drawn(plot: Plot, *, title: str = "") -> Figure:
    """The figure; its first axes are the plot."""
    layout = plot["layout"]
    figure = Figure(figsize=(WIDTH, max(2.0, layout.get("height", 300) / DOTS)), layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_facecolor(colour(layout.get("plot_bgcolor", "rgba(0,0,0,0)")))
    for trace in plot["data"]:
        kind = trace.get("type", "scatter")
        if kind not in KINDS:
            raise unknown_name("kind of trace", kind, KINDS)
        KINDS[kind](axes, trace)
    for shape in layout.get("shapes", []):
        _shape(axes, shape)
    _axis(axes, layout.get("xaxis", {}), "x")
    _axis(axes, layout.get("yaxis", {}), "y")
    if title:
        axes.set_title(plain(title), fontsize=10, loc="left")
    if axes.get_legend_handles_labels()[1]:
        axes.legend(frameon=False, fontsize=8, loc="best")
    return figure


def colour(name: Any) -> tuple[float, float, float, float]:
    """A colour of the page, ``--c-intended`` or ``--c-intended/0.2`` with an opacity, for matplotlib."""
    text, _, opacity = str(name).partition("/")
    if text.startswith("rgba"):
        red, green, blue, alpha = (float(part) for part in re.findall(r"[\d.]+", text))
        return (red / 255, green / 255, blue / 255, alpha)
    if text.startswith("--") and text not in palette():
        raise unknown_name("colour", text, palette())
    rgba = to_rgba(palette().get(text, text))
    return (rgba[0], rgba[1], rgba[2], float(opacity)) if opacity else rgba


@cache
def palette() -> dict[str, str]:
    """Variable -> colour, in the light scheme, which stands first in the style of pages."""
    found: dict[str, str] = {}
    for name, value in re.findall(r"(--[\w-]+):\s*(#[0-9a-fA-F]{3,8})\s*;", STYLE.read_text(encoding="utf-8")):
        found.setdefault(name, value)
    return found


def plain(text: object) -> str:
    """Text of a figure without Plotly's mark-up; a dollar sign is no mathematics."""
    return html.unescape(re.sub(r"<br ?/?>", "\n", str(text))).replace("$", r"\$")


def _numbers(values: Any) -> np.ndarray:
    return np.array([np.nan if value is None else float(value) for value in values])


def _scatter(axes: Axes, trace: Plot) -> None:
    x, y, mode = _numbers(trace["x"]), _numbers(trace["y"]), trace.get("mode", "lines")
    line, marker = trace.get("line", {}), trace.get("marker", {})
    stroke = {"color": colour(line.get("color", "--ink")), "linewidth": 0.75 * line.get("width", 1.5)}
    name = plain(trace.get("name", "")) if trace.get("name") and trace.get("showlegend", True) else None
    if trace.get("fill") == "toself":
        axes.fill(x, y, facecolor=colour(trace["fillcolor"]), edgecolor=stroke["color"], linewidth=stroke["linewidth"])
        return
    if "lines" in mode:
        dash = LINES.get(line.get("dash", ""), "-")
        axes.plot(x, y, linestyle=dash, label=name, **stroke)
        name = None
    if "markers" in mode and len(x):
        edge, symbol = marker.get("line", {}), str(marker.get("symbol", "circle"))
        fill, rim = marker.get("color", "--ink"), edge.get("color", marker.get("color", "--ink"))
        axes.scatter(
            x,
            y,
            s=(0.75 * marker.get("size", 7)) ** 2,
            marker=MARKERS.get(symbol.removesuffix("-open").removesuffix("-thin"), "o"),
            facecolors="none" if symbol.endswith("-open") and "-thin" not in symbol else _colours(fill),
            edgecolors=_colours(rim),
            label=name,
            zorder=3,
        )
    if "text" in mode:
        font, sizes = trace.get("textfont", {}), trace.get("textfont", {}).get("size", 11)
        shades = font.get("color", "--ink")
        for i, text in enumerate(trace["text"]):
            shade = shades if isinstance(shades, str) else shades[i]
            axes.text(x[i], y[i], plain(text), ha="center", va="center", fontsize=0.75 * sizes, color=colour(shade))
    _errors(axes, trace, x, y)


def _bar(axes: Axes, trace: Plot) -> None:
    x, y, marker = trace["x"], trace["y"], trace.get("marker", {})
    sideways = trace.get("orientation") == "h"
    at, length = (_numbers(y), _numbers(x)) if sideways else (_numbers(x), _numbers(y))
    draw = axes.barh if sideways else axes.bar
    fill, alpha = _colours(marker.get("color", "--c-other1")), marker.get("opacity")
    base = _numbers(trace["base"]) if isinstance(trace.get("base"), Sequence) else trace.get("base", 0.0)
    name = plain(trace["name"]) if trace.get("name") and trace.get("showlegend", True) else None
    draw(at, length, trace.get("width", 0.7), base, color=fill, alpha=alpha, label=name)
    _errors(axes, trace, _numbers(x), _numbers(y))


def _heatmap(axes: Axes, trace: Plot) -> None:
    z = np.array([_numbers(row) for row in trace["z"]])
    stops = [(float(at), colour(shade)) for at, shade in trace["colorscale"]]
    shades = LinearSegmentedColormap.from_list("page", stops).with_extremes(bad=colour("--missing"))
    rows, columns = z.shape
    edges = np.arange(columns + 1) - 0.5, np.arange(rows + 1) - 0.5
    tiles = np.ma.masked_invalid(z)
    axes.pcolormesh(*edges, tiles, cmap=shades, vmin=trace["zmin"], vmax=trace["zmax"], edgecolors="white", linewidth=1)


KINDS = {"scatter": _scatter, "bar": _bar, "heatmap": _heatmap}


def _colours(given: Any) -> Any:
    return colour(given) if isinstance(given, str) else [colour(one) for one in given]


def _errors(axes: Axes, trace: Plot, x: np.ndarray, y: np.ndarray) -> None:
    for which in ("x", "y"):
        bars = trace.get(f"error_{which}")
        if bars and len(x):
            ends = np.nan_to_num(np.stack([_numbers(bars["arrayminus"]), _numbers(bars["array"])])).clip(0)
            shade = colour(bars.get("color", "--ink"))
            axes.errorbar(x, y, **{f"{which}err": ends}, fmt="none", ecolor=shade, elinewidth=1, capsize=2.5)


def _shape(axes: Axes, shape: Plot) -> None:
    line = shape.get("line", {})
    dash = LINES.get(line.get("dash", ""), "-")
    stroke = {"color": colour(line.get("color", "--ink-soft")), "linewidth": 0.75 * line.get("width", 1)}
    stroke["linestyle"] = dash
    if shape.get("type") != "line":
        raise ImprintError(f"a figure has a shape {shape.get('type')!r}; drawn are lines.")
    if shape.get("yref") == "paper":
        axes.axvline(shape["x0"], **stroke)
    elif shape.get("xref") == "paper":
        axes.axhline(shape["y0"], **stroke)
    else:
        axes.plot([shape["x0"], shape["x1"]], [shape["y0"], shape["y1"]], **stroke)


def _axis(axes: Any, axis: Plot, which: str) -> None:
    of = axes.xaxis if which == "x" else axes.yaxis
    of.set_label_text(plain(axis.get("title", {}).get("text", "")))
    if ends := axis.get("range"):
        getattr(axes, f"set_{which}lim")(*ends)
    if "tickvals" in axis:
        of.set_ticks(list(axis["tickvals"]), [plain(text) for text in axis.get("ticktext") or axis["tickvals"]])
    elif "%" in str(axis.get("tickformat", "")):
        of.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
    if axis.get("zeroline") and which == "y":
        axes.axhline(0, color=colour("--axis"), linewidth=0.6, zorder=0)
    of.set_tick_params(labelsize=8)
    if axis.get("visible") is False:
        of.set_visible(False)
