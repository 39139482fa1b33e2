"""The rule of the audit on made numbers: every answer, and what intervals leave open."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from imprint.analyses.audit.rule import ALL, Audited, Competence, Source, audit
from imprint.analyses.statistics import Estimate, mean_of_all

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


# -- planted competences, measured with noise: how often what did not teach them is named ------------------------------

FOOD = Source("food", "steering")
FULL, NOISE, DRAWS = 0.8, 0.2, 300


def audits(left: dict[str, float], once: str = "", exact: bool = False, seeds: int = 6, **more: float) -> list[Audited]:
    """Audits of a competence of which so much is left; ``once``: measured on one seed, ``exact``: and taken for it."""
    rng = np.random.default_rng(7)

    def noisy(value: float, name: str = "") -> Estimate:
        mean = mean_of_all(value + NOISE * rng.standard_normal(1 if name == once else seeds))
        return Estimate(mean.value, mean.value, mean.value, 1) if name == once and exact else mean

    return [
        audit(
            Competence(
                "calls",
                noisy(FULL, "whole"),
                (WARMTH, FOOD),
                {name: noisy(value, name) for name, value in left.items()},
                **{name: noisy(value, name) for name, value in more.items()},
            )
        )
        for _ in range(DRAWS)
    ]


def share(found: list[Audited], answer: set[str]) -> float:
    return float(np.mean([each.answer == answer for each in found]))


def test_a_lesion_seen_once_that_leaves_most_is_not_believed_to_prevent() -> None:
    left = {"warmth": 0.0, "food": 0.55, ALL: 0.0}
    wrong = [share(audits(left, "food", exact), {"warmth", "food"}) for exact in (True, False)]
    assert wrong[0] > 0.02 and wrong[1] == 0.0
    once = audits(left, "food", seeds=12)
    assert share(once, {"warmth"}) > 0.9 and all(FOOD in each.unsettled for each in once if each.truths)


def test_two_teachers_of_which_one_lesion_was_seen_once_are_not_said_to_suffice() -> None:
    left = {"warmth": 0.75, "food": 0.75, ALL: 0.0}
    assert share(audits(left, "food", exact=True), {"more than one signal suffices"}) > 0.3
    assert share(audits(left, "food", seeds=12), {"learned, open from what"}) > 0.9
    assert share(audits(left, seeds=24), {"more than one signal suffices"}) > 0.9
    needed = audits({"warmth": 0.75, "food": 0.3, ALL: 0.0}, seeds=12)
    assert share(needed, {"more than one signal suffices"}) < 0.05, "food is left open or named, and not said away"


def test_an_input_seen_once_is_not_said_to_give_it() -> None:
    left = {"warmth": 0.3, "food": 0.8, ALL: 0.3}
    given = {"given by the input"}
    assert share(audits(left, "given", exact=True, given=0.3), given) > 0.05
    assert share(audits(left, "given", given=0.3), given) == 0.0 == share(audits(left, given=0.3), given)
