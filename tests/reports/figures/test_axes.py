from __future__ import annotations

import copy
import re
import struct
import zlib
from typing import Any

import numpy as np
import pytest

from imprint.reports.figures.axes import label, limits, palette, spread
from imprint.reports.pages.template import TEMPLATES
from imprint.reports.pictures import overlay, png, strip
from imprint.reports.words import age_tick, interval, number, percent


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
    assert limits(np.array([np.nan, 0.5, 1.0]), pad=0.0) == (0.5, 1.0)  # type: ignore[arg-type]
    assert limits(np.array([np.nan])) == (0.0, 1.0)  # type: ignore[arg-type]
    assert spread(np.array([np.nan, -0.3])) == 0.3  # type: ignore[arg-type]


def test_numbers_in_words() -> None:
    assert number(float("nan")) == percent(None) == "not measured"
    assert (
        number(0.0) == "0" and number(1234.0) == "1,234" and number(0.0123) == "0.012" and number(-0.5) == "\u22120.50"
    )
    assert [percent(v) for v in (-0.0001, 0.4547, 0.0547)] == ["0.0\u00a0%", "45\u00a0%", "5.5\u00a0%"]
    row = {"estimate": 0.5, "low": float("nan"), "high": 0.6}
    assert interval(row) == "0.50 (no interval)"
    assert interval(row | {"estimate": float("nan")}) == "not measured"
    assert [age_tick(age) for age in (0, 960, 2400, 76800, 2_000_000)] == ["birth", "960", "2.4k", "76.8k", "2M"]


def decoded(content: bytes) -> np.ndarray:
    """Pixels of a PNG as :func:`png` writes it, checksums verified."""
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    at, body, shape = 8, b"", (0, 0, 0)
    while at < len(content):
        (size,) = struct.unpack(">I", content[at : at + 4])
        kind, data = content[at + 4 : at + 8], content[at + 8 : at + 8 + size]
        assert struct.unpack(">I", content[at + 8 + size : at + 12 + size])[0] == zlib.crc32(kind + data)
        if kind == b"IHDR":
            width, height, _, colour = struct.unpack(">IIBB", data[:10])
            shape = (height, width, {2: 3, 6: 4}[colour])
        body += data if kind == b"IDAT" else b""
        at += 12 + size
    rows = np.frombuffer(zlib.decompress(body), dtype=np.uint8).reshape(shape[0], -1)
    assert not rows[:, 0].any()
    return rows[:, 1:].reshape(shape)


@pytest.mark.parametrize("channels", [3, 4])
def test_a_picture_survives_its_file(channels: int) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (5, 7, channels), dtype=np.uint8)
    np.testing.assert_array_equal(decoded(png(picture)), picture)


def test_a_picture_of_another_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="came float64"):
        png(np.zeros((2, 2, 3)))


def test_a_strip_shows_every_frame_and_marks_one() -> None:
    frames = np.stack([np.full((2, 3, 3), 10 * i, dtype=np.uint8) for i in range(12)])
    sheet = strip(frames, marked=11, width=30)
    shown = set(np.unique(sheet[..., 0][sheet[..., 3] == 255]))
    assert shown == {10 * i for i in range(12)} | {120}
    assert sheet.shape == (2 * (2 + 8), 10 * (3 + 4) - 4, 4)
    unmarked = strip(frames, width=30)
    assert (sheet[..., 3] > 0).sum() - (unmarked[..., 3] > 0).sum() == 3 * 4


def test_an_overlay_shows_sign_and_strength() -> None:
    frames, attribution = np.full((1, 4, 4, 3), 128, dtype=np.uint8), np.zeros((1, 4, 4))
    np.testing.assert_array_equal(np.ptp(overlay(frames, attribution)), 0)
    attribution[0, 0, 0], attribution[0, 3, 3] = 1.0, -1.0
    shown = overlay(frames, attribution)[0]
    assert shown[0, 0, 2] > shown[0, 0, 0] and shown[3, 3, 0] > shown[3, 3, 2]
    np.testing.assert_array_equal(shown[1, 1], shown[2, 2])
