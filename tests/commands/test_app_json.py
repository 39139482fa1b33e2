"""Every command with ``--json`` against its schema file; ``study``, ``analyse`` and ``export`` have tests of their own.

Runs and sweeps are made up, so that nothing is trained here.
"""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from imprint.analyses.evaluate import evaluate, replicate
from imprint.analyses.evaluate.run import Run
from imprint.analyses.evaluate.sweeps import cost, sweep
from imprint.analyses.evaluate.sweeps.plan import Plan
from imprint.analyses.expose.candidates import Candidate, Example, Exposed
from imprint.commands.app import app
from imprint.models.files import write_json, write_table
from imprint.reports.pages import run as runs
from imprint.reports.pages import sweep as sweeps
from imprint.schemas.outputs import FOLDER, OUTPUTS, text_of
from imprint.schemas.searches import ExposedCandidate, ExposedExample, ExposeOutput
from tests.commands.commands import answered, printed, valid
from tests.known.tiny import TINY
from tests.reports import example_question, example_run, example_sweep

SMALL = [word for key, value in TINY.items() for word in ("--set", f"{key}={value}")]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a made-up run, question and sweep."""
    folder = tmp_path_factory.mktemp("made")
    example_run.write(folder)
    example_question.write(folder).rename(folder / "answer")
    example_sweep.write(folder)
    return folder


def test_every_command_that_takes_json_has_a_schema_and_its_file_is_that_of_the_model() -> None:
    commands = dict(get_command(app).commands)  # type: ignore[attr-defined]
    for name in [name for name, command in commands.items() if hasattr(command, "commands")]:
        commands |= {f"{name}-{inner}": command for inner, command in commands.pop(name).commands.items()}
    taking = {name for name, command in commands.items() if any(option.name == "json" for option in command.params)}
    assert taking == OUTPUTS.keys() == {file.stem for file in FOLDER.glob("*.json")}
    for name in OUTPUTS:
        text = (FOLDER / f"{name}.json").read_text(encoding="utf-8")
        assert text == text_of(name), f"{name}.json is old: python -m imprint.schemas.outputs"


def test_a_schema_refuses_what_is_no_such_output() -> None:
    good = {"schema": "imprint/report/1", "report": "a", "missing": {}}
    assert valid("report", good) == good
    for bad in ({**good, "schema": "imprint/report/2"}, {**good, "more": 1}, {"schema": "imprint/report/1"}):
        with pytest.raises((AssertionError, ValueError)):
            valid("report", bad)


def test_what_expose_answers_is_what_its_schema_names() -> None:
    for record, model in ((Exposed, ExposeOutput), (Candidate, ExposedCandidate), (Example, ExposedExample)):
        assert {field.name for field in fields(record)} == model.model_fields.keys() - {"schema_"}


@pytest.mark.parametrize("name", ["nursery", "worlds/nursery", "learners/conv", "environments/coin", "latch"])
def test_show(capsys: pytest.CaptureFixture[str], name: str) -> None:
    shown = answered(capsys, "show", name)
    assert shown["about"] or shown["metrics"]
    assert name != "nursery" or shown["setup"]["schedule"]["seeds"] == 6


def test_list_view_doctor_and_power(capsys: pytest.CaptureFixture[str], made: Path) -> None:
    assert "nursery" in answered(capsys, "list")["families"]["setups"]
    with pytest.raises(SystemExit):  # 0 or 1, as this environment is
        from imprint.cli import main

        main(["doctor", "--json"])
    assert valid("doctor", json.loads(capsys.readouterr().out))["checks"]
    kinds = {entry["kind"] for entry in answered(capsys, "view", str(made))["entries"]}
    assert kinds == {"run", "question", "sweep"}
    rows = answered(capsys, "power", "nursery", *SMALL, "--dominance", ".9", "--seeds", "2", "--runs", "2")["rows"]
    assert {row["right_word"] for row in rows} == {"intended"} and all(0 <= row["right"] <= 1 for row in rows)


def test_report_and_view_as_files(capsys: pytest.CaptureFixture[str], made: Path, tmp_path: Path) -> None:
    written = answered(capsys, "report", str(made / "answer"))
    assert Path(written["report"]).is_file() and not written["missing"]
    told = answered(capsys, "view", str(made / "answer"), "--export", str(tmp_path / "site"))
    assert Path(told["page"]).is_file() and told["missing"] == []


def test_run_compare_and_replicate(
    capsys: pytest.CaptureFixture[str], made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = made / example_run.NAME, example_run.write(tmp_path)
    monkeypatch.setattr(evaluate, "evaluate", lambda setup, **options: Run(first))
    monkeypatch.setattr(runs, "report", lambda run: Path("report.html"))  # which takes seconds, and has its own tests
    ran = answered(capsys, "run", str(first / "setup.yaml"), "--out", str(made))
    assert ran["run"] == str(first) and ran["failed"] == {} and ran["findings"]
    rows = answered(capsys, "compare", str(first), str(second))["rows"]
    assert {row["verdict"] for row in rows} == {ran["verdict"]}
    monkeypatch.setattr(replicate, "replicate", lambda path, **options: Run(second))
    again = answered(capsys, "replicate", str(first))
    assert [run["verdict"] for run in again["runs"]] == [ran["verdict"]] * 2 and again["level"] == "exploratory"


def test_a_sweep_planned_and_done(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("sweep", "nursery", "--grid", "assessor.lag=0,1", *SMALL, "--out", str(tmp_path))
    estimate, taken = cost.estimate, list[cost.Estimate]()

    def once(plan: Plan) -> cost.Estimate:
        if not taken:
            taken.append(estimate(plan))
        return taken[0]

    monkeypatch.setattr(cost, "estimate", once)
    monkeypatch.setattr(sweep, "rehearse", lambda plan: None)
    planned = answered(capsys, *words, "--dry-run")
    assert planned["cells"] == 2 and planned["cpu_hours"] > 0
    monkeypatch.setattr(sweeps, "report_sweep", lambda folder: folder / "report.html")
    folder = Path(planned["sweep"])
    frame = example_sweep.frame_of().head(2).assign(**{"assessor.lag": [0, 1], "cell": [0, 1]})
    folder.mkdir(parents=True)
    about: dict[str, Any] = {"base": {"name": "nursery", "intended": "caregiver"}, "grid": {"assessor.lag": [0, 1]}}
    write_json(folder / "sweep.json", about)
    write_json(folder / "record.json", {})
    others = [key for key in example_sweep.GRID if key != "assessor.lag"]
    write_table(folder / "cells.parquet", frame.drop(columns=others))
    done = answered(capsys, *words)
    assert [row["assessor.lag"] for row in done["frame"]] == [0, 1] and done["failed"] == 0


def test_exit_codes_are_said_in_the_help_and_in_the_guide(capsys: pytest.CaptureFixture[str]) -> None:
    guide = (FOLDER.parents[1] / "docs" / "json.md").read_text(encoding="utf-8")
    told = " ".join(printed(capsys, "--help").split())
    for code in (0, 1, 2, 130, 143):
        assert f"| {code} |" in guide and f"{code}: " in told
    for name in OUTPUTS:
        assert f"| `{name}` |" in guide
