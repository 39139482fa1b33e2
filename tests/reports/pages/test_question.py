from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from imprint.analyses.predictions import Prediction, judged
from imprint.analyses.statistics import Estimate
from imprint.models.errors import DamagedFileError, ImprintError, UnknownNameError
from imprint.models.files import read_json, write_json, write_table
from imprint.reports.answers.questions import line_of
from imprint.reports.pages.question import render_question, report_question
from imprint.reports.parts import ROWS
from imprint.reports.reading.question import load_answer
from tests.reports.example_question import LONG, NASTY, SCRIPT
from tests.reports.pages.test_run import Tags, embedded


@pytest.fixture
def folder(question: Path, tmp_path: Path) -> Path:
    """A copy of the question's folder, to be spoilt; it has no report."""
    copy = tmp_path / question.parent.name
    shutil.copytree(question.parent, copy)
    (copy / "report.html").unlink()
    return copy


@pytest.fixture(scope="module")
def text(question: Path) -> str:
    return question.read_text(encoding="utf-8")


def words(text: str) -> str:
    return " ".join(" ".join(Tags(text).text).split())


def changed(folder: Path, file: str, change: Callable[[Any], None]) -> Path:
    """The folder after ``change`` has been made to one of its JSON files."""
    content = read_json(folder / file)
    change(content)
    write_json(folder / file, content)
    return folder


