"""What is said of settings that are refused is about what was given, and in no word of the library that checks them."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from imprint.analyses.questions.tractable.question import Settings
from imprint.models.setup.reasons import explain


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (8, "sizes: expected a list, such as [1, 2] (came: 8)."),
        ([2, 6, 7, 8], "sizes.0: Input should be greater than or equal to 4 (came: 2)."),
        ([6, 7], "sizes: expected at least 4 of them (came: [6, 7])."),
    ],
)
def test_a_list_that_does_not_fit_is_refused_once_and_by_its_own_name(given: Any, said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Settings(sizes=given)
    assert explain(caught.value) == said
