"""A made-up run, written once."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from imprint.reports.page import report


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
def page(example: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of the whole made-up run."""
    return report(example.write(tmp_path_factory.mktemp("runs")))
