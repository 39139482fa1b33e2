from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from imprint.models.errors import DamagedFileError
from imprint.models.files import write_json, write_table
from imprint.reports.pages.export import contents_of
from imprint.reports.pages.report import report
from imprint.reports.reading.sweep import load_sweep
from tests.reports import example_sweep as example


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of the made-up sweep."""
    return report(example.write(tmp_path_factory.mktemp("sweeps")))


def phase(page: str) -> dict:
    found = re.search(r'id="phase-data">(.*?)</script>', page, re.DOTALL)
    assert found
    data: dict = json.loads(found[1])
    return data


def test_the_first_screen_says_what_was_planted(swept: Path) -> None:
    page = swept.read_text(encoding="utf-8")
    top = re.sub(r"<[^>]+>|\s+", " ", page[page.index('<section id="answer">') : page.index('<section id="phase"')])
    assert "135 cells, each over 6 training seeds on 30 lives" in top
    assert "most is assessor.lag from 0 to 2" in top
    assert "world.colour_cue and assessor.closes_at" in top and "steering.0.miss." not in top
    assert "The border lies along assessor.lag" in top and "between 0 and 1" in top
    assert "A worker was killed &lt;b&gt;" in top and "Every training seed diverged." in top


def test_cells_without_a_number_are_told_apart_in_the_diagrams(swept: Path) -> None:
    data = phase(swept.read_text(encoding="utf-8"))
    assert data["states"][example.FAILED] == "failed" and data["states"][example.DIVERGED] == "diverged"
    assert data["diverged"][example.PARTLY] == 2 and data["states"].count("undetermined") > 10
    names = [diagram["id"] for diagram in data["diagrams"]]
    assert names == ["verdict", "probability", "dominance", "latch-age"]  # no agent, so no wanting
    dominance, frame = data["diagrams"][2], example.frame_of()
    assert dominance["options"][0]["values"][example.FAILED] is None
    assert dominance["options"][0]["values"][3] == pytest.approx(frame["dominance"][3], rel=1e-5)
    verdict = data["diagrams"][0]
    assert [word["letter"] for word in verdict["words"]] == ["I", "H", "?"]
    assert verdict["words"][verdict["values"][0]]["word"] == frame["verdict"][0]
    assert [key["name"] for key in data["keys"]][:2] == ["assessor.lag", "world.colour_cue"]
    assert data["keys"][2]["values"] == ["null", "12800", "38400"]


def test_the_likeliest_word_is_shown_first_where_none_is_intended(tmp_path: Path) -> None:
    path = example.write(tmp_path)
    frame = example.frame_of().drop(columns="probability|intended")
    frame.insert(len(example.GRID) + 1, "probability|conditional", 0.01)  # rarer, though first in the table
    write_table(path / "cells.parquet", frame)
    page = report(path).read_text(encoding="utf-8")
    shown = next(diagram for diagram in phase(page)["diagrams"] if diagram["id"] == "probability")["options"]
    assert [option["name"] for option in shown] == ["“proxy:her_colour”", "“conditional”"]
    assert "no cell gave “intended” any probability" in page


def test_a_sweep_of_one_key_and_one_cell_has_a_page(tmp_path: Path) -> None:
    path = tmp_path / "tiny-sweep-00000000"
    path.mkdir()
    write_json(path / "sweep.json", {"base": {"name": "tiny"}, "grid": {"assessor.lag": [1]}, "raised": []})
    row = {"cell": 0, "assessor.lag": 1, "verdict": "", "error": "no memory left", "seeds": 0, "diverged": 0}
    write_table(path / "cells.parquet", pd.DataFrame([{**row, "dominance": np.nan}]))
    page = report(path).read_text(encoding="utf-8")
    assert "No memory left" in page and "no two cells could be compared" in page


def test_a_folder_that_does_not_fit_is_refused_in_a_sentence(tmp_path: Path) -> None:
    path = example.write(tmp_path)
    (path / "sweep.json").write_text('{"grid": [1]}', encoding="utf-8")
    with pytest.raises(DamagedFileError, match="grid"):
        load_sweep(path)
    example.write(tmp_path)
    (path / "cells.parquet").unlink()
    with pytest.raises(DamagedFileError, match="is missing"):
        load_sweep(path)


def test_charts_and_all_cells_can_be_exported(swept: Path) -> None:
    contents = contents_of(swept.parent)
    assert any("means-dominance" in anchor for anchor, _, _ in contents.figures)
    assert len(contents.tables[-1].frame) == 135
