from __future__ import annotations

import gzip
import json
import re
import shutil
import subprocess
import sys
from base64 import b64decode, b64encode
from hashlib import sha256
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from imprint.models.errors import DamagedFileError, ImprintError
from imprint.models.files import page_fault, write_json, write_table
from imprint.reports.pages.run import collect, render, report
from imprint.reports.pages.template import TEMPLATES, embed
from imprint.reports.reading.run import load_run
from imprint.reports.sections.base import SECTIONS
from tests.reports import example_run as example

pytestmark = pytest.mark.long


def embedded(text: str, name: str) -> Any:
    found = re.search(rf'<script type="application/json" id="{name}">(.*?)</script>', text, re.S)
    assert found is not None
    return json.loads(found.group(1))


class Tags(HTMLParser):
    """Every element with its attributes, and the text outside scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.found and self.found[-1][0] not in ("script", "style"):
            self.text.append(data)


def test_the_page_is_written_into_the_run_and_knows_no_torch(tmp_path: Path) -> None:
    run = example.write(tmp_path)
    program = (
        "import sys; from imprint.reports.pages.run import report; report(sys.argv[1]); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(run)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
    assert [path.name for path in run.iterdir() if "report" in path.name] == ["report.html"]


def test_a_run_may_be_a_path_a_string_or_anything_with_a_path(page: Path) -> None:
    for given in (page.parent, str(page.parent), SimpleNamespace(path=page.parent)):
        assert load_run(given).name == page.parent.name


def before_seal(page: Path) -> str:
    return page.read_text(encoding="utf-8").rpartition("<!-- sha256")[0]


def test_a_run_that_has_been_read_is_not_read_again(tmp_path: Path) -> None:
    run = load_run(example.write(tmp_path))
    whole = render(run)
    for name in ("setup.yaml", "run.json"):
        (run.path / name).unlink()
    assert before_seal(report(run)) == whole.rstrip("\n") + "\n"


def test_the_same_run_gives_the_same_bytes(page: Path) -> None:
    assert before_seal(page) == render(load_run(page.parent)).rstrip("\n") + "\n"
    assert page_fault(page, page.parent / "findings.parquet") == ""


def test_the_answer_stands_at_the_top_with_its_interval(page: Path) -> None:
    words = " ".join(Tags(page.read_text(encoding="utf-8")).text)
    top = words.split("What the value depends on")[1]  # after the contents, before the heading
    assert "Did the warmth reward latch onto the caregiver" in top
    assert "The value latched onto “caregiver”, the concept that the author of the reward meant." in top
    assert "55\u00a0% (95\u00a0% interval 46\u00a0% to 64\u00a0%, 6 training seeds)" in top
    assert "4 of 4" in top


def test_nothing_is_asked_of_the_network_and_plotly_is_there_once(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert len(re.findall(r"^\* plotly\.js v", text, re.M)) == 1
    for tag, attributes in Tags(text).found:
        for key in ("src", "href", "srcset", "action"):
            assert str(attributes.get(key) or "#").startswith(("data:", "#")), (tag, attributes)


def test_only_the_scripts_that_the_page_lists_may_run(page: Path, agent_page: Path, question: Path) -> None:
    for one in (page, agent_page, question):
        text = one.read_text(encoding="utf-8")
        policy = re.search(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">', text[:1200])
        assert policy is not None and "default-src 'none'" in policy.group(1)
        allowed = re.findall(r"'sha256-([^']+)'", policy.group(1).partition("script-src")[2])
        scripts = re.findall(r"<script>(.*?)</script>", text, re.S)
        assert [b64encode(sha256(code.encode()).digest()).decode() for code in scripts] == allowed
        assert re.search(r"\son[a-z]+=\"", "".join(re.split(r"<script.*?</script>", text, flags=re.S))) is None


def test_the_level_of_evidence_and_what_was_checked_stand_on_the_page(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert "Level of evidence" in text and "Exploratory. " in text
    assert "not derived anew for this page" in text


def test_names_are_shown_and_never_run(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    tags = Tags(text)
    shown = [text for text in tags.text if example.NASTY in text]
    assert shown and example.NASTY not in re.sub(r"<script.*?</script>", "", text, flags=re.S)
    assert text.count("<script") == text.count("</script>") == 4
    names = [
        trace["name"] for plot in embedded(text, "figure-data").values() for trace in plot["data"] if "name" in trace
    ]
    assert not any("<" in name for name in names)


def test_every_section_has_its_file_its_template_and_its_place(tmp_path: Path, page: Path, agent_page: Path) -> None:
    copied = shutil.copytree(page.parent, tmp_path / page.parent.name)
    both = [collect(load_run(run)) for run in (example.searched(copied), agent_page.parent)]
    assert all(broken == [] and folders == [] for _, folders, broken in both)
    sections = [section for found, _, _ in both for section in found]
    assert {section["id"] for section in sections} == set(SECTIONS.names())
    assert {path.stem for path in (TEMPLATES / "sections").glob("*.html")} == set(SECTIONS.names())
    orders = [SECTIONS.load(name).order for name in SECTIONS.names()]
    assert len(set(orders)) == len(orders)
    assert all(not section["missing"] for section in sections)


def test_every_figure_says_what_it_shows(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    boxes = [a for _, a in Tags(text).found if "data-figure" in a]
    assert [a["data-figure"] for a in boxes] == list(embedded(text, "figure-data")) and len(boxes) > 15
    assert all(a["role"] == "img" and len(str(a["aria-label"])) > 30 for a in boxes)
    assert all(a.get("alt") for tag, a in Tags(text).found if tag == "img")


def test_every_table_is_whole_in_the_page(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    tables, run = embedded(text, "table-data"), load_run(page.parent)
    assert {a["data-table"] for _, a in Tags(text).found if "data-table" in a} == set(tables)
    packed = gzip.decompress(b64decode(tables["findings"]["gzip"])).decode()
    back = pd.read_csv(StringIO(packed), keep_default_na=True)
    assert len(back) == len(run.findings) and list(back.columns) == list(run.findings.columns)
    assert back["estimate"].isna().sum() == run.findings["estimate"].isna().sum() > 0
    np.testing.assert_allclose(back["estimate"].dropna(), run.findings["estimate"].dropna())
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+\.csv", table["name"]) for table in tables.values())


def test_what_was_not_measured_is_never_shown_as_zero(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    grid = [plot for name, plot in embedded(text, "figure-data").items() if name.startswith("grid-")]
    cells = [value for plot in grid for line in plot["data"][0]["z"] for value in line]
    assert cells.count(None) == 7 and 0 not in cells
    assert "nobody is hidden yet: one class" in text


@pytest.mark.parametrize("lost", ["setup.yaml", "run.json", "findings.parquet", "artefacts"])
def test_a_missing_part_is_named_and_the_rest_is_shown(tmp_path: Path, lost: str) -> None:
    run = example.write(tmp_path)
    target = run / lost
    shutil.rmtree(target) if target.is_dir() else target.unlink()
    data = load_run(run)
    assert collect(data)[2] == []
    words = " ".join(Tags(render(data)).text)
    assert "is not in the run folder" in words
    assert ("There is no verdict" in words) == (lost == "findings.parquet")


@pytest.mark.parametrize("damaged", ["setup.yaml", "run.json", "findings.parquet", "artefacts/gallery.npz"])
def test_a_damaged_part_is_named_and_the_rest_is_shown(tmp_path: Path, damaged: str) -> None:
    run = example.write(tmp_path)
    (run / damaged).write_bytes(b"\xff\x00: {not this")
    data = load_run(run)
    assert collect(data)[2] == []
    assert f"{damaged} cannot be read" in " ".join(Tags(render(data)).text)


def test_every_analysis_may_be_missing(tmp_path: Path) -> None:
    whole = example.table()
    metrics = list(whole["metric"].unique())
    for some in (metrics[i::4] for i in range(4)):
        data = load_run(example.write(tmp_path / some[0], changes=whole[~whole["metric"].isin(some)]))
        assert collect(data)[2] == [], some
    data = load_run(example.write(tmp_path / "none", changes=whole.iloc[:0]))
    assert collect(data)[2] == []
    assert "There is no verdict" in render(data)


def test_all_numbers_may_be_missing(tmp_path: Path) -> None:
    empty = example.table().assign(estimate=np.nan, low=np.nan, high=np.nan, why="the value is NaN")
    data = load_run(example.write(tmp_path, changes=empty))
    sections, _, broken = collect(data)
    assert broken == []
    assert "“caregiver” not measured" in next(s for s in sections if s["id"] == "verdict")["answer"].evidence


def test_one_seed_and_one_age_are_enough(tmp_path: Path) -> None:
    whole = example.table()
    kept = whole[(whole["seed"] == 0) & ((whole["age"] == 76800) | whole["age"].isna())]
    data = load_run(example.write(tmp_path, changes=kept))
    sections, _, broken = collect(data)
    assert broken == []
    assert any("One training seed" in text for s in sections if s["id"] == "caveats" for text in s["sentences"])


def test_failures_are_shouted_at_the_top(tmp_path: Path) -> None:
    table = example.table()
    table.loc[table["control"] == "wired to nothing", "estimate"] = 0.0
    lost = (table["metric"] == "diverged") & (table["seed"] == 3)
    table.loc[lost, ["estimate", "why"]] = [1.0, "the loss became NaN"]
    run = example.write(tmp_path, changes=table)
    write_json(run / "run.json", example.record() | {"failed": [{"cell": "latch-2", "error": "<b>out of memory</b>"}]})
    text = render(load_run(run))
    top = text[: text.index('class="verdict')]
    assert "misjudged 1 of 4 subjects with a known answer" in top and "“wired to nothing”" in top
    assert "Training seed 3 diverged: the loss became NaN." in top
    assert "latch-2 (&lt;b&gt;out of memory&lt;/b&gt;)" in top


def test_a_section_that_fails_is_named_and_the_rest_is_shown(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: object, run: object) -> None:
        raise KeyError("gone")

    monkeypatch.setattr(SECTIONS.load("erasure"), "collect", fail)
    text = render(load_run(page.parent))
    assert "Parts of this page could not be made: Where the value takes it from: KeyError" in text
    assert 'id="attribution"' in text and 'id="erasure"' not in text


def test_a_folder_that_is_no_run_is_refused(page: Path, tmp_path: Path) -> None:
    with pytest.raises(DamagedFileError, match="not a run that can be reported"):
        report(tmp_path)
    with pytest.raises(ImprintError, match=f"unknown run folder .*Did you mean '.*{example.NAME}'"):
        report(page.parent.parent / example.NAME[:-1])
    assert list(tmp_path.iterdir()) == []


def test_embedded_json_cannot_leave_its_script(page: Path) -> None:
    nasty = {"a</script><!--": [np.float64("nan"), np.int64(3), pd.NA, float("inf"), "\u2028&"]}
    text = str(embed(nasty))
    assert "<" not in text and "&" not in text and "\u2028" not in text
    assert json.loads(text) == {"a</script><!--": [None, 3, None, None, "\u2028&"]}


def test_unknown_columns_of_a_newer_version_are_no_hindrance(tmp_path: Path) -> None:
    run = example.write(tmp_path)
    write_table(run / "findings.parquet", example.table().assign(extra=1.0).drop(columns=["q_value"]))
    assert collect(load_run(run))[2] == []
