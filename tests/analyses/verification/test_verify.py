"""A good run verifies; every way to tamper with it is named."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd
import pytest

from imprint import verify
from imprint.analyses import registration
from imprint.analyses.ask import ask
from imprint.analyses.engine import Say
from imprint.analyses.evaluate.evaluate import evaluate
from imprint.analyses.evaluate.learners.procedure import LearnerProcedure
from imprint.analyses.evaluate.replicate import replicate
from imprint.analyses.evaluate.run import Run
from imprint.analyses.questions.base import Answer, Card, Question, QuestionSettings, Work
from imprint.analyses.verification import derivation
from imprint.analyses.verification.verify import Verification
from imprint.models.errors import DamagedFileError, ImprintError, UnknownNameError
from imprint.models.files import alone_in, read_json, read_table, write_json, write_page, write_table
from imprint.models.setup.load import load_setup
from tests.known.tiny import TINY


@pytest.fixture
def folder(run: Run, tmp_path: Path) -> Path:
    """A copy to tamper with."""
    without_page = shutil.ignore_patterns("report.html")
    return Path(shutil.copytree(run.path, tmp_path / run.path.name, ignore=without_page))


def found(verified: Verification, name: str) -> str:
    """What a check found wrong; empty when it found nothing."""
    return next((check.found for check in verified.wrong if check.name == name), "")


def test_a_good_run_is_right_and_registered(folder: Path) -> None:
    verified = verify(folder)
    assert verified.right, verified.wrong
    names = ["registration", "order", "verdict", "files", "controls", "commit", "CPU capability"]
    assert sorted(check.name for check in verified.checks) == sorted(names)
    assert verified.level == "registered"
    stored = read_json(folder / "registration.json")
    assert stored["machine"]["capability"] and stored["machine"]["instructions"] is not None
    assert "def judge" in stored["rule"]["imprint.analyses.latch.decision"]
    moved = verify(folder.rename(folder.with_name("baseline")))
    assert [(check.name, check.state) for check in moved.checks] == [(c.name, c.state) for c in verified.checks]


def change_json(name: str, change: Callable[[dict[str, Any]], Any]) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        data = read_json(folder / name)
        change(data)
        write_json(folder / name, data)

    return apply


def change_findings(change: Callable[[pd.DataFrame], Any]) -> Callable[[Path], None]:
    """As somebody would who knows of digests, but does not change the record."""

    def apply(folder: Path) -> None:
        table = read_table(folder / "findings.parquet")
        change(table)
        write_table(folder / "findings.parquet", table)

    return apply


def other_verdict(table: pd.DataFrame) -> None:
    table.loc[(table["metric"] == "latch") & table["seed"].isna(), "verdict"] = "intended"


def other_estimate(table: pd.DataFrame) -> None:
    row = table.index[(table["metric"] == "share") & table["seed"].isna() & table["estimate"].notna()][0]
    table.loc[row, "estimate"] += 0.01


def failing_control(table: pd.DataFrame) -> None:
    table.loc[table.index[table["metric"] == "self_check"][0], "estimate"] = 0.0


def strip(folder: Path) -> None:
    path = folder / "cells" / "latch-seed-0.parquet"
    pd.read_parquet(path).to_parquet(path, index=False)


def swap(folder: Path) -> None:
    shutil.copy(folder / "cells" / "latch-seed-1.parquet", folder / "cells" / "latch-seed-0.parquet")


def reworded_page(folder: Path) -> None:
    write_page(folder / "report.html", "<p>undetermined</p>", folder / "findings.parquet")
    page = (folder / "report.html").read_text(encoding="utf-8")
    (folder / "report.html").write_text(page.replace("undetermined", "intended"), encoding="utf-8")


TAMPERINGS: dict[str, tuple[Callable[[Path], Any], str, str]] = {
    "verdict changed": (change_findings(other_verdict), "verdict", "derived anew"),
    "estimate changed": (change_findings(other_estimate), "verdict", "the estimate of 1 findings differs"),
    "table swapped": (swap, "files", "latch-seed-0.parquet is another table: latch-seed-1"),
    "registration younger": (
        change_json("registration.json", lambda r: r.update(registered="2100-01-01T00:00:00Z")),
        "order",
        "younger than the results",
    ),
    "cell missing": (
        lambda folder: (folder / "cells" / "latch-seed-1.parquet").unlink(),
        "files",
        "cells/latch-seed-1.parquet is missing",
    ),
    "digest stripped": (strip, "files", "latch-seed-0.parquet carries no digest"),
    "page changed": (reworded_page, "report", "report.html was changed"),
    "digests taken out": (change_json("run.json", lambda r: r.pop("files")), "files", "taken out of the record"),
    "sessions taken away": (lambda folder: (folder / "sessions.json").unlink(), "commit", "sessions.json"),
    "other commit": (change_json("run.json", lambda r: r.update(commit="0000000")), "commit", "several commits"),
    "CPU capability": (
        change_json("run.json", lambda r: r["machine"].update(capability="Z80")),
        "CPU capability",
        "processors of two kinds",
    ),
    "planted control failing": (change_findings(failing_control), "controls", "was misjudged"),
    "rule text changed": (
        change_json("registration.json", lambda r: r["rule"].update({"imprint.analyses.latch.decision": "always yes"})),
        "registration",
        "the rule text was changed after it was registered",
    ),
    "settings changed": (
        change_json("registration.json", lambda r: r["parts"].update(commit="0000000")),
        "registration",
        "the commit or the hash in registration.json was changed",
    ),
    "bytes changed": (
        lambda folder: (folder / "findings.parquet").write_bytes(
            (folder / "findings.parquet").read_bytes().replace(b"imprint", b"imprant", 1)
        ),
        "files",
        "findings.parquet",
    ),
    "registration removed": (
        lambda folder: (folder / "registration.json").unlink(),
        "registration",
        "registration.json is missing",
    ),
}


@pytest.mark.parametrize("name", TAMPERINGS)
def test_every_tampering_is_named(name: str, folder: Path) -> None:
    tamper, check, words = TAMPERINGS[name]
    tamper(folder)
    verified = verify(folder, derive=check in ("verdict", "report"))
    assert not verified.right and verified.level == "exploratory"
    assert words in found(verified, check), verified.checks


def reworded(old: str, new: str) -> Callable[[pd.DataFrame], None]:
    def apply(table: pd.DataFrame) -> None:
        table["why"] = table["why"].str.replace(old, new, regex=True)

    return apply


def test_words_of_another_program_may_differ_and_its_numbers_may_not(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    change_findings(reworded("probability", "chance"))(folder)
    assert "the why of" in found(verify(folder), "verdict")
    monkeypatch.setattr(derivation, "commit", lambda: "0000000")
    assert found(verify(folder), "verdict") == ""
    change_findings(reworded(r"\d%", "3%"))(folder)
    assert "the why of" in found(verify(folder), "verdict")


def test_a_run_without_a_registration_is_readable_and_exploratory(folder: Path) -> None:
    for name in ("registration.json", "sessions.json"):
        (folder / name).unlink()
    record = read_json(folder / "run.json")
    write_json(folder / "run.json", {k: v for k, v in record.items() if k not in ("registration", "files", "machine")})
    for path in folder.rglob("*.parquet"):
        pd.read_parquet(path).to_parquet(path, index=False)
    verified = verify(folder)
    assert verified.right, verified.wrong
    assert verified.level == "exploratory" and "Nothing was registered" in verified.reason
    assert Run(folder).verdict


def test_a_rule_that_was_changed_after_results_is_exploratory(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another threshold gives another folder, but the results of the first could be seen beside it."""

    def stop(*_: object) -> None:
        raise ImprintError("stopped")

    monkeypatch.setattr(LearnerProcedure, "run", stop)
    changed = load_setup("nursery", changes={**TINY, "decision.dominates": 0.6})
    with pytest.raises(ImprintError, match="stopped"):
        evaluate(changed, out=folder.parent)
    registered = registration.registration_of(folder.parent / changed.run_name)
    assert registered is not None and registered.earlier == (folder.name,)

    change_json("registration.json", lambda r: r.update(earlier=["another"]))(folder)
    digest = hashlib.sha256((folder / "registration.json").read_bytes()).hexdigest()
    change_json("run.json", lambda r: r["files"].update({"registration.json": digest}))(folder)
    verified = verify(folder, derive=False)
    assert (
        verified.right
        and verified.level == "exploratory"
        and "changed after results existed (another)" in verified.reason
    )


