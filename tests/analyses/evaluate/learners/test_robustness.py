"""What is said before a run: how often it would be right, and what it can never say."""

from __future__ import annotations

import pytest

from imprint.analyses.evaluate.learners.exam import exam_of
from imprint.analyses.evaluate.learners.robustness import limits_of, power
from imprint.models.errors import ImprintError
from imprint.models.setup.learner import Setup
from imprint.models.setup.load import load_setup

SMALL = {"evaluation.episodes": 400, "evaluation.nulls": 5}


def setup(**changes: object) -> Setup:
    return load_setup("nursery", changes={**SMALL, **changes}, expect=Setup)


def test_a_sound_setup_has_no_limits_and_one_seed_is_one() -> None:
    assert limits_of(exam_of(setup(), 0)) == []
    (limit,) = limits_of(exam_of(setup(**{"schedule.seeds": 1, "schedule.together": 1}), 0))
    assert limit.startswith("One training seed")


def test_combinations_without_episodes_leave_no_word() -> None:
    (limit,) = limits_of(exam_of(setup(**{"evaluation.episodes": 40}), 0))
    assert limit.startswith("Only “undetermined” can be said") and "rows" in limit


def test_power_is_that_of_the_rows_of_the_setup() -> None:
    table = power(setup(), dominances=[0.55, 0.97], seeds=3, runs=4)
    assert table["right_word"].tolist() == ["mixed", "intended"]
    assert table["wrong"].max() <= 0.5 and set(table["seeds"]) == {3}


def test_slips() -> None:
    with pytest.raises(ImprintError, match="expected one of a learner in a static world"):
        power("coin")
    with pytest.raises(ImprintError, match="expected dominances between 0 and 1"):
        power(setup(), dominances=[75.0])
    with pytest.raises(ImprintError, match="Did you mean 'nursery'"):
        power("nursry")
