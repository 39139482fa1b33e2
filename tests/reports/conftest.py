"""A made-up run, written once."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from imprint.reports.pages.question import report_question, show
from imprint.reports.pages.run import collect, report
from imprint.reports.reading.question import load_answer
from imprint.reports.reading.run import load_run


def _module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("example_run", Path(__file__).with_name("example_run.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def example() -> ModuleType:
    """The module that makes runs: ``write``, ``table``, ``artefacts`` and the names in it."""
    return _module()


@pytest.fixture(scope="session")
def question(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a made-up question."""
    from tests.reports.example_question import write

    return report_question(write(tmp_path_factory.mktemp("questions")))


@pytest.fixture(scope="session")
def agent_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of the whole made-up run of agents."""
    from tests.reports.example_agent_run import write

    return report(write(tmp_path_factory.mktemp("agents")))


@pytest.fixture(scope="session")
def plots(page: Path, agent_page: Path, question: Path) -> dict[str, Any]:
    """Every plot of all pages."""
    sections = [section for one in (page, agent_page) for section in collect(load_run(one.parent))[0]]
    shown = [show(exhibit) for exhibit in load_answer(question.parent).answer.exhibits]
    return {figure.id: figure.plot for section in sections for figure in section["figures"]} | {
        panel.id: panel.plot for item in shown for panel in item.panels
    }


@pytest.fixture(scope="session")
def page(example: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of the whole made-up run."""
    return report(example.write(tmp_path_factory.mktemp("runs")))
