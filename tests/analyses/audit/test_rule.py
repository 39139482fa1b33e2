"""The rule of the audit on made numbers: every answer, and what intervals leave open."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from imprint.analyses.audit.rule import ALL, Competence, Source, audit
from imprint.analyses.statistics import Estimate

WARMTH, BELL = Source("warmth", "steering"), Source("bell", "steering")
READING = Source("reading", "another module", learned=True)


def number(value: float, half: float = 0.05) -> Estimate:
    return Estimate(value, value - half, value + half, 6)


NOTHING, WHOLE = number(0.0), number(0.8)
CASE = Competence(
    "calls",
    WHOLE,
    (WARMTH, BELL, READING),
    {"warmth": NOTHING, "bell": WHOLE, "reading": WHOLE, ALL: NOTHING},
    birth=NOTHING,
    given=NOTHING,
)


def test_the_signal_without_which_it_is_not_learned_is_named_with_its_module() -> None:
    found = audit(CASE)
    assert found.origin == "learned" and found.truths == (WARMTH,) and found.answer == {"warmth"}
    assert found.lesions == ("warmth", ALL) and found.by_way_of == ()


def test_a_teacher_that_was_taught_itself_is_a_way_and_no_ground_truth() -> None:
    found = audit(replace(CASE, lesions={**CASE.lesions, "reading": NOTHING}))
    assert found.truths == (WARMTH,) and found.by_way_of == (READING,)
    alone = audit(replace(CASE, lesions={**CASE.lesions, "warmth": WHOLE, "reading": NOTHING}))
    assert alone.origin == "learned" and alone.truths == () and alone.by_way_of == (READING,)


@pytest.mark.parametrize(
    ("change", "answer"),
    [
        (
            {"lesions": dict.fromkeys(("warmth", "bell", "reading"), WHOLE) | {ALL: NOTHING}},
            "more than one signal suffices",
        ),
        ({"lesions": dict.fromkeys(("warmth", "bell", "reading", ALL), WHOLE)}, "undetermined"),
        ({"lesions": {"warmth": number(0.3, 0.3)}}, "undetermined"),
        ({"birth": number(0.7)}, "there at birth"),
        ({"given": number(0.7), "birth": number(0.7)}, "given by the input"),
        ({"whole": number(0.02), "least": 0.2}, "not there"),
        ({"whole": number(-0.2)}, "not there"),
        ({"whole": number(0.1, 0.3), "least": 0.2}, "undetermined"),
        ({"whole": Estimate(math.nan, math.nan, math.nan, 0)}, "undetermined"),
    ],
)
def test_what_was_not_learned_or_is_not_shown_is_said(change: dict[str, object], answer: str) -> None:
    found = audit(replace(CASE, **change))  # type: ignore[arg-type]
    assert found.answer == {answer} and found.truths == ()


def test_a_little_at_birth_and_in_the_input_leaves_it_learned() -> None:
    assert audit(replace(CASE, birth=number(0.3), given=number(0.35))).answer == {"warmth"}
    assert audit(replace(CASE, birth=None, given=None)).answer == {"warmth"}
