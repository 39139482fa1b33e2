"""``imprint analyse`` asks one question, says what came of it, and how to ask it again."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.commands.commands import answered, printed, refused

QUESTION = """
from typing import ClassVar
import pandas as pd
from imprint.analyses.findings import findings
from imprint.analyses.questions.base import Answer, Card, Exhibit, Question, QuestionSettings, Work

class Settings(QuestionSettings):
    rows: int = 2

def count(rows, say):
    return pd.DataFrame({"row": range(rows), "score": [float("nan")] * rows})

class Counting(Question):
    Settings: ClassVar[type[QuestionSettings]] = Settings
    card: ClassVar[Card] = Card("How many [b]?", "Some.", "None.", "Confirmed above 0.", "Peano (1889).")

    def work(self):
        return [Work("count", count, {"rows": self.settings.rows})]

    def conclude(self, tables, failed):
        found = findings([{"analysis": "counting", "metric": "rows", "estimate": self.settings.rows}])
        shown = Exhibit("rows", "The [b] rows", tables["count"], "All were counted.")
        why = f"There are {self.settings.rows}."
        said = "Rows can be counted." if self.settings.rows > 3 else ""
        return Answer("confirmed", why, found, (shown,), sentence=said)
"""


@pytest.fixture
def questions(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """A family with one question, ``counting``, and an empty folder to ask it in."""
    from imprint.analyses import ask
    from imprint.commands import analyse
    from imprint.models.registry import Family

    package = tmp_path_factory.mktemp("questions") / "pretended_questions"
    package.mkdir()
    (package / "base.py").write_text("from imprint.analyses.questions.base import Question\n")
    (package / "counting.py").write_text(QUESTION)
    monkeypatch.syspath_prepend(package.parent)
    family = Family("questions", package.name, "Question")
    monkeypatch.setattr(ask, "QUESTIONS", family)
    monkeypatch.setattr(analyse, "families", lambda: {family.name: family})
    monkeypatch.chdir(tmp_path)
    yield
    for name in [name for name in sys.modules if name.startswith(package.name)]:
        del sys.modules[name]


@pytest.mark.usefixtures("questions")
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["countign"], ["unknown question 'countign'", "Did you mean 'counting'?"]),
        (["counting", "--set", "rwos=3"], ["rwos: unknown key", "Did you mean 'rows'?"]),
        (["counting", "--set", "rows=many"], ["rows: ", "'many'"]),
        (["counting", "--set", "seed=-1"], ["seed: ", "greater than or equal to 0", "-1"]),
        (["counting", "--set", "rows"], ["--set 'rows'", "KEY=VALUE"]),
        (["counting", "--seeds", "3"], ["seeds: unknown key", "Allowed: rows, seed"]),
        (["counting", "--seeds", "0"], ["--seeds", "greater than or equal to 1"]),
        (["counting", "--backend", "cloud"], ["--backend", "cloud", "local"]),
        ([], ["NAME"]),
    ],
)
def test_a_bad_question_gets_one_message_and_exit_code_2(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, arguments: list[str], words: list[str]
) -> None:
    message = refused(capsys, "analyse", *arguments)
    for word in words:
        assert word in message
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("questions")
def test_a_question_is_answered_with_card_tables_verdict_and_report(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    again = ["analyse", "counting", "--set", "rows=3", "--out", "answers"]
    page = " ".join(printed(capsys, *again, "--markdown", "counting.md").split())
    order = ["How many [b]?", "prediction: Some.", "decision: Confirmed above 0.", "The [b] rows"]
    order += ["All were counted.", "confirmed: There are 3.", "report answers"]
    places = [page.index(words) for words in order]
    assert places == sorted(places)
    (report,) = tmp_path.glob("answers/counting-*/report.html")
    assert str(report.relative_to(tmp_path)) in page and "There are 3." in report.read_text(encoding="utf-8")
    kept = (tmp_path / "counting.md").read_text(encoding="utf-8")
    assert "**confirmed**: There are 3." in kept
    assert "`imprint analyse counting --set rows=3 --markdown FILE`. Made on CPU capability " in kept
    assert "what is finished is kept" in printed(capsys, *again)
    assert answered(capsys, *again)["verdict"] == "confirmed"


@pytest.mark.usefixtures("questions")
def test_what_was_found_is_said_in_a_sentence_before_it_is_counted(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    page = printed(capsys, "analyse", "counting", "--set", "rows=4", "--markdown", "counting.md")
    assert "confirmed: Rows can be counted.\n  There are 4.\n" in page
    kept = (tmp_path / "counting.md").read_text(encoding="utf-8")
    assert "**confirmed**: Rows can be counted.\n\nThere are 4.\n" in kept


@pytest.mark.usefixtures("questions")
@pytest.mark.parametrize("file", ["cells/count.parquet", "question.json"])
def test_a_damaged_answer_is_refused_by_the_name_of_its_file(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, file: str
) -> None:
    printed(capsys, "analyse", "counting")
    (folder,) = tmp_path.glob("runs/counting-*")
    (folder / file).write_bytes(b"{")
    assert file in refused(capsys, "analyse", "counting")
    assert "confirmed" in printed(capsys, "analyse", "counting", "--no-resume")


@pytest.mark.usefixtures("questions")
def test_settings_as_they_ship_are_not_repeated(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    printed(capsys, "analyse", "counting", "--markdown", "counting.md")
    assert "`imprint analyse counting --markdown FILE`" in (tmp_path / "counting.md").read_text(encoding="utf-8")


def test_list_questions_names_those_that_ship(capsys: pytest.CaptureFixture[str]) -> None:
    from imprint.analyses.questions.base import QUESTIONS

    page = printed(capsys, "list", "questions")
    assert "questions" in page
    for name in QUESTIONS.names():
        assert name in page
