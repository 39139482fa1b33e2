"""What is listed: the numbers are those of the reports, and nothing outside the folder is read."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from imprint.analyses.evaluate.run import Run
from imprint.analyses.evaluate.setups_compared.numbers import numbers_of
from imprint.analyses.journal import FOLDER
from imprint.models.errors import ImprintError
from imprint.models.files import read_json, write_json
from imprint.reports.answers.odds import odds
from imprint.reports.answers.runs import answer_of
from imprint.reports.reading.run import load_run
from imprint.reports.viewer.entry import Entry, level_of
from imprint.reports.viewer.listing import Listing, live
from tests.reports import example_agent_run, example_run, example_sweep

ROOT = Path(__file__).resolve().parents[3]


def listed(runs: Path) -> dict[str, Entry]:
    return {entry.id: entry for entry in Listing(runs).entries()}


def test_everything_is_found_by_its_manifest_with_its_state(runs: Path) -> None:
    (runs / "values" / "inner").mkdir()
    shutil.copy(runs / "values" / "setup.yaml", runs / "values" / "inner")  # part of the run, not another one
    (runs / ".hidden").mkdir()
    shutil.copy(runs / "values" / "setup.yaml", runs / ".hidden")
    found = listed(runs)
    assert {id_: (entry.kind, entry.state) for id_, entry in found.items()} == {
        "values": ("run", "whole"),
        "deep/er/agents": ("run", "whole"),
        "study": ("study", "whole"),
        "answer": ("question", "failed cells"),
        "nursery-sweep-1a2b3c4d": ("sweep", "failed cells"),
        "begun": ("run", "unfinished"),
        "torn": ("run", "damaged"),
        "broken": ("run", "failed cells"),
    }
    assert found["torn"].verdict == "" and "findings.parquet cannot be read" in found["torn"].problems[0]
    assert found["broken"].problems == ("latch-seed-1 failed: by design",)
    assert found["begun"].command == f"imprint run {runs}/begun/setup.yaml --out {runs} --resume"
    assert listed(runs / "values").keys() == {"."}


@pytest.mark.parametrize(
    ("id_", "example"), [("values", example_run), ("deep/er/agents", example_agent_run)], ids=["values", "agents"]
)
def test_numbers_are_those_of_the_report_and_of_compare(runs: Path, id_: str, example: object) -> None:
    entry, run = listed(runs)[id_], load_run(runs / id_)
    assert (entry.verdict, entry.sentence) == (answer_of(run).verdict, answer_of(run).sentence)
    assert dict(entry.words) == pytest.approx(dict(odds(run))) and entry.word == next(iter(dict(odds(run))), "")
    whole = Run.of(run.path, setup=example.setup(), findings=run.findings)  # type: ignore[attr-defined]
    known = numbers_of(whole).over_seeds
    dominance = next((held for held in entry.held if held.role == "intended"), None)
    assert (dominance.estimate if dominance else None) == pytest.approx(known["dominance"].value, nan_ok=True)
    assert (entry.latch_age if entry.latch_age is not None else float("nan")) == pytest.approx(
        known["latch_age"].value, nan_ok=True
    )
    assert entry.seeds is not None and entry.cost == pytest.approx(known["cost"].value * run.record["seeds"])


def test_a_sweep_counts_its_cells_and_a_question_says_its_verdict(runs: Path) -> None:
    found, frame = listed(runs), example_sweep.frame_of()
    sweep, counts = found["nursery-sweep-1a2b3c4d"], frame["verdict"][frame["verdict"] != ""].value_counts()
    assert dict(sweep.words) == counts.to_dict() and sweep.verdict.startswith(f"{counts.index[0]} in {counts.iloc[0]}")
    assert sweep.failed == (frame["error"] != "").sum() == 1
    answer = read_json(runs / "answer" / "answer.json")
    assert (found["answer"].verdict, found["answer"].level) == (answer["verdict"], "registered")
    spent = read_json(runs / "answer" / "record.json")["cell_seconds"]
    assert len(spent) > 0 and found["answer"].cost == pytest.approx(sum(spent.values()))


def test_a_level_of_evidence_falls_with_what_was_changed(runs: Path) -> None:
    folder = runs / "answer"
    registration, record = read_json(folder / "registration.json"), read_json(folder / "record.json")
    settings = read_json(folder / "question.json")["settings"]
    assert level_of(registration, settings, record) == "registered"
    assert level_of(registration, {**settings, "seed": 77}, record) == "exploratory"
    assert level_of({**registration, "rule": {}}, settings, record) == "exploratory"
    assert level_of({**registration, "earlier": ["another"]}, settings, record) == "exploratory"
    assert level_of(registration, settings, {**record, "registration": "0" * 64}) == "exploratory"
    assert level_of(registration, settings, {**record, "first_result": "2020-01-01T00:00:00+00:00"}) == "exploratory"


def test_links_are_not_followed_out_and_bad_files_are_said(runs: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    shutil.move(runs / "values", outside)
    (runs / "linked").symlink_to(outside)
    secret = tmp_path / "secret.json"
    write_json(secret, {"name": "secret", "card": {"question": "secret"}})
    (runs / "lured").mkdir()
    (runs / "lured" / "question.json").symlink_to(secret)
    (runs / "bomb").mkdir()
    (runs / "bomb" / "setup.yaml").write_text("[" * 200_000)
    found = listed(runs)
    assert "linked" not in found and not any("secret" in repr(entry) for entry in found.values())
    assert found["lured"].problems == ("question.json is not in the folder",)
    assert found["bomb"].problems and found["bomb"].setup == "bomb"
    with pytest.raises(ImprintError, match="expected the folder in which runs are kept"):
        Listing(tmp_path / "nowhere")


def test_numbers_that_are_none_and_hostile_texts_spoil_neither_the_list_nor_its_json(runs: Path) -> None:
    (runs / "values" / "run.json").write_text('{"cell_seconds": {"a 1": NaN, "b": 1e999, "c": 2.5}, "failed": 3}')
    (runs / "study" / "setup.yaml").write_text(f"study: world\nname: x\nrate: 0x{'f' * 9000}\n")
    (runs / "begun" / FOLDER).mkdir()
    wave = '{"began": %s, "cells": ["../../x", "\\u0000", "a"], "before": []}\n{"cell": "a", "seconds": 1e999}'
    for began in ("NaN", "1e999", "0"):
        (runs / "begun" / FOLDER / ".wave").write_text(wave % began)
        (runs / "begun" / FOLDER / "a").write_text(f"{'9' * 4000}\t1\tnote")
        found = listed(runs)
        json.dumps([entry.data() for entry in found.values()], allow_nan=False)
    assert found["values"].cost == 2.5 and found["study"].state == "damaged" and found["begun"].state == "running"


def test_only_what_changed_is_another_version(runs: Path) -> None:
    listing = Listing(runs)
    before = live(listing.entries())["versions"]
    assert live(listing.entries())["versions"] == before
    (runs / "values" / "report.html").write_text("page")
    after = live(listing.entries())["versions"]
    assert [id_ for id_ in before if before[id_] != after[id_]] == ["values"]


def test_two_hundred_runs_are_listed_in_two_seconds_without_torch_and_pandas(runs: Path) -> None:
    for number in range(200):
        os.makedirs(runs / "many" / f"nursery-{number:08x}")
        for name in ("setup.yaml", "run.json", "findings.parquet"):
            os.link(runs / "values" / name, runs / "many" / f"nursery-{number:08x}" / name)
    ask = (
        "import sys, time; from imprint.reports.viewer.listing import Listing; from imprint.reports.viewer.page import "
        "page; clock = time.process_time; took = []\n"
        "for again in range(2): a = clock(); e = Listing(sys.argv[1]).entries(); "
        "page('many', e, {}, folder='many', served=False); took.append(clock() - a)\n"
        "print(len(e), min(took), *[m for m in ('torch', 'pandas', 'jinja2', 'plotly') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", ask, str(runs / "many")], cwd=ROOT, check=True, capture_output=True, text=True
    )
    count, seconds, *heavy = done.stdout.split()
    assert count == "200" and not heavy and float(seconds) < 2.0
