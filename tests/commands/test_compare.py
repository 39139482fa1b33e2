"""`imprint compare --all` of named setups: what is missing, and a name that no setup has."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commands.commands import refused


def test_a_name_that_no_shipped_setup_has_is_answered_with_the_near_miss(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    said = refused(capsys, "compare", "--all", "nurserie", "--out", str(tmp_path))
    assert "nurserie" in said and "Did you mean 'nursery'" in said


def test_without_a_run_the_command_that_makes_the_first_is_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    said = refused(capsys, "compare", "--all", "nest", "--seeds", "2", "--out", str(tmp_path))
    assert "no shipped setup has a finished run" in said and "imprint run nest --seeds 2" in said
