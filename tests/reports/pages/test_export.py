"""Figures and tables as files: everything that the page has, drawn where it stands, with all digits."""

from __future__ import annotations

import os
import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from imprint.models.errors import ImprintError, UnknownNameError
from imprint.reports.figures.still import colour, drawn, palette, write_still
from imprint.reports.pages.export import contents_of, latex
from imprint.reports.parts import Table
from tests.commands.commands import answered


def test_every_plot_of_all_pages_can_be_drawn(plots: dict[str, Any]) -> None:
    before = dict(mpl.rcParams)
    assert len(plots) > 20 and all(drawn(plot).axes for plot in plots.values())
    assert dict(mpl.rcParams) == before


def test_the_command_writes_every_figure_and_table(
    question: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    said = answered(capsys, "export", str(question.parent), "--out", str(tmp_path / "out"))["files"]
    contents = contents_of(question.parent)
    drawings = sorted((tmp_path / "out" / "figures").iterdir())
    assert len(drawings) == len(contents.figures) > 1 and all("<svg" in path.read_text() for path in drawings)
    assert {str(path) for path in drawings} < set(said)
    for table in contents.tables:
        kept = (tmp_path / "out" / "tables" / f"{table.id}.csv").read_text(encoding="utf-8")
        assert kept == table.csv and len(pd.read_csv(StringIO(kept))) == len(table.frame)


def test_a_run_has_figures_and_tables_as_well(page: Path) -> None:
    contents = contents_of(page.parent)
    assert len(contents.figures) > 5 and len(contents.tables) > 5 and all(latex(t) for t in contents.tables[:3])


def test_signs_that_latex_lacks_are_written_by_their_names() -> None:
    text = latex(Table("signs", "R² of signs", pd.DataFrame({"p": ["4.0 × 10⁻⁸"], "end": ["∞"]})))
    assert "10$^{-8}$" in text and r"$\infty$" in text and "R$^{2}$" in text and not set("⁻⁸²∞") & set(text)


def test_marks_of_agents_keep_their_shapes() -> None:
    def outline(symbol: str) -> int:
        trace = {"type": "scatter", "mode": "markers", "x": [0.0], "y": [0.0], "marker": {"symbol": symbol}}
        return len(drawn({"data": [trace], "layout": {}}).axes[0].collections[0].get_paths()[0].vertices)

    assert outline("x-thin-open") == outline("x") != outline("circle") == outline("circle-open")


def lines_of(figure: Figure) -> list[list[float]]:
    return [list(line.get_ydata()) for line in figure.axes[0].lines]


def test_marks_stand_where_the_page_has_them() -> None:
    scatter = {"type": "scatter", "mode": "lines+markers", "x": [0, 1, 2], "y": [0.1, None, 0.3], "name": "a $"}
    bar = {"type": "bar", "orientation": "h", "x": [0.5, 0.25], "y": [0, 1], "marker": {"color": "--c-intended/0.5"}}
    tiles = {
        "type": "heatmap",
        "z": [[1.0, None]],
        "zmin": -1,
        "zmax": 1,
        "colorscale": [[0.0, "--ink"], [1.0, "--axis"]],
    }
    axis = {"title": {"text": "share<br>of &lt;b&gt;"}, "range": [3, -1], "tickvals": [0, 1], "ticktext": ["x", "y"]}
    figure = drawn({"data": [scatter], "layout": {"xaxis": axis, "yaxis": {"title": {"text": ""}}, "height": 144}})
    axes = figure.axes[0]
    np.testing.assert_array_equal(lines_of(figure), [[0.1, np.nan, 0.3]])
    assert axes.get_xlabel() == "share\nof <b>" and axes.get_xlim() == (3, -1) and figure.get_figheight() == 2.0
    assert [text.get_text() for text in axes.get_xticklabels()] == ["x", "y"]
    bars = drawn({"data": [bar], "layout": {}}).axes[0].patches
    assert [one.get_width() for one in bars] == [0.5, 0.25] and bars[0].get_facecolor() == colour("--c-intended/0.5")
    mesh = drawn({"data": [tiles], "layout": {}}).axes[0].collections[0].get_array()
    assert mesh is not None and mesh.mask.tolist() == [[False, True]]
    assert len(palette()) > 15 and colour("--c-intended")[3] == 1.0


def test_what_cannot_be_drawn_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="pie"):
        drawn({"data": [{"type": "pie"}], "layout": {}})
    with pytest.raises(ImprintError, match="shape 'circle'"):
        drawn({"data": [], "layout": {"shapes": [{"type": "circle"}]}})
    with pytest.raises(UnknownNameError, match="format of a figure 'gif'"):
        write_still({"data": [], "layout": {}}, tmp_path / "x.gif")


@pytest.mark.skipif(os.name != "posix", reason="limits of processes are POSIX")
def test_a_figure_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    whole = write_still({"data": [], "layout": {}}, tmp_path / "x.svg").stat().st_size
    code = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from imprint.reports.figures.still import write_still\n"
        "from imprint.models.errors import ImprintError\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({whole // 2}, {whole}))\n"
        "try: write_still({'data': [], 'layout': {}}, Path(sys.argv[1]))\n"
        "except ImprintError as error: print(error)"
    )
    target = tmp_path / "full" / "x.svg"
    ran = subprocess.run([sys.executable, "-c", code, str(target)], capture_output=True, text=True, check=True)
    assert f"cannot write {target}: File too large" in ran.stdout and not list(target.parent.iterdir())


def test_latex_shows_what_the_page_shows_and_escapes() -> None:
    text = latex(Table("t_1", "50 % of a_b", pd.DataFrame({"a_b": ["x&y", None], "share": [0.123456, -1e-5]})))
    assert r"50 \% of a\_b" in text and r"x\&y" in text and "0.12" in text and "not measured" in text
    assert r"\toprule" in text and "−" not in text