def test_the_page_is_written_into_the_folder_and_knows_no_torch(folder: Path) -> None:
    program = (
        "import sys; from imprint.reports.pages.question import report_question; "
        "print(report_question(sys.argv[1])); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(folder)], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(folder / "report.html"), "False"]
    assert [path.name for path in folder.iterdir() if "report" in path.name] == ["report.html"]


def test_the_same_folder_gives_the_same_bytes(question: Path, text: str) -> None:
    for given in (question.parent, str(question.parent), SimpleNamespace(path=question.parent)):
        whole = render_question(load_answer(given)).rstrip("\n") + "\n"
        assert text.rpartition("<!-- sha256")[0] == whole


def test_question_verdict_failures_and_card_stand_at_the_top(question: Path, text: str) -> None:
    top = words(text[text.index('<section id="answer">') :]).partition("How the points look")[0]
    card = read_json(question.parent / "question.json")["card"]
    places = [
        top.index(part)
        for part in (
            card["question"],
            "Verdict: refuted",
            "Of 4 predictions, 1 held, 1 failed and 2 left open by the seeds; 1 of 1 control held.",
            "1 piece of the work failed",
            f"fails: only one class of {NASTY} occurs",
            "11 of 12 methods rank the planted concept first",
            card["prediction"],
            card["refuted_if"],
            card["source"],
            card["decision"],
        )
    ]
    assert places == sorted(places)


def test_a_question_without_failures_says_nothing_of_them(folder: Path) -> None:
    changed(folder, "answer.json", lambda answer: answer.update(failed={}))
    assert "of the work failed" not in render_question(load_answer(folder))


def test_every_number_has_a_line_with_the_mark_of_its_outcome(folder: Path) -> None:
    def number(name: str, middle: float) -> Prediction:
        return Prediction(name, Estimate(middle, middle - 0.1, middle + 0.1, 5), least=0.5)

    _, why = judged([number("high", 0.9), number("low", 0.1), number("near", 0.5)], controls=[number("planted", 0.8)])
    page = render_question(
        load_answer(changed(folder, "answer.json", lambda a: (a.pop("predictions"), a.update(why=why))))
    )
    assert 'class="chart intervals"' not in page, "an answer of an earlier version"
    marks = re.findall(r'<li class="(held|failed|open|said)">(?:Control: )?(\w+)', page)
    assert marks == [("said", "1"), ("held", "high"), ("failed", "low"), ("open", "near"), ("held", "planted")]


@pytest.mark.parametrize(
    ("low", "least", "shown"),
    [(0.797, 0.8, "0.90 [0.797, 1.00]"), (0.79998, 0.8, "0.90 [0.79998, 1.00]"), (0.8, 0.8, "0.90 [0.80, 1.00]")],
)
def test_an_end_that_would_print_like_its_bound_has_more_digits(low: float, least: float, shown: str) -> None:
    assert line_of(Prediction("area", Estimate(0.9, low, 1.0, 7), least=least)).found == shown


@pytest.mark.parametrize("verdict", ["confirmed", "refuted", "undetermined"])
def test_every_verdict_has_its_words_and_its_class(folder: Path, verdict: str) -> None:
    page = render_question(load_answer(changed(folder, "answer.json", lambda a: a.update(verdict=verdict))))
    assert f'class="verdict {verdict}"' in page and f"Verdict: {verdict}" in page


def test_exhibits_stand_in_their_order_with_reading_and_caption(text: str) -> None:
    shown = words(text)
    places = [shown.rindex(f"How the {name} look for {NASTY}") for name in ("points", "lines", "bars", "heat", "plain")]
    assert places == sorted(places)
    assert shown.count("95 % interval over 6 training seeds") == 5
    assert f"The largest of 60 numbers belongs to {NASTY}." in shown


def test_every_chart_is_drawn_and_says_what_it_shows(text: str) -> None:
    plots = embedded(text, "figure-data")
    boxes = [a for _, a in Tags(text).found if "data-figure" in a]
    assert [a["data-figure"] for a in boxes] == list(plots)
    panels = [f"figure-the-lines-{i}" for i in range(3)]
    assert list(plots) == ["figure-the-points-0", *panels, "figure-the-bars-0", "figure-the-heat-0"]
    assert all(a["role"] == "img" and len(str(a["aria-label"])) > 30 for a in boxes)
    assert len({a["aria-label"] for a in boxes}) == len(boxes)


def test_nothing_is_asked_of_the_network_and_plotly_is_there_once(text: str) -> None:
    assert len(re.findall(r"^\* plotly\.js v", text, re.M)) == 1
    for tag, attributes in Tags(text).found:
        for key in ("src", "href", "srcset", "action"):
            assert str(attributes.get(key) or "#").startswith(("data:", "#")), (tag, attributes)


def test_a_page_without_charts_needs_no_plotly(folder: Path) -> None:
    def bare(answer: Any) -> None:
        for exhibit in answer["exhibits"]:
            exhibit["chart"] = None

    page = render_question(load_answer(changed(folder, "answer.json", bare)))
    assert "plotly.js v" not in page and len(page) < 200_000
    assert page.count("<details open>") == 7, "without a figure a table is open, as is the rule"


def test_names_are_shown_and_never_run(text: str) -> None:
    outside = re.sub(r"<script.*?</script>", "", text, flags=re.S)
    assert NASTY not in outside and SCRIPT not in outside
    assert NASTY in words(text) and SCRIPT in words(text)
    assert text.count("<script") == text.count("</script>") == 4
    links = [str(a["href"])[1:] for tag, a in Tags(text).found if tag == "a"]
    ids = [a["id"] for _, a in Tags(text).found if "id" in a]
    assert set(links) <= set(ids) and len(set(ids)) == len(ids)


def test_every_table_comes_down_whole(question: Path, text: str) -> None:
    tables = embedded(text, "table-data")
    for name in ("points", "lines", "bars", "heat", "plain"):
        kept = pd.read_parquet(question.parent / "exhibits" / f"the-{name}.parquet")
        back = pd.read_csv(StringIO(tables[f"exhibit-the-{name}"]["text"]), dtype=kept.dtypes.to_dict())
        pd.testing.assert_frame_equal(back, kept, check_dtype=False)
    assert len(pd.read_csv(StringIO(tables["findings"]["text"]))) == 1
    assert all(re.fullmatch(r"example-question-[0-9a-f]{8}-[a-z-]+\.csv", table["name"]) for table in tables.values())


def test_long_tables_are_cut_on_the_page_and_say_so(text: str) -> None:
    assert f"The first {ROWS} rows are shown; the download has all {LONG}." in words(text)
    section = text[text.index('id="exhibit-the-plain-section"') : text.index('id="provenance"')]
    assert section.count("<tr>") == ROWS + 1
    assert '<td class="number">yes</td>' in section and '<td class="number">no</td>' in section


def test_what_was_not_measured_is_never_shown_as_zero(text: str) -> None:
    section = text[text.index('id="exhibit-the-points-section"') : text.index('id="exhibit-the-lines-section"')]
    assert section.count('<td class="number absent">not measured</td>') == 3
    drawn = [trace["x"] for trace in embedded(text, "figure-data")["figure-the-points-0"]["data"][:2]]
    assert [line.count(None) for line in drawn].count(1) == 1 and not any(0 in line for line in drawn)


def test_settings_versions_and_findings_are_there(question: Path, text: str) -> None:
    shown = words(text)
    versions = read_json(question.parent / "question.json")["versions"]
    assert f"versions.torch {versions['torch']}" in shown and f"settings.note {SCRIPT}" in shown
    assert "settings.seed 0" in shown and question.parent.name in shown
    assert "All findings 1 row, download only" in shown


def test_an_exhibit_may_be_empty(folder: Path) -> None:
    write_table(folder / "exhibits" / "the-points.parquet", load_answer(folder).answer.exhibits[0].frame.head(0))
    page = render_question(load_answer(folder))
    assert "figure-the-points-0" not in page and "figure-the-bars-0" in page
    changed(folder, "answer.json", lambda answer: answer.update(exhibits=[]))
    assert "Provenance" in render_question(load_answer(folder))


FILES = ["question.json", "answer.json", "findings.parquet", "exhibits/the-heat.parquet"]


@pytest.mark.parametrize("spoil", ["missing", "damaged", "empty"])
@pytest.mark.parametrize("file", FILES)
def test_a_file_that_is_missing_or_damaged_is_named_and_no_page_is_written(folder: Path, file: str, spoil: str) -> None:
    target = folder / file
    target.unlink() if spoil == "missing" else target.write_bytes(b"\xff\x00{" if spoil == "damaged" else b"")
    with pytest.raises(DamagedFileError, match=re.escape(file)):
        report_question(folder)
    assert not (folder / "report.html").exists()


def test_an_older_page_stays_when_a_new_one_cannot_be_made(folder: Path) -> None:
    (folder / "report.html").write_text("older")
    (folder / "answer.json").unlink()
    with pytest.raises(DamagedFileError):
        report_question(folder)
    assert (folder / "report.html").read_text() == "older"


def first(answer: Any) -> Any:
    return answer["exhibits"][0]


@pytest.mark.parametrize(
    ("change", "shown"),
    [
        (lambda a: a.update(verdict="maybe"), ["answer.json", "verdict", "'confirmed', 'refuted' or 'undetermined'"]),
        (lambda a: a.pop("why"), ["answer.json", "why", "required"]),
        (lambda a: first(a).update(name="../findings"), ["answer.json", "exhibits.0.name"]),
        (lambda a: first(a).update(name="the-lines"), ["answer.json", "two exhibits are called 'the-lines'"]),
        (lambda a: first(a)["chart"].update(kind="pie"), ["answer.json", "exhibits.0.chart.kind"]),
        (lambda a: first(a)["chart"].update(y="scroe"), ["'the-points' cannot be drawn", "Did you mean 'score'?"]),
        (lambda a: first(a).update(name="the-point"), ["the-point.parquet is missing"]),
    ],
)
def test_an_answer_that_does_not_fit_is_refused(folder: Path, change: Callable[[Any], None], shown: list[str]) -> None:
    changed(folder, "answer.json", change)
    with pytest.raises(ImprintError) as refusal:
        report_question(folder)
    assert all(word in str(refusal.value) for word in shown)
    assert not (folder / "report.html").exists()


def test_a_card_without_a_rule_is_refused(folder: Path) -> None:
    changed(folder, "question.json", lambda question: question["card"].pop("decision"))
    with pytest.raises(DamagedFileError, match=r"question\.json .*card\.decision"):
        report_question(folder)


def test_an_unknown_folder_is_refused_with_the_near_miss(question: Path) -> None:
    name = question.parent.name
    with pytest.raises(UnknownNameError, match=f"Did you mean '.*{name}'"):
        report_question(question.parent.parent / name[:-1])


def test_numbers_of_any_kind_are_read(folder: Path) -> None:
    frame = pd.DataFrame({"concept": ["a", "b"], "network": ["k", "k"], "score": pd.array([1, None], dtype="Int64")})
    write_table(folder / "exhibits" / "the-points.parquet", frame.assign(low=np.float32(0.5), high=[None, None]))
    plot = embedded(render_question(load_answer(folder)), "figure-data")["figure-the-points-0"]
    assert plot["data"][0]["y"] == [1.0, None]
