from __future__ import annotations

import numpy as np
import pytest

from imprint.analyses.predictions import Expected, Judgement, Prediction, bought, judged, judged_each, together
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
    first, *numbers = said.splitlines()
    assert verdict == "refuted" and numbers[2] == "c 0.5 [0.4, 0.6] (at least 0.8: failed)."
    assert first == "1 of 3 numbers came out as predicted, 1 did not, 1 is left open by the seeds."
    assert judged([]) == ("undetermined", "Nothing was measured.")


def test_without_its_controls_nothing_is_decided() -> None:
    held = Prediction("a", Estimate(0.9, 0.85, 0.95, 5), least=0.8)
    control = Prediction("b", Estimate(0.9, 0.85, 0.95, 5), most=0.8)
    verdict, said = judged([held], controls=[control], blind="It sees too much.")
    assert verdict == "undetermined"
    assert said.startswith("It sees too much. 1 of 1 number came out as predicted; 0 of 1 controls behaved.")
    assert said.endswith("\nControl: b 0.9 [0.85, 0.95] (at most 0.8: failed).")
    assert judged([held], failed=["grown-3"])[1].startswith("grown-3 failed. 1 of 1")


@pytest.mark.parametrize(("between", "distance"), [(False, 0.1), (False, 0.02), (True, 0.1), (True, 0.04)])
def test_power_is_how_often_the_prediction_is_held_in_simulated_runs(between: bool, distance: float) -> None:
    draws = np.random.default_rng(0).normal(0.0, 0.08, (2000, 8))
    bounds = {"least": -distance, "most": distance} if between else {"least": -distance}
    held = np.mean([Prediction("x", mean_of_all(draw), **bounds).outcome == "held" for draw in draws])
    power = Expected("x", distance, 0.08, between=between).power(8)
    assert power - 0.04 < held and (between or held < power + 0.04), "between two bounds it is a lower limit"
    assert held < power + 0.15


def test_the_sentence_on_power_names_seeds_numbers_and_source() -> None:
    said = str(bought(8, [Expected("gain", 1.0, 0.1), Expected("loss", 0.01, 0.1)], "From two pilot seeds."))
    assert said.startswith("8 seeds. ") and "gain above 0.99" in said and "loss 0.04" in said
    assert said.endswith("From two pilot seeds.")


def test_parts_that_were_judged_apart_are_refuted_by_any_and_confirmed_by_all() -> None:
    yes, no, open_ = Judgement("confirmed", "a"), Judgement("refuted", "b"), Judgement("undetermined", "c")
    assert together({"one": yes, "two": yes})[0] == "confirmed"
    assert together({"one": yes, "two": open_})[0] == "undetermined"
    verdict, why = together({"one": open_, "two": no})
    assert verdict == "refuted" and why == "One: undetermined. c\nTwo: refuted. b"


def test_a_judgement_keeps_its_numbers_with_their_parts_and_powers_and_an_answer_gives_them_back() -> None:
    gain = Prediction("gain", Estimate(0.9, 0.85, 0.95, 5), least=0.8)
    loss = Prediction("gain", Estimate(float("nan"), float("nan"), float("nan"), 1), least=-1.0, most=1.0)
    seen = Prediction("seen", Estimate(2.0, 1.5, 2.5, 5), least=1.0)
    found = judged_each({"here": [gain], "there": [loss]}, [seen]).but(why="in other words")
    assert found == ("undetermined", "in other words")
    assert [each.label for each in found.predictions] == ["here: gain", "there: gain", "seen"]
    assert [each.control for each in found.predictions] == [False, False, True]
    assert judged([gain], controls=[seen], failed=["x"]).predictions[1].control, "kept also where nothing is decided"
    power = bought(5, [Expected("gain here (from 1)", 0.2, 0.1, of="here: gain"), Expected("x", 1, 1)], "Guessed.")
    here, there, _ = map(power.of, found.predictions)
    assert here.power == pytest.approx(Expected("", 0.2, 0.1).power(5)) and np.isnan(there.power)
    kept = [each.stored() for each in (here, there)]
    assert kept[1]["estimate"] is None and kept[1]["power"] is None and kept[0]["most"] is None
    back = [Prediction.restored(each) for each in kept]
    assert repr(back) == repr([here, there]), "repr, since NaN is not itself"
