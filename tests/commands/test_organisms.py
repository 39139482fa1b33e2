"""``imprint organisms``: what is made is scored, and slips are told in one message."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from imprint.commands import organisms
from tests.commands.commands import printed, refused


def test_slips_are_told(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert "no finished organisms" in refused(capsys, "organisms", "score", "--organisms", str(tmp_path))
    assert "public split is fixed" in refused(capsys, "organisms", "make", "--out", str(tmp_path), "--seed", "3")
    assert "imprint organisms --help" in refused(capsys, "organisms", "mak")


def test_answers_are_printed_as_json(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(organisms, "make_organisms", lambda out, **given: {"path": out, **given})
    said = json.loads(printed(capsys, "organisms", "make", "--out", str(tmp_path), "--count", "16", "--json"))
    given = {"path": str(tmp_path), "count": 16, "seed": None, "split": "public", "jobs": None}
    assert said == {"schema": "imprint/organisms-make/1", **given}
