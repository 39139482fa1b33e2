"""Setups of other distributions are on the list, and one whose name is taken is refused."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from imprint.models import registry
from imprint.models.errors import ImprintError


@pytest.fixture
def others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of an installed package that offers its YAML files as setups, by two entry points."""
    folder = tmp_path / "somebodys_setups"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "of_their_own.yaml").write_text("name: of_their_own\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    points = {name: EntryPoint(name, folder.name, "imprint.setups") for name in ("one", "again")}
    monkeypatch.setattr(registry, "_entry_points", lambda group: points)
    return folder


def test_setups_of_another_distribution_are_found_by_name(others: Path) -> None:
    assert {"nursery", "of_their_own"} <= registry.setups().keys()
    assert registry.setup_file("of_their_own") == others / "of_their_own.yaml"


def test_a_name_that_is_taken_is_refused_with_both_files(others: Path) -> None:
    (others / "nursery.yaml").touch()
    with pytest.raises(ImprintError, match=r"two setups are called 'nursery'.*somebodys_setups"):
        registry.setups()
