from __future__ import annotations

import json
import os
import signal
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
from pydantic import Field

from imprint.analyses import ask as asking
from imprint.analyses.ask import Asked, ask, folder_of, load_question
from imprint.analyses.engine import Say, Step
from imprint.analyses.findings import findings
from imprint.analyses.questions.base import Answer, Card, Chart, Exhibit, Question, QuestionSettings, Work
from imprint.models.errors import DamagedFileError, ImprintError, NotMeasurableError, UnknownNameError
from imprint.models.files import read_json
from imprint.models.registry import Family

pytestmark = pytest.mark.long


class Settings(QuestionSettings):
    """Settings of the toy question."""

    rows: int = Field(3, ge=1)
    """Rows of each table."""
    log: str = ""
    """File that every piece of work writes its name to."""


CHART = Chart("points", "concept", "score", "concept", "score", low="low", high="high", reference=0.5)


def piece(name: str, seed: int, rows: int, log: str, say: Say) -> pd.DataFrame:
    """Names, numbers with a NaN, and counts."""
    with Path(log).open("a") as file:
        file.write(f"{name}\n")
    score = np.random.default_rng(seed).normal(size=rows)
    score[-1] = np.nan
    concept = [f"{name} {i}" for i in range(rows)]
    return pd.DataFrame({"concept": concept, "score": score, "low": score - 1, "high": score + 1, "n": np.arange(rows)})


def looking(log: str, say: Say) -> pd.DataFrame:
    """Work that looks at what is on disk by then."""
    (card,) = Path(log).parent.glob("runs/*/question.json")
    return pd.DataFrame({"concept": [card.read_text()], "score": [0.5], "low": [0.4], "high": [0.6]})


def stopped(log: str, say: Say) -> pd.DataFrame:
    """Work during which the user gives up."""
    raise KeyboardInterrupt


def unanswerable(log: str, say: Say) -> pd.DataFrame:
    """Work whose data cannot answer."""
    raise NotMeasurableError("only one class occurs")


def defective(log: str, say: Say) -> pd.DataFrame:
    """Work with a defect."""
    raise KeyError("gone")


