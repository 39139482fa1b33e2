"""A made-up run, written once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from imprint.reports.pages.question import report_question, show
from imprint.reports.pages.run import collect, report
from imprint.reports.reading.question import load_answer
from imprint.reports.reading.run import load_run
from tests.reports import example_agent_run, example_question, example_run


@pytest.fixture(scope="session")
def question(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a made-up question."""
    return report_question(example_question.write(tmp_path_factory.mktemp("questions")))


@pytest.fixture(scope="session")
def agent_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of the whole made-up run of agents."""
    return report(example_agent_run.write(tmp_path_factory.mktemp("agents")))


@pytest.fixture(scope="session")
def plots(page: Path, agent_page: Path, question: Path) -> dict[str, Any]:
    """Every plot of all pages."""
    sections = [section for one in (page, agent_page) for section in collect(load_run(one.parent))[0]]
    shown = [show(exhibit) for exhibit in load_answer(question.parent).answer.exhibits]
    return {figure.id: figure.plot for section in sections for figure in section["figures"]} | {
        panel.id: panel.plot for item in shown for panel in item.panels
    }


@pytest.fixture(scope="session")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of the whole made-up run."""
    return report(example_run.write(tmp_path_factory.mktemp("runs")))
