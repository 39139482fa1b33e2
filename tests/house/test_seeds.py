"""The page of the claims: every one is there, what it quotes stands in the docs, and it fills by itself."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from docs import seeds
from imprint.analyses.questions.base import QUESTIONS

DATA = seeds.load()
ROWS = list(seeds.rows_of(DATA))
IDS = [f"K{n}" for n in range(1, 20)] + [f"S{n}" for n in range(1, 9)] + ["S8b"] + [f"S{n}" for n in range(9, 44)]
PAGE = (seeds.DOCS / "seeds.md").read_text(encoding="utf-8")
NUMBER = re.compile(r"(?<![\w.])-?\d*\.?\d+(?:e-?\d+)?(?![\w])")


def test_every_claim_has_its_row_once() -> None:
    assert [row["id"] for row in ROWS] == IDS
    assert re.findall(r"^\| ([KS]\d+b?) \|", PAGE, re.MULTILINE) == IDS
    assert all(row["questions"] or row.get("otherwise") or row.get("note") for row in ROWS)


def test_every_question_that_the_page_answers_is_there() -> None:
    named = set(re.findall(r"`([a-z-]+)`\]?(?:\([^)]*\))?, \*\*", PAGE))
    assert len(named) >= 19 and named <= {name.replace("_", "-") for name in QUESTIONS.names()}


def test_the_page_is_what_is_made_now_but_for_answers_that_came_since() -> None:
    """A branch that answers a question need not make the page anew; nothing that it says may be out of date."""
    old, new = ({line.split(" | ")[0]: line for line in text.splitlines()} for text in (PAGE, seeds.page()))
    stale = [head for head in old.keys() & new.keys() if old[head] != new[head] and ": open" not in old[head]]
    assert [head for head in stale if re.match(r"\| [KS]\d", head)] == []


@pytest.mark.parametrize("row", [row for row in ROWS if row.get("found")], ids=lambda row: str(row["id"]))
def test_numbers_that_are_quoted_stand_in_the_docs(row: Mapping[str, Any]) -> None:
    findings = (seeds.DOCS / "findings.md").read_text(encoding="utf-8")
    for name, found in row["found"].items():
        assert name in row["questions"]
        page = seeds.DOCS / f"{name}.md"
        there = set(NUMBER.findall(findings + (page.read_text(encoding="utf-8") if page.is_file() else "")))
        missing = [number for number in NUMBER.findall(found) if number not in there and f"-{number}" not in there]
        assert missing == [], f"{name}: {missing}"


def test_an_answer_fills_the_rows_that_wait_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = {"id": "S0", "where": "2", "claim": "Song is | learned.", "questions": ["bird-singing"]}
    comment = {
        "said": "It sings.",
        "rows": ["S0"],
        "right": {"bird-singing": "refuted", "bird-singing/Rest": "refuted"},
    }
    monkeypatch.setattr(seeds, "DOCS", tmp_path)
    monkeypatch.setattr(seeds, "QUESTIONS", tmp_path)
    seeds.told.cache_clear()
    assert seeds.state(row) == "open" and seeds.claim_line(row).endswith("| `bird-singing`: open. |")
    assert seeds.comment_line(comment, {"S0": row}).endswith("| Open. |")
    (tmp_path / "bird_singing").mkdir()
    (tmp_path / "bird_singing" / "question.py").touch()
    numbers = "- pitch 0.5 [0.4, 0.6] (at most 0.3: failed).\n- Rest: confirmed.\n"
    answer = f"# bird-singing\n\n**refuted**: It sings.\n\n{numbers}\n## Table\n"
    (tmp_path / "bird-singing.md").write_text(answer, encoding="utf-8")
    seeds.told.cache_clear()
    line = seeds.claim_line(row)
    assert "Song is \\| learned." in line and line.endswith("**refuted**: It sings. |")
    said = seeds.comment_line(comment, {})
    assert "Right here, by [`bird-singing`](bird-singing.md)." in said and "Wrong here" in said and "(rest)." in said
    by_number = seeds.comment_line({"said": "It is low.", "rows": ["S0"], "numbers": {"bird-singing": ["pitch"]}}, {})
    assert by_number.endswith(
        "| Wrong here, by [`bird-singing`](bird-singing.md) (pitch 0.5 [0.4, 0.6], at most 0.3: it is not). |"
    )
    seeds.told.cache_clear()


def test_numbers_that_bear_a_comment_out_stand_on_the_page_of_their_question() -> None:
    wanted = {(name, each) for c in DATA["comments"] for name, all_ in c.get("numbers", {}).items() for each in all_}
    assert wanted and {each for name, each in wanted if each not in seeds.numbers_of(name)} == set()


@pytest.mark.parametrize("text", [PAGE, seeds.page()], ids=["kept", "made now"])
def test_every_answer_is_a_sentence_and_no_count_of_numbers(text: str) -> None:
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    assert [line for line in lines if seeds.COUNTED.search(line) or re.search(r" \.( |<br>|$)", line)] == []


def test_a_page_without_a_sentence_is_read_by_its_first_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seeds, "DOCS", tmp_path)
    monkeypatch.setattr(seeds, "QUESTIONS", tmp_path)
    (tmp_path / "song").mkdir()
    (tmp_path / "song" / "question.py").touch()
    counted = (
        "**refuted**: 1 of 2 numbers came out as predicted, 1 did not.\n\n- pitch 0.5 (failed).\n- Rest: confirmed.\n"
    )
    (tmp_path / "song.md").write_text(f"{counted}\n## Pitch\n\nPitch is 0.5.\nOver seeds.\n", encoding="utf-8")
    seeds.told.cache_clear()
    found = seeds.told("song")
    assert found is not None and found[:2] == ("refuted", "Pitch is 0.5.") and found.on("Rest") == "confirmed"
    seeds.told.cache_clear()


def test_a_verdict_in_a_table_of_findings_is_read_and_a_pilot_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seeds, "DOCS", tmp_path)
    lines = [
        "| `scorecard` | undetermined: a control | why | **refuted**; monitor refuted | 6 | area .81 |",
        "| `at-birth` | confirmed (undetermined with 20 seeds) | adds 1.68 |",
        "| `foresight` | undetermined: .24 | not run in full yet | 8 | planner .98 |",
    ]
    (tmp_path / "findings.md").write_text("\n".join(lines), encoding="utf-8")
    seeds.told.cache_clear()
    found = [seeds.told(name) for name in ("scorecard", "at-birth")]
    assert [each and each[:2] for each in found] == [("refuted", "area .81"), ("confirmed", "adds 1.68")]
    assert seeds.told("foresight") is None
    seeds.told.cache_clear()
