from __future__ import annotations

import pytest

from imprint.analyses.predictions import Prediction, judged
from imprint.analyses.statistics import Estimate, mean_of_all


def test_a_missing_seed_or_a_single_one_leaves_a_prediction_open() -> None:
    for values in ([0.9, float("nan"), 0.9], [0.9], []):
        assert Prediction("success", mean_of_all(values), least=0.8).outcome == "open"


@pytest.mark.parametrize(
    ("low", "high", "outcome"), [(0.81, 0.9, "held"), (0.7, 0.79, "failed"), (0.79, 0.9, "open"), (0.8, 0.9, "held")]
)
def test_the_whole_interval_decides(low: float, high: float, outcome: str) -> None:
    assert Prediction("success", Estimate((low + high) / 2, low, high, 5), least=0.8).outcome == outcome
    mirrored = Estimate(-(low + high) / 2, -high, -low, 5)
    assert Prediction("failure", mirrored, most=-0.8).outcome == outcome


def test_one_failure_refutes_and_one_open_question_stays_open() -> None:
    held = Prediction("a", Estimate(0.9, 0.85, 0.95, 5), least=0.8)
    open_ = Prediction("b", Estimate(0.8, 0.7, 0.9, 5), least=0.8)
    failed = Prediction("c", Estimate(0.5, 0.4, 0.6, 5), least=0.8)
    assert judged([held, held])[0] == "confirmed"
    assert judged([held, open_])[0] == "undetermined"
    verdict, said = judged([held, open_, failed])
    assert verdict == "refuted" and "0.5 [0.4, 0.6] (at least 0.8: failed)" in said
    assert judged([])[0] == "undetermined"