def test_two_processes_cannot_work_in_one_folder(folder: Path) -> None:
    with alone_in(folder), pytest.raises(ImprintError, match="worked on by another process"):
        evaluate("nursery", out=folder.parent, changes=TINY)


def test_going_on_under_another_rule_or_on_another_processor_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "findings.parquet").unlink()
    real = registration.machine
    monkeypatch.setattr(registration, "machine", lambda: {**real(), "capability": "Z80"})
    with pytest.raises(ImprintError, match=r"begun on another CPU capability.* Z80 .*--no-resume"):
        evaluate("nursery", out=folder.parent, changes=TINY)
    monkeypatch.setattr(registration, "machine", real)
    with pytest.raises(ImprintError, match=r"registered under another rule \(a changed since\)"):
        registration.require_same(folder, {**registration.registration_of(folder).rule, "a": "b"})


def test_what_is_no_run_is_refused(run: Run, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean"):
        verify(str(run.path)[:-1])
    with pytest.raises(ImprintError, match=r"no setup\.yaml or question\.json or sweep\.json"):
        verify(tmp_path)
    (tmp_path / "setup.yaml").write_text(json.dumps({}))
    with pytest.raises(ImprintError, match="not finished"):
        verify(tmp_path)


def test_a_repetition_on_drawn_seeds_replicates(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The repetition itself is made up of the first run's files, since only what is compared matters here."""
    first = Path(shutil.copytree(run.path, tmp_path / run.path.name))
    drawn: list[int] = []

    def stop(self: LearnerProcedure, *_: object) -> None:
        drawn.extend(self.seeds)
        raise ImprintError("stopped")

    monkeypatch.setattr(LearnerProcedure, "run", stop)
    for _ in range(2):  # the second goes on with the first
        with pytest.raises(ImprintError, match="stopped"):
            replicate(first)
    assert len(set(drawn)) == 2 and min(drawn) >= 10_000
    torn = Path(shutil.copytree(first, tmp_path / "torn" / first.name))
    (torn / "findings.parquet").write_bytes(b"PAR1")
    with pytest.raises(DamagedFileError, match="findings"):  # before any work
        replicate(torn)
    shutil.rmtree(torn.parent)
    (again,) = (path for path in tmp_path.iterdir() if path != first)
    registered = registration.registration_of(again)
    assert registered is not None
    assert registered.replicates == read_json(first / "registration.json")["registration"]
    for name in ("run.json", "findings.parquet"):
        shutil.copy(first / name, again / name)
    change_json("run.json", lambda r: [r.pop(key) for key in ("files", "registration", "first_result")])(again)
    verified = verify(first, derive=False)
    assert run.verdict == "undetermined" and verified.level == "registered" and "Nothing was said" in verified.reason
    monkeypatch.setattr("imprint.analyses.verification.verify.UNDETERMINED", "a word that no run says")
    verified = verify(first, derive=False)
    assert verified.level == "replicated" and again.name in verified.reason
    change_findings(other_verdict)(again)
    assert verify(first, derive=False).level == "registered"


def one(*, say: Say) -> pd.DataFrame:
    """Work of the toy question."""
    return pd.DataFrame({"score": [0.75]})


class Toy(Question[QuestionSettings]):
    """One number."""

    card: ClassVar[Card] = Card("Is it so?", "It is.", "It is not.", "Confirmed above 0.5.", "Nobody (2001).")
    metrics: ClassVar[dict[str, str]] = {"score": "a number"}

    def work(self) -> list[Work]:
        return [Work("one", one, {})]

    def conclude(self, tables: Mapping[str, pd.DataFrame], failed: Mapping[str, str]) -> Answer:
        score = float(tables["one"]["score"].iloc[0])
        return self.answer(("confirmed", f"It is {score}."), [{"metric": "score", "estimate": score}], [])


def test_an_answer_verifies_and_a_changed_one_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(derivation, "load_question", lambda name, settings: Toy())
    folder = ask(Toy(), out=tmp_path).path
    assert verify(folder).right and verify(folder).level == "registered"
    change_json("answer.json", lambda a: a.update(verdict="refuted"))(folder)
    verified = verify(folder)
    assert "stored as “refuted” and derived anew as “confirmed”" in found(verified, "verdict")
    assert "answer.json was changed" in found(verified, "files")
