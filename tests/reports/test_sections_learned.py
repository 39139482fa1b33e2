"""The section that says how each competence was learned, on made-up runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from imprint.reports.reading.run import load_run
from imprint.reports.sections.learned.section import Learned
from tests.reports import example_agent_run, example_run


def test_competences_of_learners_name_their_ground_truth(tmp_path: Path) -> None:
    run = load_run(example_run.write(tmp_path))
    shown = Learned().collect(run)
    words = "comfort (a hardcoded reward for contact, a hardcoded detector of warmth; more of it with more hunger)"
    assert shown is not None and f"have a ground truth that can be named: {words}" in shown["gist"]
    lines = shown["tables"][0].frame.set_index("competence")
    value = lines.loc["its value depends on caregiver"]
    assert value["ground truth"] == "comfort" and "warmth" in value["where it comes from"]
    assert value["lesion"] == "no training at all" and value["since"] == "9,600 experiences"
    assert lines.loc["it knows caregiver", "ground truth"] == "the learner's objective"
    assert Learned().collect(replace(run, setup={**run.setup, "study": "world"})) is None


def test_competences_of_agents_are_beside_random_rewards(tmp_path: Path) -> None:
    shown = Learned().collect(load_run(example_agent_run.write(tmp_path)))
    assert shown is not None and set(shown["tables"][0].frame["lesion"]) >= {"rewards dealt out at random"}


def test_a_run_without_findings_says_so(tmp_path: Path) -> None:
    run = load_run(example_run.write(tmp_path))
    shown = Learned().collect(replace(run, findings=run.findings.iloc[:0]))
    assert shown is not None and list(shown) == ["missing"]
