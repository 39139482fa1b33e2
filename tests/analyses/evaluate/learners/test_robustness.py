"""What is said before a run: how often it would be right, and what it can never say."""

from __future__ import annotations

from typing import Any

import numpy as np
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
    with pytest.raises(ImprintError, match="expected a rate between 0 and 1"):
        power(setup(), dominances=[75.0])
    with pytest.raises(ImprintError, match="Did you mean 'nursery'"):
        power("nursry")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"seeds": [2.5]}, "seeds is 2.5"),
        ({"seeds": "3"}, "seeds holds"),
        ({"seeds": [10**9]}, "from 1 to 10000"),
        ({"runs": 2.0}, "runs is 2.0"),
        ({"runs": True}, "runs is True"),
        ({"dominances": ["a"]}, "dominances holds"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_power_refuses_what_is_no_number_of_its_kind(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ImprintError, match=said):
        power(setup(), **{"dominances": [0.9], "seeds": 2, "runs": 2} | given)


def test_power_takes_arrays_and_single_numbers() -> None:
    table = power(setup(), dominances=0.9, seeds=np.array([2, 3]), runs=2)
    assert table["seeds"].tolist() == [2, 3] and set(table["dominance"]) == {0.9}
