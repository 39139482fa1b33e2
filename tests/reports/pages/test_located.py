"""The page of a table of ``imprint.locate``: answers, layer curve, floors, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import imprint
from imprint.models.errors import ImprintError
from imprint.reports.pages.located import layer_curve, render_located, short_names
from tests.commands.commands import arrays, printed, refused
from tests.reports.example_question import SCRIPT
from tests.reports.pages.test_run import Tags, embedded


@pytest.fixture(scope="module")
def found() -> pd.DataFrame:
    """A coin that is there from the second of four layers on, ever clearer, and one that is nowhere."""
    rng = np.random.default_rng(0)
    coin, other = rng.integers(0, 2, (2, 400))
    layers = {f"blocks.{k}@-1": rng.normal(size=(400, 6)) for k in range(4)}
    for k, layer in enumerate(layers.values()):
        layer[:, 0] += k * coin
    twin = {name: rng.normal(size=(400, 6)) for name in layers}
    return imprint.locate(layers, pd.DataFrame({"coin": coin, SCRIPT: other}), untrained=twin, resamples=100)


def test_the_curve_has_scores_and_floors_in_order_of_depth(found: pd.DataFrame, tmp_path: Path) -> None:
    page = imprint.report(found, tmp_path / "page.html")
    text = page.read_text(encoding="utf-8")
    figures = embedded(text, "figure-data")
    scores, floors = (
        next(t for t in figures["figure-layers-0"]["data"] if t.get("mode") == "lines+markers" and t["y"] == expected)
        for expected in (
            list(found["score"][:4].astype(float)),
            list(found[["null", "untrained", "inputs"]].max(axis=1)[:4].astype(float)),
        )
    )
    assert scores["x"] == floors["x"] == [0, 1, 2, 3] and scores["y"] == sorted(scores["y"])
    rows, pattern = layer_curve(found)
    assert pattern == "blocks.#@-1" and list(rows["layer"].unique()) == [0, 1, 2, 3]
    assert f"site {pattern}" in str(figures["figure-layers-0"]["layout"]["xaxis"]["title"])


def test_answers_stand_first_and_names_stay_text(found: pd.DataFrame) -> None:
    text = render_located(found)
    words = " ".join(" ".join(Tags(text).text).split())
    present = int((found["verdict"] == "present").sum())
    assert present in (2, 3) and f"coin : present at {present} of 4 sites, first at blocks." in words
    assert "read best at blocks.3@-1 (chosen on one half of the groups)" in words
    assert f"{SCRIPT} : " in words and SCRIPT not in text
    assert "The floor “inputs” was not measured" in words and "The floor “untrained”" not in words
    assert "recall at 1 percent false positives" in words
    assert words.index("What can be read where") < words.rindex("Score over depth") < words.rindex("All numbers")


def test_other_tables_are_refused_and_lost_attributes_said(found: pd.DataFrame) -> None:
    with pytest.raises(ImprintError, match=r"no column concept, site.*imprint.locate returns"):
        imprint.report(pd.DataFrame({"a": [1]}))
    with pytest.raises(ImprintError, match="no rows"):
        imprint.report(found.iloc[:0])
    bare = found.copy()
    bare.attrs.clear()
    assert "names no best sites" in render_located(bare)


def test_names_are_shortened_to_what_tells_them_apart() -> None:
    assert short_names(["h.0@-1", "h.10@-1", "h.2@-1"]) == ([0, 10, 2], "h.#@-1")
    assert short_names(["h.0.mlp", "h.1.mlp"]) == ([0, 1], "h.#.mlp")
    assert short_names(["model.embed", "model.norm"]) == (["embed", "norm"], "model.#")
    assert short_names(["early", "late"]) == (["early", "late"], "")
    assert short_names(["only"]) == (["only"], "")
    assert short_names(["h.0", "h.0.mlp"]) == (["0", "0.mlp"], "h.#")


def test_the_command_line_writes_the_page(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    acts, labels = arrays(tmp_path)
    said = printed(capsys, "locate", acts, labels, "--groups", "family", "--report", str(tmp_path / "out.html"))
    assert f"page: {tmp_path / 'out.html'}" in said.replace("\n", "")
    assert "What can be read where" in (tmp_path / "out.html").read_text(encoding="utf-8")
    assert "--report" in refused(capsys, "locate", str(tmp_path), "--report", "x.html")
