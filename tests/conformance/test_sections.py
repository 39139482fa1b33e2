"""Every report section has a title and a place of its own, and shows something of a made-up run."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from imprint.reports.pages.run import collect
from imprint.reports.reading.run import load_run
from imprint.reports.sections.base import SECTIONS
from tests.reports import example_agent_run, example_run


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, object]]:
    """Section -> what it shows of a run of learners or, when it shows nothing of these, of agents."""
    runs: list[Path] = [example.write(tmp_path_factory.mktemp("runs")) for example in (example_agent_run, example_run)]
    collected = [collect(load_run(example_run.searched(run))) for run in runs]
    assert [broken for _, _, broken in collected] == [[], []]
    return {section["id"]: section for sections, _, _ in collected for section in sections}


@pytest.mark.parametrize("name", SECTIONS.names())
def test_a_section_shows_something_under_its_title(name: str, shown: dict[str, dict[str, object]]) -> None:
    member = SECTIONS.load(name)
    assert name in shown, "it shows nothing, neither of learners nor of agents"
    assert shown[name]["title"] == member.title and 0 < len(member.title) <= 42


@pytest.mark.parametrize("name", SECTIONS.names())
def test_a_section_has_a_place_of_its_own(name: str) -> None:
    assert Counter(SECTIONS.load(other).order for other in SECTIONS.names())[SECTIONS.load(name).order] == 1
