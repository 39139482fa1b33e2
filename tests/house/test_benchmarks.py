"""Benchmarks are run by hand and checked by no other test: what they take from the toolkit must still be there."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted(ROOT.glob("benchmarks/*.py"))
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def taken(file: Path) -> Iterator[tuple[str, str]]:
    """Module and name of everything that a file imports from the toolkit or from another benchmark."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and str(node.module).partition(".")[0] in {"imprint", "benchmarks"}:
            yield from ((str(node.module), alias.name) for alias in node.names)


def missing(pairs: Iterator[tuple[str, str]]) -> list[str]:
    absent = []
    for module, name in pairs:
        if not hasattr(importlib.import_module(module), name):
            try:
                importlib.import_module(f"{module}.{name}")
            except ModuleNotFoundError:
                absent.append(f"{module}.{name}")
    return absent


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_benchmark_takes_what_is_there(file: Path) -> None:
    assert missing(taken(file)) == []


def test_what_is_gone_is_named(tmp_path: Path) -> None:
    (tmp_path / "old.py").write_text("from imprint.models.progress import Step, gone\n")
    assert missing(taken(tmp_path / "old.py")) == ["imprint.models.progress.gone"]
