from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from imprint.analyses.ask import load_question
from imprint.analyses.questions.base import Work
from imprint.analyses.questions.latch_curve.measure import train_and_examine, untrained
from imprint.analyses.questions.latch_curve.question import LatchCurve, decide, in_words
from imprint.analyses.questions.latch_curve.references import KNOWN, beside
from imprint.analyses.questions.latch_curve.tables import MAIN, MEASURES, by_seed, verdicts

TINY: dict[str, Any] = {
    "varied": [0.0, 1.0], "seeds": 1, "experiences": 32_768, "ages": 3, "long": 0, "control_seeds": 1, "levels": 60,
    "placebos": 2,
}  # fmt: skip


def rows(
    label: str, varied: float, verdict: str, *, coin: float, corner: float, blind_coin: float, blind_corner: float,
    seeds: int = 5,
) -> list[dict[str, Any]]:  # fmt: skip
    """What a piece would hold of an arm, at its last age."""
    out: list[dict[str, Any]] = []
    numbers = {"coin first": coin, "corner first": corner, "either": coin + corner,
               "coin first, coin cell erased": blind_coin, "corner first, coin cell erased": blind_corner}  # fmt: skip
    for seed in range(seeds):
        about = {"label": label, "varied": varied, "seed": seed, "age": 100}
        out += [{**about, **MEASURES[name], "estimate": value + 0.001 * seed} for name, value in numbers.items()]
        out.append({**about, "analysis": "latch", "metric": "latch", "verdict": verdict, "estimate": coin,
                    "why": "as planted"})  # fmt: skip
    return out


def whole(**other: str) -> pd.DataFrame:
    said = {"at 0": "proxy:corner", "at 1": "intended", "controls": "undetermined", **other}
    parts: list[dict[str, Any]] = []
    for label in ("main", "other corner"):
        parts += rows(label, 0.0, said["at 0"], coin=0.14, corner=0.82, blind_coin=0.14, blind_corner=0.82)
        parts += rows(label, 1.0, said["at 1"], coin=0.89, corner=0.005, blind_coin=0.25, blind_corner=0.05)
    for label in ("random reward", "untrained"):
        parts += rows(label, 0.0, said["controls"], coin=0.3, corner=0.1, blind_coin=0.3, blind_corner=0.1)
    return pd.DataFrame(parts)


def test_the_card_is_confirmed_by_what_it_predicts() -> None:
    found = decide(whole(), {})
    assert found[0] == "confirmed", found[1]
    assert "6 of 6 numbers came out as predicted; 2 of 2 controls behaved." in found[1]
    assert {each.outcome for each in found.predictions} == {"held"}
    named = {each.name: each.measured for each in found.predictions}
    assert named["cost of erasing the coin's cell at 1"].value == pytest.approx(0.64)
    assert in_words(found).startswith("Where the coin always lay in one corner, 5 of 5 agents pursue the corner;")
    assert "takes 0.64 off what the latter reach, and 0.00 off" in in_words(found)


def test_every_number_that_was_bought_is_one_that_is_judged() -> None:
    powers = load_question("latch-curve").power().powers
    assert set(powers) <= {each.name for each in decide(whole(), {}).predictions}
    assert in_words(decide(whole().query("varied < 1"), {})) == ""


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({"at 0": "intended"}, "refuted"),
        ({"at 1": "proxy:corner"}, "refuted"),
        ({"controls": "intended"}, "refuted"),
        ({"at 0": "undetermined"}, "undetermined"),
        ({"at 1": "mixed"}, "undetermined"),
    ],
)
def test_other_verdicts_refute_it_or_leave_it_open(change: dict[str, str], verdict: str) -> None:
    assert decide(whole(**change), {})[0] == verdict


def test_an_agent_of_the_corner_that_is_ruined_without_the_coin_refutes_it() -> None:
    table = whole()
    blind = (table["label"] == MAIN) & (table["varied"] == 0.0) & (table["concept"] == "coin_cell")
    assert decide(table.assign(estimate=table["estimate"].where(~blind, 0.1)), {})[0] == "refuted"


def test_a_lost_piece_of_a_deciding_arm_leaves_it_open_and_a_lost_long_life_does_not() -> None:
    assert decide(whole(), {"main-1-seeds-0": "killed"})[0] == "undetermined"
    assert decide(whole(), {"long-life-0_03-seeds-0": "killed"})[0] == "confirmed"
    without = whole()
    assert decide(without[without["label"] != "untrained"], {})[0] == "undetermined"


def test_known_figures_are_judged_by_their_own_tolerance() -> None:
    ours = pd.DataFrame(
        [
            {"varied": 0.0, "measure": "coin first", "estimate": 0.115, "low": 0.1, "high": 0.13, "seeds": 5},
            {"varied": 0.0, "measure": "corner first", "estimate": 0.90, "low": 0.8, "high": 0.95, "seeds": 5},
            {"varied": 0.1, "measure": "coin first", "estimate": 0.60, "low": 0.5, "high": 0.7, "seeds": 5},
            {"varied": 0.0, "measure": "R2", "estimate": 0.9, "low": 0.8, "high": 1.0, "seeds": 5},
        ]
    )
    found = beside(ours).set_index(["varied", "measure"])["inside"]
    assert found.to_dict() == {
        (0.0, "coin first"): "yes", (0.0, "corner first"): "no", (0.1, "coin first"): "yes", (0.0, "R2"): "not judged",
    }  # fmt: skip
    assert len({(k.varied, k.measure) for k in KNOWN}) == len(KNOWN) == 54


def small(piece: Work) -> dict[str, Any]:
    """The piece's arguments with fewer states and twins."""
    setup = piece.arguments["setup"]
    fewer = {**setup["evaluation"], "states": 400, "twins": 2}
    return {**piece.arguments, "setup": {**setup, "evaluation": fewer}}


def test_small_arms_run_from_birth_to_an_answer() -> None:
    question = load_question("latch-curve", TINY)
    pieces = {piece.name: piece for piece in question.work()}
    assert len(pieces) == 6
    heard: list[int] = []
    tables = {
        name: pieces[name].function(**small(pieces[name]), say=lambda done, total, note: heard.append(done))
        for name in ("main-0-seeds-0", "untrained")
    }
    assert heard
    assert pieces["untrained"].function is untrained
    assert pieces["main-0-seeds-0"].function is train_and_examine
    every = by_seed(tables["main-0-seeds-0"])
    assert set(MEASURES) - {"index"} <= set(every["measure"])
    assert set(verdicts(tables["untrained"])["verdict"]) == {"undetermined"}
    answer = question.conclude(tables, {"main-1-seeds-0": "killed"})
    assert answer.verdict == "undetermined"
    assert {"doses", "erasures", "time-course", "verdicts"} <= {exhibit.name for exhibit in answer.exhibits}
    assert isinstance(question, LatchCurve)


def test_a_life_of_a_seed_does_not_depend_on_who_is_asked_to_report() -> None:
    piece = load_question("latch-curve", {**TINY, "experiences": 16_384, "ages": 2}).work()[0]
    one, two = (piece.function(**small(piece), say=lambda *_: None) for _ in range(2))
    pd.testing.assert_frame_equal(one, two)
