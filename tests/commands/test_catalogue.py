"""``imprint list`` and ``imprint show`` name what ships, with its settings."""

from __future__ import annotations

import pytest

from tests.commands.commands import printed


def test_list_names_what_ships(capsys: pytest.CaptureFixture[str]) -> None:
    page = printed(capsys, "list")
    for name in ("setups", "worlds", "learners", "steering", "assessors", "nursery", "conv", "detector", "valence"):
        assert name in page
    assert "conv" not in printed(capsys, "list", "worlds")


def test_show_fills_in_every_default_of_a_setup(capsys: pytest.CaptureFixture[str]) -> None:
    page = printed(capsys, "show", "nursery")
    for words in ("intended: caregiver", "alpha: 0.05", "learning_rate:", "imprint show worlds/nursery"):
        assert words in page


def test_show_gives_a_member_with_types_defaults_and_words(capsys: pytest.CaptureFixture[str]) -> None:
    page = printed(capsys, "show", "detector")
    for words in ("P(miss)", "false_alarm", ">= 0.0", "(required)", "Probability that a signal is lost"):
        assert words in page
    assert "caregiver_hidden" in printed(capsys, "show", "worlds/nursery")
