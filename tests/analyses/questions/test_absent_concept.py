"""The rule on tables that were made up, the ROC beside an oracle, and a learner that cannot see what is asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from imprint.analyses.ask import load_question
from imprint.analyses.predictions import judged_each
from imprint.analyses.questions.absent_concept.measure import examine
from imprint.analyses.questions.absent_concept.question import (
    BLIND,
    NEVER,
    PRESENT,
    AbsentConcept,
    area,
    predictions_of,
    threshold_of,
)
from imprint.models.files import table_bytes
from imprint.reports.charts.draw import draw

AS_PREDICTED = {
    "present": 0.3,
    "never": 0.02,
    "blind": 0.0,
    "planted": 0.4,
    "shuffled": -0.1,
    "flags": 0.0,
    "auc": 0.97,
}


def made_up(**changed: float) -> pd.DataFrame:
    """Rows of seven learners of every arm."""
    number, rows = {"formed": 0.95, "moves": 0.6, **AS_PREDICTED, **changed}, []
    for state, statistic in ((PRESENT, "present"), (NEVER, "never"), (BLIND, "blind")):
        for rho in (0.0, 0.8):
            for seed in range(7):
                base = {
                    "state": state,
                    "rho": rho,
                    "seed": seed,
                    "n": 100,
                    "score": 0.6,
                    "floor": 0.5,
                    "site": "hook@last",
                }
                noise = 0.01 * (seed - 3)
                follows = state == BLIND and rho > 0
                flags = 0.5 if follows else number["flags"] + 0.002 * seed if state != PRESENT else 0.4
                value = {"flag_rate": flags, "auc_even": number["formed"] + noise, "auc_mark": 0.9, "auc_speck": 0.5}
                value |= {"nearest": "mark", "auc_nearest": number["auc"] + noise, "change_nearest": number["moves"]}
                rows.append({**base, "kind": "trained", "statistic": number[statistic] + noise, **value})
                rows.append({**base, "kind": "planted", "statistic": number["planted"] + noise})
                rows.append({**base, "kind": "shuffled", "statistic": number["shuffled"] + noise})
                rows.append({**base, "kind": "untrained", "statistic": noise})
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("changed", "verdict", "said"),
    [
        ({}, "confirmed", "Never met, detected: confirmed"),
        ({"never": 0.3}, "refuted", "Never met, detected: refuted"),
        ({"flags": 0.4}, "refuted", "Silent without a correlate: refuted"),
        ({"flags": 0.045}, "undetermined", "Silent where it was never met: undetermined"),
        ({"auc": 0.6}, "refuted", "The nearest correlate: refuted"),
        ({"moves": 0.01}, "refuted", "The nearest correlate: refuted"),
        ({"planted": 0.0}, "undetermined", "A control"),
        ({"shuffled": 0.4}, "undetermined", "A control"),
        ({"formed": 0.6}, "undetermined", "A control"),
    ],
)
def test_each_prediction_is_judged_by_itself_and_no_control_may_fail(
    changed: dict[str, float], verdict: str, said: str
) -> None:
    table = made_up(**changed)
    came, why = judged_each(*predictions_of(table, threshold_of(table)))
    assert came == verdict and said in why, why


def test_an_answer_names_what_values_follow_and_calls_learners_present_above_the_threshold() -> None:
    answer = AbsentConcept().conclude({"all": made_up()}, {})
    shown = {exhibit.name: exhibit for exhibit in answer.exhibits}
    for exhibit in answer.exhibits:
        assert table_bytes(Path(exhibit.name), exhibit.frame) and (
            exhibit.chart is None or draw(exhibit.chart, exhibit.frame)
        )
    rates = shown["rates"].frame.set_index(["kind", "state"])["rate"]
    assert rates["trained", PRESENT] == 1.0 and rates["trained", BLIND] == 0.0
    does = shown["named"].frame.set_index(["state", "rho"])["does"]
    assert does[BLIND, 0.8] == "follows mark" and does[NEVER, 0.0] == "silent"
    assert AbsentConcept().conclude({"all": made_up()}, {"present-0-0": "killed"}).verdict == "undetermined"


def test_the_area_is_that_of_the_curve_and_its_interval_is_never_certain() -> None:
    rng = np.random.default_rng(0)
    covered, drawn = 0, 200
    for _ in range(drawn):
        one, other = rng.normal(1.0, 1.0, 14), rng.normal(0.0, 1.0, 14)
        found = area(one, other)
        assert abs(found.value - roc_auc_score([1] * 14 + [0] * 14, np.concatenate([one, other]))) < 1e-12
        covered += found.low <= 0.7602 <= found.high  # normal distribution of 1 / sqrt(2)
    assert covered >= 0.91 * drawn
    apart = area(np.arange(14) + 20.0, np.arange(14))
    assert apart.value == apart.high == 1.0 and 0.76 < apart.low < 0.78
    assert np.isnan(area([1.0], [0.0, 0.1]).low)


def test_without_the_sense_only_what_is_planted_is_found_and_the_value_follows_the_correlate() -> None:
    question = AbsentConcept(load_question("absent-concept", {"experiences": 5120, "episodes": 300}).settings)
    setup = question.setup(BLIND, 0.8, (3,))
    setup["evaluation"]["twins"] = 2
    table = examine(setup=setup, seeds=(3,), state=BLIND, say=lambda *_: None).set_index("kind")
    assert table.loc["planted", "statistic"] > 0.3
    assert table.loc[["trained", "shuffled", "untrained"], "statistic"].abs().max() < 0.15
    trained = table.loc["trained"]
    assert trained["nearest"] == "mark" and trained["auc_nearest"] > 0.9 and trained["change_nearest"] > 0.3
    assert len(table.loc["untrained"]) == 2 and abs(trained["auc_even"] - 0.5) < 0.1
