from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from imprint.analyses.ask import load_question
from imprint.analyses.questions.bird_detector import measure as pieces
from imprint.analyses.questions.bird_detector.question import decide


def test_animals_are_counted_trial_by_trial() -> None:
    facts = pd.DataFrame({"danger": [True, True, False, False], "shadow": [True, False, True, False]})
    sensed = torch.tensor([[0.0, 0.5], [0.0, 0.0], [0.0, 0.0], [0.2, 0.0]])
    guess = torch.tensor([[0.9, 0.0], [0.0, 0.0], [0.0, 0.9], [0.0, 0.0]])
    found = {(animal, name): value for animal, name, value in pieces.rates(facts, sensed, guess, "in view")}
    assert [found[animal, "hit"] for animal in ("whole", "innate", "learned")] == [0.5, 0.5, 0.5]
    assert [found[animal, "false alarm"] for animal in ("whole", "innate", "learned")] == [1.0, 0.5, 0.5]
    assert [found[animal, "first frame of flight"] for animal in ("whole", "innate", "learned")] == [0.0, 1.0, 0.0]
    hidden = {(animal, name): value for animal, name, value in pieces.rates(facts, sensed, guess, "behind a cloud")}
    assert [hidden[animal, "shadow"] for animal in ("whole", "innate", "learned")] == [1.0, 0.5, 1.0]
    assert [hidden[animal, "no shadow"] for animal in ("whole", "innate", "learned")] == [0.5, 0.5, 0.0]


def test_more_evidence_more_flight_and_more_vigour() -> None:
    table = pieces.grade(seeds=(0,), say=lambda *_: None)
    flees, vigour = (table[table["measure"] == name]["value"].to_numpy() for name in ("flees", "vigour"))
    assert flees[0] < 0.1 < 0.9 < flees[-1] and (np.diff(flees) > -0.05).all() and (np.diff(vigour) > 0).all()


# -- the rule ----------------------------------------------------------------------------------------------------------


def table(**change: float) -> pd.DataFrame:
    """A finished table of eight seeds in which everything is as predicted but for ``change``."""
    flat: dict[str, tuple[str, str, str, str, float]] = {
        "hit": ("telling", "newborn", "whole", "hit", 0.98),
        "without": ("telling", "newborn", "innate", "hit", 0.98),
        "alarm": ("telling", "newborn", "whole", "false alarm", 0.03),
        "alarm_without": ("telling", "newborn", "innate", "false alarm", 0.03),
        "lesioned": ("telling", "newborn", "learned", "hit", 0.0),
        "shadow": ("telling", "grown", "learned", "shadow", 0.9),
        "none": ("telling", "grown", "learned", "no shadow", 0.02),
        "blind": ("telling", "grown", "innate", "shadow", 0.01),
        "idle": ("idle", "grown", "learned", "shadow", 0.02),
        "idle_none": ("idle", "grown", "learned", "no shadow", 0.02),
    }
    rows = [
        {"arm": arm, "age": age, "animal": animal, "measure": name, "seed": seed, "value": change.get(key, value) + e}
        for key, (arm, age, animal, name, value) in flat.items()
        for seed, e in enumerate(0.004 * np.cos(np.arange(8)))
    ]
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({}, "confirmed"),
        ({"hit": 0.7, "without": 0.7}, "refuted"),
        ({"hit": 0.901, "without": 0.901}, "undetermined"),
        ({"without": 0.9}, "refuted"),
        ({"alarm_without": 0.08}, "refuted"),
        ({"shadow": 0.2}, "refuted"),
        ({"blind": 0.6}, "refuted"),
        ({"lesioned": 0.6, "blind": 0.6}, "undetermined"),
        ({"idle": 0.5}, "undetermined"),
        ({"none": 0.3}, "undetermined"),
    ],
)
def test_the_rule_follows_the_card(change: dict[str, Any], verdict: str) -> None:
    assert decide(table(**change))[0] == verdict


def test_a_short_life_runs_from_end_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "TRIALS", 48)
    question = load_question("bird-detector", {"seeds": 2, "together": 2, "experiences": 128})
    tables = {p.name: p.function(**p.arguments, say=lambda *_: None) for p in question.work()}
    answer = question.conclude(tables, {})
    newborn = tables["telling-0"].query("age == 'newborn' and animal == 'learned'")
    assert (newborn[newborn["measure"] == "hit"]["value"] == 0).all()
    assert [exhibit.name for exhibit in answer.exhibits] == ["flight", "warning", "graded", "seeds"]
    assert "flees from a shadow alone" in answer.sentence and answer.findings["estimate"].notna().sum() > 20
