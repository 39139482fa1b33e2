from __future__ import annotations

import html
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imprint.analyses.questions.base import Chart
from imprint.models.errors import ImprintError
from imprint.reports.charts.draw import draw
from imprint.reports.charts.rows import Drawing, Entry, folded

NASTY = '<b>&"x"'
CROSSED = "x-thin"


def chart(kind: str, **more: Any) -> Chart:
    return Chart(kind, "x", "y", "where", "score (0 to 1)", **more)  # type: ignore[arg-type]


def table(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame(columns)


def only(drawing: Drawing) -> dict[str, Any]:
    """The plot of a chart without panels."""
    assert [name for name, _ in drawing.panels] == [""]
    return drawing.panels[0][1]


def split(plot: dict[str, Any]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The traces that show numbers, and the crosses."""
    crosses = [trace for trace in plot["data"] if trace.get("marker", {}).get("symbol") == CROSSED]
    return [trace for trace in plot["data"] if trace not in crosses], crosses


def signs(drawing: Drawing) -> list[str]:
    return [entry.text for entry in drawing.key]


@pytest.mark.parametrize("kind", ["points", "bars"])
def test_names_that_fit_stand_below_and_many_go_down_the_side(kind: str) -> None:
    few = only(draw(chart(kind), table(x=["a", "b"], y=[0.1, 0.2])))
    assert few["layout"]["xaxis"]["ticktext"] == ["a", "b"] and few["data"][0]["y"] == [0.1, 0.2]
    names = [f"concept {i}" for i in range(30)]
    many = only(draw(chart(kind), table(x=names, y=np.linspace(0, 1, 30))))
    assert many["layout"]["yaxis"]["ticktext"] == names
    assert many["data"][0]["y"] == list(range(30)) and many["data"][0]["x"][-1] == 1.0
    assert many["layout"]["xaxis"]["title"]["text"] == "score (0 to 1)"
    assert many["layout"]["yaxis"]["title"]["text"] == "where"
    assert many["layout"]["yaxis"]["range"][0] > many["layout"]["yaxis"]["range"][1], "the first name stands on top"
    assert many["layout"]["height"] > 30 * 20
    assert (many["data"][0].get("orientation") == "h") == (kind == "bars")


@pytest.mark.parametrize("kind", ["points", "bars", "lines"])
@pytest.mark.parametrize("x", [["a", "b", "c"], [1.0, 2.0, 4.0]])
def test_what_was_not_measured_is_a_cross_and_never_a_number(kind: str, x: list[Any]) -> None:
    drawing = draw(chart(kind), table(x=x, y=[0.5, np.nan, 0.7]))
    shown, crosses = split(only(drawing))
    assert shown[0]["y"] == [0.5, None, 0.7]
    assert len(crosses) == 1 and crosses[0]["x"] == [shown[0]["x"][1]]
    assert "not measured" in crosses[0]["customdata"][0]
    assert signs(drawing) == ["not measured"]
    low, high = only(drawing)["layout"]["yaxis"]["range"]
    assert low <= crosses[0]["y"][0] < low + 0.1 * (high - low)
    whole = draw(chart(kind), table(x=x, y=[0.5, 0.6, 0.7]))
    assert split(only(whole))[1] == [] and signs(whole) == []


@pytest.mark.parametrize("empty", [np.nan, np.inf, None])
@pytest.mark.parametrize("kind", ["points", "bars", "lines", "heat"])
def test_nothing_measured_at_all_is_still_drawn(kind: str, empty: float | None) -> None:
    rows = table(x=["a", "b"], y=["c", "c"] if kind == "heat" else [empty] * 2, shown=[empty] * 2)
    drawing = draw(chart(kind, colour="shown" if kind == "heat" else None), rows)
    assert signs(drawing) == ["not measured"] and drawing.ramp is None
    assert split(only(drawing))[1][0]["x"] == [0.0, 1.0]


def test_an_empty_table_has_no_figure() -> None:
    for kind in ("points", "bars", "lines", "heat"):
        assert draw(chart(kind, colour="y"), table(x=[], y=np.zeros(0))).panels == ()


def test_intervals_are_drawn_as_they_are_and_only_where_they_were_measured() -> None:
    rows = table(x=["a", "b", "c"], y=[0.5, 0.5, 0.5], low=[0.4, np.nan, 0.2], high=[0.8, 0.6, np.nan])
    bars = only(draw(chart("points", low="low", high="high"), rows))["data"][0]["error_y"]
    np.testing.assert_allclose(np.array(bars["array"], dtype=float), [0.3, 0.1, np.nan])
    np.testing.assert_allclose(np.array(bars["arrayminus"], dtype=float), [0.1, np.nan, 0.3])
    bare = only(draw(chart("points"), rows))["data"][0]["error_y"]
    assert bare["array"] == bare["arrayminus"] == [None] * 3


@pytest.mark.parametrize("kind", ["points", "bars"])
def test_colours_stand_side_by_side_around_their_place(kind: str) -> None:
    rows = table(x=["a", "b"] * 3, y=np.arange(6) / 10, c=["k", "k", "l", "l", "m", "m"])
    traces = only(draw(chart(kind, colour="c"), rows))["data"]
    places = np.array([trace["x"] for trace in traces])
    np.testing.assert_allclose(places.mean(axis=0), [0.0, 1.0], atol=1e-12)
    assert (np.diff(places, axis=0) > 0.1).all() and np.ptp(places[:, 0]) < 0.8
    assert len({str(trace["marker"]["color"]) for trace in traces}) == 3
    if kind == "bars":
        assert (np.diff(places, axis=0) >= traces[0]["width"]).all(), "bars do not cover one another"


@pytest.mark.parametrize("kind", ["points", "bars"])
def test_colours_that_group_the_categories_leave_them_in_their_place(kind: str) -> None:
    names = [f"concept {i}" for i in range(20)]
    rows = table(x=names, y=np.linspace(0.1, 1, 20), c=["intended"] + ["proxy"] * 9 + ["other"] * 10)
    grouped, bare = only(draw(chart(kind, colour="c"), rows)), only(draw(chart(kind), rows))
    assert [place for trace in grouped["data"] for place in trace["y"]] == list(range(20))
    assert grouped["layout"]["height"] == bare["layout"]["height"]
    assert grouped["data"][0].get("width") == bare["data"][0].get("width")


def test_numbers_stay_where_they_are_unless_colours_share_them() -> None:
    apart = only(draw(chart("points", colour="c"), table(x=[1.0, 2.0, 5.0], y=[0.1, 0.2, 0.3], c=["k", "l", "k"])))
    assert [trace["x"] for trace in apart["data"]] == [[1.0, 5.0], [2.0]]
    shared = only(draw(chart("points", colour="c"), table(x=[10, 10, 30], y=[0.1, 0.2, 0.3], c=["k", "l", "k"])))
    assert shared["data"][0]["x"][0] < 10 < shared["data"][1]["x"][0] < 20
    assert "where: 10" in shared["data"][1]["customdata"][0]


def test_lines_run_from_left_to_right_and_break_where_nothing_was_measured() -> None:
    y = np.array([0.6, 0.5, np.nan, 0.7, 0.8])
    rows = table(x=[2, 1, 3, 4, 5], y=y, low=y - 0.1, high=y + 0.1)
    traces, _ = split(only(draw(chart("lines", low="low", high="high"), rows)))
    bands, line = traces[:-1], traces[-1]
    assert line["x"] == [1, 2, 3, 4, 5] and line["y"] == [0.5, 0.6, None, 0.7, 0.8]
    assert [band["x"] for band in bands] == [[1, 2, 2, 1], [4, 5, 5, 4]]
    np.testing.assert_allclose(bands[0]["y"], [0.6, 0.7, 0.5, 0.4])
    assert [split(only(draw(chart("lines"), rows)))[0][0]["mode"]] == ["lines+markers"]


def test_panels_share_their_scales_and_one_key() -> None:
    rows = table(x=[1, 2, 1, 2], y=[0.0, 0.1, 5.0, 9.0], p=["one", "one", NASTY, NASTY], c=["k"] * 4)
    drawing = draw(chart("lines", panel="p", colour="c", reference=2.0), rows)
    assert [name for name, _ in drawing.panels] == ["one", NASTY]
    first, second = (plot["layout"] for _, plot in drawing.panels)
    assert first["yaxis"]["range"] == second["yaxis"]["range"] and first["xaxis"]["range"] == second["xaxis"]["range"]
    assert first["yaxis"]["range"][0] < 0.0 and first["yaxis"]["range"][1] > 9.0
    assert signs(drawing) == ["k", "level to compare with: 2.00"]
    assert first["shapes"][0]["y0"] == first["shapes"][0]["y1"] == 2.0


def test_the_reference_is_in_sight_and_turns_with_the_figure() -> None:
    names = [f"a long name {i}" for i in range(20)]
    plot = only(draw(chart("points", reference=3.0), table(x=names, y=np.zeros(20))))
    assert plot["layout"]["xaxis"]["range"][1] > 3.0
    assert plot["layout"]["shapes"][0]["x0"] == 3.0 and plot["layout"]["shapes"][0]["yref"] == "paper"
    assert only(draw(chart("points"), table(x=["a"], y=[0.0])))["layout"]["shapes"] == []


@pytest.mark.parametrize(("numbers", "foot"), [([0.2, 0.4], 0), ([-0.2, -0.4], 1)])
def test_bars_stand_on_zero(numbers: list[float], foot: int) -> None:
    assert only(draw(chart("bars"), table(x=["a", "b"], y=numbers)))["layout"]["yaxis"]["range"][foot] == 0.0
    low, high = only(draw(chart("bars"), table(x=["a", "b"], y=[-0.1, 0.1])))["layout"]["yaxis"]["range"]
    assert low < -0.1 and high > 0.1


def test_bars_at_numbers_have_the_width_of_the_smallest_gap() -> None:
    rows = table(x=[0.1 + 0.2, 0.3, 1.3, 5.0], y=[0.1, 0.2, 0.3, 0.4], c=["k", "l", "k", "l"])
    plot = only(draw(chart("bars", colour="c"), rows))
    assert 0.3 < plot["data"][0]["width"] < 0.5
    low, high = plot["layout"]["xaxis"]["range"]
    assert low < -0.1 and high > 5.4


def heat(rows: pd.DataFrame, **more: Any) -> Drawing:
    return draw(Chart("heat", "x", "y", "column", "row", colour="score", **more), rows)


def tiles(drawing: Drawing) -> dict[str, Any]:
    return dict(only(drawing)["data"][0])


def test_a_tile_without_a_number_and_one_without_a_row_are_crossed() -> None:
    rows = table(x=["a", "b", "a"], y=["c", "c", "d"], score=[0.1, np.nan, 0.3])
    drawing = heat(rows)
    assert tiles(drawing)["z"] == [[0.1, None], [0.3, None]]
    assert split(only(drawing))[1][0]["x"] == [1, 1] and signs(drawing) == ["not measured"]
    whole = heat(table(x=["a", "b"], y=["c", "c"], score=[0.1, 0.2]))
    assert split(only(whole))[1][0]["x"] == [] and signs(whole) == []


@pytest.mark.parametrize(
    ("scores", "reference", "side", "ends", "scale"),
    [
        ([0.0, 0.5], None, "above", ("0", "0.50"), (-0.5, 0.5)),
        ([-0.5, 0.25], None, "both", ("−0.50", "0.50"), (-0.5, 0.5)),
        ([0.4, 0.75], 0.5, "both", ("0.25", "0.75"), (0.25, 0.75)),
        ([0.1, 0.6], 0.3, "both", ("0", "0.60"), (0.0, 0.6)),
        ([-0.5, -0.1], None, "below", ("−0.50", "0"), (-0.5, 0.5)),
    ],
)
def test_the_level_to_compare_with_is_blank_and_both_sides_are_equally_deep(
    scores: list[float], reference: float | None, side: str, ends: tuple[str, str], scale: tuple[float, float]
) -> None:
    drawing = heat(table(x=["a", "b"], y=["c", "c"], score=scores), reference=reference)
    assert drawing.ramp is not None and (drawing.ramp.side, drawing.ramp.ends) == (side, ends)
    np.testing.assert_allclose((tiles(drawing)["zmin"], tiles(drawing)["zmax"]), scale)


def test_panels_of_tiles_share_one_scale() -> None:
    rows = table(x=["a", "a"], y=["c", "c"], score=[0.1, 0.9], p=["one", "two"])
    assert {plot["data"][0]["zmax"] for _, plot in heat(rows, panel="p").panels} == {0.9}


def test_numbers_are_on_the_tiles_where_a_phone_has_room() -> None:
    rows = table(x=["a", "b"], y=["c", "c"], score=[0.12, 0.2], low=[0.1, 0.1], high=[0.3, 0.3])
    text = only(heat(rows, low="low", high="high"))["data"][1]
    assert text["text"] == ["0.12", "0.20"] and text["customdata"][0] == "c<br>a<br>0.12 [0.10, 0.30]"
    many = heat(table(x=list("abcdefghijkl"), y=["c"] * 12, score=np.linspace(0, 1, 12)))
    assert set(only(many)["data"][1]["text"]) == {""}
    assert "0.55" in only(many)["data"][1]["customdata"][6]


def test_more_colours_than_there_are_stay_apart_by_shape() -> None:
    rows = table(x=[1] * 25, y=np.arange(25.0), c=[f"colour {i}" for i in range(25)])
    drawing = draw(chart("points", colour="c"), rows)
    assert len({(entry.sign, entry.colour) for entry in drawing.key}) == 25
    drawn = {(str(t["marker"]["symbol"]), str(t["marker"]["color"])) for t in only(drawing)["data"]}
    assert len(drawn) == 25


def test_rows_without_a_place_are_counted() -> None:
    drawing = draw(chart("points"), table(x=[1.0, np.nan, 2.0], y=[0.1, 0.2, 0.3]))
    assert only(drawing)["data"][0]["x"] == [1.0, 2.0]
    assert signs(drawing) == ["1 row left out: no place on the horizontal axis"]


def test_a_missing_name_and_a_truth_value_are_words() -> None:
    plot = only(draw(chart("points"), table(x=["a", None], y=[0.1, 0.2])))
    assert plot["layout"]["xaxis"]["ticktext"] == ["a", "not measured"]
    drawing = draw(chart("points", colour="c"), table(x=["a", "a"], y=[0.1, 0.2], c=[True, False]))
    assert [entry.text for entry in drawing.key] == ["yes", "no"]
    assert drawing.key[0] == Entry("●", "--c-intended", "yes")


@pytest.mark.parametrize(
    ("made", "rows", "words"),
    [
        (chart("points", low="lwo", high="y"), table(x=[1], y=[1.0], low=[0.5]), ["'lwo'", "Did you mean 'low'?"]),
        (chart("lines", low="low"), table(x=[1], y=[1.0], low=[0.5]), ["one end of the interval only"]),
        (chart("points"), table(x=[1], y=["much"]), ["column 'y'", "numbers are drawn there"]),
        (chart("bars"), table(x=["a", "a"], y=[0.1, 0.2]), ["two rows for a"]),
        (chart("lines", colour="c"), table(x=[1, 1], y=[0.1, 0.2], c=["k", "k"]), ["two rows for 1", "k"]),
        (chart("heat"), table(x=["a"], y=["b"]), ["no number to show"]),
        (chart("heat", colour="c"), table(x=["a", "a"], y=["b", "b"], c=[0.1, 0.2]), ["two rows for a, b"]),
    ],
)
def test_a_chart_that_does_not_fit_its_table_is_refused(made: Chart, rows: pd.DataFrame, words: list[str]) -> None:
    with pytest.raises(ImprintError) as refusal:
        draw(made, rows)
    assert all(word in str(refusal.value) for word in words)


def test_points_may_lie_on_one_another() -> None:
    assert only(draw(chart("points"), table(x=["a", "a"], y=[0.1, 0.2])))["data"][0]["y"] == [0.1, 0.2]


def texts(value: Any) -> list[str]:
    """All strings in a figure that Plotly reads as mark-up."""
    if isinstance(value, dict):
        return [t for key, item in value.items() if key != "font" for t in texts(item)]
    if isinstance(value, list | tuple):
        return [t for item in value for t in texts(item)]
    return [value] if isinstance(value, str) else []


@pytest.mark.parametrize("kind", ["points", "bars", "lines", "heat"])
def test_names_cannot_speak_plotlys_language(kind: str) -> None:
    bad = "<a href='x'>"
    rows = table(**{bad: [bad, "b"], "y": [0.1, np.nan], "p": [bad, bad], "n": [0.1, np.nan]})
    made = Chart(kind, bad, "p" if kind == "heat" else "y", bad, bad, colour="n" if kind == "heat" else "p", panel="p")  # type: ignore[arg-type]
    for _, plot in draw(made, rows).panels:
        words = texts(plot)
        assert not any("<a" in text for text in words) and any("&lt;a" in text for text in words)


@given(st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=80), st.integers(8, 40))
def test_folding_loses_nothing_but_spaces(text: str, room: int) -> None:
    lines = [html.unescape(line) for line in folded(text, room).split("<br>")]
    assert "".join("".join(lines).split()) == "".join(text.split())
    assert all(len(line) <= room for line in lines)


def test_names_of_sites_are_broken_at_their_joints() -> None:
    assert folded("hook_context@hidden", 16) == "hook_context@<br>hidden"
    assert folded("a share of 0.75 of all", 12) == "a share of<br>0.75 of all"
