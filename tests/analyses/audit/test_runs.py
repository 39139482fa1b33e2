"""Competences of runs, audited from made findings: what each control of a run says."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
import pytest

from imprint.analyses.audit.runs import OfRun, audited, less
from imprint.analyses.findings import findings
from imprint.analyses.statistics import Estimate

STEERING = [
    {"kind": "detector", "name": "contact", "sense": "warmth"},
    {"kind": "reward", "name": "comfort", "weights": {"contact": 1.0}, "body": None},
]
LEARNER: dict[str, Any] = {
    "learner": {"kind": "conv"},
    "assessor": {"kind": "valence", "signal": "comfort"},
    "steering": STEERING,
    "scorecard": {},
    "intended": "mother",
    "proxies": ["lamp"],
}
AGENT: dict[str, Any] = {
    "environment": {"kind": "coin"},
    "agent": {"kind": "actor_critic"},
    "learning": {"pay": "comfort"},
    "steering": STEERING,
    "intended": "coin",
    "proxies": ["corner"],
}


def made(*rows: tuple[Any, ...], bare: str = "") -> pd.DataFrame:
    """Findings over seeds of (analysis, metric, concept, control, age, estimate); ``bare``: control without ends."""
    names = ("analysis", "metric", "concept", "control", "age", "estimate")
    filled = [dict(zip(names, row, strict=True)) | {"seeds": 6, "site": "s@now"} for row in rows]
    known = [row for row in filled if not bare or row["control"] != bare]
    ends = [{**row, "low": row["estimate"] - 0.05, "high": row["estimate"] + 0.05} for row in known]
    table = findings([*ends, *(row for row in filled if bare and row["control"] == bare)])
    return table.assign(control=table["control"].fillna(""))


def by_name(table: pd.DataFrame, setup: dict[str, Any]) -> dict[str, OfRun]:
    return {one.audited.competence.name: one for one in audited(table, setup)}


def read(concept: str, score: float, twins: float, given: float) -> list[tuple[Any, ...]]:
    floors = {"shuffled labels": 0.5, "untrained twins": twins, "input history": given}
    return [("locate", "best_site_score", concept, "", age, score if age else 0.5) for age in (0, 100)] + [
        ("locate", "floor", concept, name, 100, value) for name, value in floors.items()
    ]


def test_a_value_was_taught_by_its_signal_since_the_age_from_which_it_stays() -> None:
    rows = [("latch", "share", "mother", "", age, share) for age, share in ((0, 0.0), (10, 0.3), (50, 0.1), (100, 0.4))]
    rows += [("latch", "untrained_share", "mother", "", 100, 0.02), ("latch", "share", "lamp", "", 100, 0.01)]
    found = by_name(made(*rows, ("latch", "untrained_share", "lamp", "", 100, 0.0)), LEARNER)
    value = found["its value depends on mother"].audited
    assert value.answer == {"comfort"} and value.competence.age == 100 and value.lesions == ("comfort",)
    assert value.truths[0].module == "steering, hardcoded (reward, by way of contact), from warmth"
    assert found["its value depends on lamp"].audited.origin == "undetermined"


def test_concepts_come_from_the_objective_from_the_input_or_from_birth() -> None:
    rows = read("mother", 0.9, 0.55, 0.6) + read("lamp", 0.9, 0.6, 0.85) + read("side", 0.9, 0.88, 0.5)
    table = made(*rows, ("locate", "emergence_age", "mother", "", None, 50.0))
    found = by_name(table, LEARNER)
    mother = found["it knows mother"].audited
    assert mother.answer == {"the learner's objective"} and mother.competence.age == 50
    assert mother.competence.whole.value == pytest.approx(0.4)
    assert found["it knows lamp"].audited.origin == "given by the input"
    assert found["it knows side"].audited.origin == "there at birth"


def test_where_steering_shapes_the_learner_a_run_leaves_open_what_taught_a_concept() -> None:
    shaped = [{**STEERING[0], "gradient_into_learner": 0.5}, STEERING[1]]
    found = by_name(made(*read("mother", 0.9, 0.55, 0.6)), {**LEARNER, "steering": shaped})
    one = found["it knows mother"].audited
    assert one.origin == "learned, open from what" and [s.name for s in one.competence.sources][1] == "contact"


def test_what_agents_reach_is_beside_those_paid_at_random() -> None:
    rows: list[tuple[Any, ...]] = []
    for concept, metric, last, random in (("coin", "goal", 0.8, 0.2), ("corner", "proxy", 0.7, 0.68)):
        rows += [("behaviour", metric, concept, "apart", age, rate) for age, rate in ((0, 0.2), (50, 0.6), (100, last))]
        rows += [("behaviour", metric, concept, "untrained", None, 0.2)]
        rows += [("behaviour", metric, concept, "random reward", 100, random)]
    found = by_name(made(*rows, *read("coin_cell", 0.9, 0.55, 0.6)), AGENT)
    assert found["it reaches coin first"].audited.answer == {"comfort"}
    assert found["it reaches coin first"].audited.competence.age == 50
    assert found["it reaches corner first"].audited.origin == "undetermined"
    assert found["it knows coin_cell"].audited.answer == {"comfort"} and found["it knows coin_cell"].kind == "knows"


@pytest.mark.parametrize(
    ("floors", "bare", "was", "now"),
    [
        ((0.55, 0.6), "untrained twins", "the learner's objective", "undetermined"),
        ((0.55, 0.6), "shuffled labels", "the learner's objective", "undetermined"),
        ((0.6, 0.85), "input history", "given by the input", "undetermined"),
        ((0.88, 0.5), "untrained twins", "there at birth", "undetermined"),
        ((0.55, 0.6), "input history", "the learner's objective", "the learner's objective"),
    ],
)
def test_a_floor_without_an_interval_shows_nothing(floors: tuple[float, float], bare: str, was: str, now: str) -> None:
    rows = read("mother", 0.9, *floors)
    whole, part = (by_name(made(*rows, bare=name), LEARNER)["it knows mother"].audited for name in ("", bare))
    assert whole.answer == {was} and part.answer == {now}, "a lesion that is shown needs no word of the raw input"


def test_a_difference_is_as_wide_as_both_of_its_numbers() -> None:
    found = less(Estimate(0.9, 0.86, 0.93, 6), Estimate(0.5, 0.46, 0.53, 5))
    assert (found.value, found.low, found.high) == pytest.approx((0.4, 0.35, 0.45)) and found.n == 5
    open_ = less(Estimate(0.9, 0.86, 0.93, 6), Estimate(0.5, math.nan, 0.53, 5))
    assert open_.low == pytest.approx(0.35) and math.isnan(open_.high)
