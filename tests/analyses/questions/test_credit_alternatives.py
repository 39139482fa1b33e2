from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from imprint.analyses.ask import load_question
from imprint.analyses.questions.credit_alternatives.measure import BACKPROP, HELD, OTHER, measure
from imprint.analyses.questions.credit_alternatives.question import RATES, decide, gaps_of, rate_of
from imprint.models.rules.base import RULES


def table(**gaps: tuple[float, float]) -> pd.DataFrame:
    """A finished table of eight seeds with these gaps at 1 and 8 hidden layers of two rules and the controls."""
    made = {"hebbian": (0.02, 0.1), "three_factor": (0.01, 0.2), HELD: (0.01, 0.05), OTHER: (0.0, 0.0), **gaps}
    noise = 0.003 * np.cos(np.arange(8))
    rows = [
        {"arm": arm, "depth": depth, "measure": "accuracy", "when": "trained", "layer": 2, "seed": seed, "value": value}
        for arm, each in {BACKPROP: (0.0, 0.0), **made}.items()
        for depth, gap in zip((1, 8), each, strict=True)
        for seed, value in enumerate(0.97 - gap + noise * (arm != BACKPROP))
    ]
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("gaps", "verdict"),
    [
        ({}, "confirmed"),
        ({"hebbian": (0.0, 0.003)}, "refuted"),
        ({"hebbian": (0.1, 0.05)}, "refuted"),
        ({"hebbian": (0.0, 0.01)}, "undetermined"),
        ({HELD: (0.0, 0.003)}, "undetermined"),
        ({OTHER: (0.0, 0.03), "hebbian": (0.0, 0.003)}, "undetermined"),
        ({BACKPROP: (0.03, 0.0)}, "undetermined"),
    ],
)
def test_the_rule_follows_the_card(gaps: dict[str, tuple[float, float]], verdict: str) -> None:
    assert decide(table(**gaps))[0] == verdict


def test_the_gap_is_paired_by_seed_and_depth() -> None:
    made = table()
    made.loc[(made["seed"] == 3) & (made["depth"] == 8), "value"] -= 0.5
    gaps = gaps_of(made).set_index(["arm", "depth", "seed"])["value"]
    assert gaps["hebbian", 8, 3] == pytest.approx(0.1 - 0.003 * np.cos(3))


def test_step_sizes_are_those_of_rules_and_depths_between_have_that_of_the_next_deeper() -> None:
    assert set(RATES) <= {*RULES.names(), HELD}
    assert rate_of(OTHER, 3) == rate_of(BACKPROP, 4) == RATES[BACKPROP][2]
    assert rate_of("hebbian", 30) == RATES["hebbian"][3]


def test_what_is_not_taught_falls_behind_in_a_deep_network_and_what_is_taught_does_not() -> None:
    quiet = {"seeds": (0, 1), "width": 32, "epochs": 5, "rate": 0.1, "cooling": True, "say": lambda *_: None}
    found = {arm: measure(arm=arm, depth=4, **quiet) for arm in (BACKPROP, HELD, OTHER)}
    right = {arm: rows[(rows["measure"] == "accuracy")].groupby("when")["value"].mean() for arm, rows in found.items()}
    assert right[BACKPROP]["trained"] - right[HELD]["trained"] > 0.05
    assert abs(right[BACKPROP]["trained"] - right[OTHER]["trained"]) < 0.05
    assert all(each["at birth"] < 0.25 for each in right.values())
    angles = found[BACKPROP][found[BACKPROP]["measure"] == "angle"]
    assert float(angles["value"].max()) < 0.1 and set(angles["layer"]) == {1, 2, 3, 4, 5}


def test_a_small_run_from_end_to_end() -> None:
    with pytest.raises(Exception, match="ascending"):
        load_question("credit-alternatives", {"depths": (2, 1)})
    question = load_question("credit-alternatives", {"seeds": 2, "depths": (1, 2), "width": 8, "epochs": 1})
    tables = {p.name: p.function(**p.arguments, say=lambda *_: None) for p in question.work()}
    assert len(tables) == 2 * (len(RULES.names()) + 2)
    answer = question.conclude(tables, {})
    assert answer.verdict == "undetermined" and "points" in answer.sentence
    assert {exhibit.name for exhibit in answer.exhibits} == {"gaps", "accuracy", "angles"}