def killed(log: str, say: Say) -> pd.DataFrame:
    """Work whose process is killed."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


class Toy(Question):
    """Two pieces that work, and whatever ``more`` holds."""

    Settings: ClassVar[type[QuestionSettings]] = Settings
    card: ClassVar[Card] = Card("Is it so?", "It is.", "It is not.", "Confirmed above 0.5.", "Nobody (2001).")
    more: ClassVar[tuple[Work, ...]] = ()

    def work(self) -> list[Work]:
        """Pieces ``a`` and ``b``, then ``more``."""
        given = self.settings.model_dump()
        made = [Work(name, piece, {"name": name, **given}) for name in ("a", "b")]
        return [*made, *(Work(w.name, w.function, {"log": given["log"]}) for w in self.more)]

    def conclude(self, tables: Mapping[str, pd.DataFrame], failed: Mapping[str, str]) -> Answer:
        """An exhibit a table; undetermined when anything failed."""
        rows = [
            {"analysis": "toy", "concept": name, "metric": "rows", "estimate": len(tables[name])} for name in tables
        ]
        exhibits = tuple(Exhibit(f"the-{name}", name, tables[name], "Read.", "Shown.", CHART) for name in tables)
        return Answer("undetermined" if failed else "confirmed", "It is so.", findings(rows), exhibits)


def toy(tmp_path: Path, *more: Work, **settings: int) -> Toy:
    class Asking(Toy):
        """The toy question with more work."""

    Asking.more = more
    return Asking(Settings(log=str(tmp_path / "log"), **settings))


def asked(tmp_path: Path, *more: Work, resume: bool = True, **settings: int) -> Asked:
    return ask(toy(tmp_path, *more, **settings), out=tmp_path / "runs", jobs=1, resume=resume)


def log(tmp_path: Path) -> list[str]:
    return (tmp_path / "log").read_text().split()


def test_the_card_is_on_disk_before_any_work_begins(tmp_path: Path) -> None:
    done = asked(tmp_path, Work("c", looking))
    seen = json.loads(done.answer.exhibits[-1].frame.loc[0, "concept"])
    assert seen == read_json(done.path / "question.json")
    assert seen["card"] == asdict(Toy().whole_card) and seen["settings"]["rows"] == 3
    assert set(seen["versions"]) >= {"torch", "numpy", "pandas"}


def test_a_stopped_question_goes_on_from_what_is_finished(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        asked(tmp_path, Work("c", stopped))
    assert log(tmp_path) == ["a", "b"]
    told: list[Step] = []
    done = ask(toy(tmp_path), out=tmp_path / "runs", jobs=1, progress=told.append)
    assert done.answer.verdict == "confirmed"
    assert log(tmp_path) == ["a", "b"], "nothing is done twice"
    assert [(step.cell, step.note) for step in told] == [("a", "done before"), ("b", "done before")]


def test_a_stopped_question_ends_with_the_bytes_of_one_that_was_not(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        asked(tmp_path, Work("c", stopped))
    (folder_of(toy(tmp_path), tmp_path / "runs") / "cells" / "b.parquet").unlink()
    stopped_once = contents(asked(tmp_path).path)
    assert log(tmp_path) == ["a", "b", "b"]
    assert contents(asked(tmp_path, resume=False).path) == stopped_once


def contents(folder: Path) -> dict[str, bytes]:
    dated = {".lock", "registration.json", "sessions.json", "record.json"}
    files = [p for p in sorted(folder.rglob("*")) if p.is_file() and p.name not in dated]
    return {str(p.relative_to(folder)): p.read_bytes() for p in files}


def test_the_same_question_gives_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    first = asked(tmp_path)
    names = {"answer.json", "question.json", "findings.csv", "findings.parquet"}
    names |= {f"{room}/{name}.parquet" for room, name in (("cells", "a"), ("cells", "b"))}
    names |= {f"exhibits/the-{name}.parquet" for name in ("a", "b")}
    before = contents(first.path)
    assert set(before) == names
    (first.path / "notes.txt").write_text("mine")
    assert contents(asked(tmp_path, resume=False).path) == before | {"notes.txt": b"mine"}
    assert log(tmp_path) == ["a", "b"] * 2, "it was really done again"
    other = asked(tmp_path, seed=1)
    assert other.path != first.path
    assert contents(other.path)["cells/a.parquet"] != before["cells/a.parquet"]


def test_a_piece_that_fails_does_not_hold_up_the_rest_and_is_tried_again(tmp_path: Path) -> None:
    done = asked(tmp_path, Work("c", unanswerable), Work("d", defective))
    kept = read_json(done.path / "answer.json")
    assert kept["failed"]["c"] == "only one class occurs"
    assert kept["failed"]["d"].startswith("KeyError: 'gone' (test_ask.py, line ")
    assert kept["verdict"] == done.answer.verdict == "undetermined"
    assert [exhibit.name for exhibit in done.answer.exhibits] == ["the-a", "the-b"]
    again = asked(tmp_path, Work("c", piece_c))
    assert log(tmp_path) == ["a", "b", "c"]
    assert again.answer.verdict == "confirmed" and read_json(again.path / "answer.json")["failed"] == {}


def piece_c(log: str, say: Say) -> pd.DataFrame:
    """Work that succeeds."""
    return piece("c", 0, 3, log, say)


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX")
def test_a_piece_whose_process_is_killed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imprint.analyses.backends.local.TRIES", 2)
    done = ask(toy(tmp_path, Work("c", killed)), out=tmp_path / "runs", jobs=2)
    failed = read_json(done.path / "answer.json")["failed"]
    assert "was killed" in failed["c"] and done.answer.verdict == "undetermined"
    assert {e.name for e in done.answer.exhibits} == {f"the-{n}" for n in "ab" if n not in failed}
    assert asked(tmp_path).answer.verdict == "confirmed"


def test_another_card_or_other_versions_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = contents(asked(tmp_path).path)

    class Changed(Toy):
        """The rule is another one now."""

        card = Card("Is it so?", "It is.", "It is not.", "Confirmed above 0.1.", "Nobody (2001).")

    with pytest.raises(ImprintError, match=r"begun with another card; begin again with --no-resume"):
        ask(Changed(toy(tmp_path).settings), out=tmp_path / "runs", jobs=1)
    monkeypatch.setattr(asking, "PACKAGES", ("torch",))
    with pytest.raises(ImprintError, match="begun with another versions"):
        asked(tmp_path)
    assert contents(folder_of(toy(tmp_path), tmp_path / "runs")) == before
    assert log(tmp_path) == ["a", "b"]
    asked(tmp_path, resume=False)
    assert log(tmp_path) == ["a", "b"] * 2


def test_exhibits_and_findings_come_back_as_they_were(tmp_path: Path) -> None:
    done = asked(tmp_path)
    shown = read_json(done.path / "answer.json")["exhibits"]
    for exhibit, kept in zip(done.answer.exhibits, shown, strict=True):
        back = pd.read_parquet(done.path / "exhibits" / f"{kept['name']}.parquet")
        pd.testing.assert_frame_equal(back, exhibit.frame)
        assert back["score"].isna().sum() == 1
        assert (kept["heading"], kept["reading"], kept["caption"]) == (exhibit.heading, "Read.", "Shown.")
        assert Chart(**kept["chart"]) == CHART
    pd.testing.assert_frame_equal(pd.read_parquet(done.path / "findings.parquet"), done.answer.findings)
    assert len(pd.read_csv(done.path / "findings.csv")) == 2


def test_a_damaged_piece_is_named(tmp_path: Path) -> None:
    cell = asked(tmp_path).path / "cells" / "a.parquet"
    cell.write_bytes(cell.read_bytes()[:40])
    with pytest.raises(DamagedFileError, match=r"cells/a\.parquet"):
        asked(tmp_path)


@pytest.fixture
def family(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A family with one question, ``tiny_toy``."""
    package = tmp_path / "pretended"
    package.mkdir()
    (package / "base.py").write_text("from imprint.analyses.questions.base import Question\n")
    (package / "tiny_toy.py").write_text(f"from {Toy.__module__} import Toy\n\nclass TinyToy(Toy):\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(asking, "QUESTIONS", Family("questions", "pretended", "Question"))


@pytest.mark.usefixtures("family")
@pytest.mark.parametrize("name", ["tiny-toy", "tiny_toy"])
def test_a_question_is_found_by_its_file_with_hyphens_or_underscores(name: str, tmp_path: Path) -> None:
    question = load_question(name, {"rows": 7, "seed": 2})
    assert (question.settings.seed, question.settings.model_dump()["rows"]) == (2, 7)
    assert folder_of(question, tmp_path).name.startswith("tiny-toy-")
    assert folder_of(question, tmp_path) != folder_of(load_question(name), tmp_path)


@pytest.mark.usefixtures("family")
def test_unknown_questions_and_settings_are_refused_with_the_near_miss() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'tiny_toy'"):
        load_question("tny-toy")
    with pytest.raises(ImprintError, match=r"rwos: unknown key\. Did you mean 'rows'"):
        load_question("tiny-toy", {"rwos": 1})
    with pytest.raises(ImprintError, match=r"rows: .*greater than or equal to 1 \(came: 0\)"):
        load_question("tiny-toy", {"rows": 0})


def test_a_learner_that_is_unknown_or_has_not_what_is_examined_is_refused() -> None:
    with pytest.raises(ImprintError, match=r"learner: unknown learner 'konv'\. Did you mean 'conv'"):
        load_question("credit", {"learner": "konv"})
    with pytest.raises(ImprintError, match=r"learner: it has no layers to examine; those with layers: .*layers"):
        load_question("orientation", {"learner": "transformer"})


def test_nothing_is_written_where_no_work_can_be_planned(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"unknown setup 'nurserycrude'\. Did you mean 'nursery-crude'"):
        ask(load_question("genomes", {"setup": "nurserycrude"}), out=tmp_path)
    assert not any(tmp_path.iterdir())
