"""``imprint run`` and ``imprint compare``."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commands.commands import refused


def test_compare_refuses_seeds_for_what_has_been_run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "done").mkdir()
    for names in (["done", "nursery"], ["nursery", "done"]):
        message = refused(capsys, "compare", *names, "--seeds", "3")
        assert "--seeds only applies to setups, and done is a run folder" in message
    assert [path.name for path in tmp_path.iterdir()] == ["done"]
