"""A folder with one of everything: a run, a run of agents, a study, a sweep, a question, unfinished and broken ones."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml

from tests.reports import example_agent_run, example_question, example_run, example_sweep

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"


def light(run: Path, target: Path, *leave_out: str) -> Path:
    """A copy of a run without its page and arrays."""
    shutil.copytree(run, target, ignore=shutil.ignore_patterns("report.html", "artefacts", *leave_out))
    return target


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A run, a run of agents and an answered question, made once."""
    folder = tmp_path_factory.mktemp("made")
    examples = {"values": example_run, "agents": example_agent_run, "answer": example_question}
    return {name: example.write(folder / name) for name, example in examples.items()}  # type: ignore[attr-defined]


@pytest.fixture
def runs(tmp_path: Path, made: dict[str, Path]) -> Path:
    """The folder; names of what is in it are those of the keys of the tests."""
    folder, values = tmp_path / "runs", made["values"]
    light(values, folder / "values")
    light(made["agents"], folder / "deep" / "er" / "agents")
    shutil.copytree(made["answer"], folder / "answer")
    example_sweep.write(folder)
    light(values, folder / "begun", "findings.*", "run.json")
    study = light(values, folder / "study")
    setup = yaml.safe_load((study / "setup.yaml").read_text(encoding="utf-8"))
    told = {"name": HOSTILE, "study": "world", "unit": "steps", "question": HOSTILE, "intended": setup["intended"]}
    (study / "setup.yaml").write_text(yaml.safe_dump(told), encoding="utf-8")
    torn = light(values, folder / "torn")
    (torn / "findings.parquet").write_bytes((torn / "findings.parquet").read_bytes()[:900])
    broken = light(values, folder / "broken")
    record = json.loads((broken / "run.json").read_text(encoding="utf-8"))
    record["failed"] = [{"cell": "latch-seed-1", "error": "by design"}]
    (broken / "run.json").write_text(json.dumps(record), encoding="utf-8")
    return folder
