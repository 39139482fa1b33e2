"""A few of the cases that ``python -m benchmarks.fuzz`` tries by the thousand."""

from __future__ import annotations

from benchmarks.fuzz import array_cases, array_problem, setup_cases, setup_problem, tried


def test_arrays_are_answered_as_the_oracle_does_or_refused_in_a_sentence() -> None:
    assert list(tried(array_cases(), array_problem, 40)) == [""]


def test_setups_are_refused_or_hold_what_was_put_in() -> None:
    assert list(tried(setup_cases(), setup_problem, 60)) == [""]
