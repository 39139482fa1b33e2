"""The rule on tables that were made up, and two small lives of each kind, to the end."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from imprint.analyses.ask import load_question
from imprint.analyses.questions.emergence.measure import examine
from imprint.analyses.questions.emergence.question import Emergence, Settings, chosen, decide

AS_PREDICTED = {"born": 0.0, "grown": 0.33, "elsewhere": 0.1, "planted": 0.35, "shuffled": -0.1}


def made_up(**changed: float) -> pd.DataFrame:
    """Rows of eight seeds of either kind at two sites, of which the second one is where the concept forms."""
    number, rows = {**AS_PREDICTED, **changed}, []
    for learner in ("recurrent", "transformer"):
        for seed in range(8):
            noise = 0.01 * (seed - 3.5)

            def row(kind: str, age: int, site: str, value: float) -> None:
                about = {"learner": learner, "seed": seed, "n": 100, "score": 0.5 + value, "floor": 0.5}  # noqa: B023
                rows.append({**about, "kind": kind, "age": age, "site": site, "statistic": value + noise})  # noqa: B023

            for age, value in ((0, number["born"]), (640, number["grown"])):
                row("trained", age, "hook@early", number["elsewhere"] * (age > 0))
                row("trained", age, "hook@late", value)
            row("planted", 0, "hook@early", number["planted"])
            for site in ("hook@early", "hook@late"):
                row("shuffled", 640, site, number["shuffled"])
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("changed", "verdict", "said"),
    [
        ({}, "confirmed", "Recurrent: confirmed"),
        ({"grown": 0.1}, "refuted", "Transformer: refuted"),
        ({"born": 0.2}, "refuted", "Recurrent: refuted"),
        ({"grown": 0.255}, "undetermined", "Recurrent: undetermined"),
        ({"planted": 0.1}, "undetermined", "control"),
        ({"shuffled": 0.2}, "undetermined", "control"),
    ],
)
def test_each_kind_is_judged_and_no_control_may_fail(changed: dict[str, float], verdict: str, said: str) -> None:
    found, why = decide(made_up(**changed))
    assert found == verdict
    assert said in why


def test_the_site_of_a_seed_is_chosen_by_the_others() -> None:
    table = made_up()
    one = (table["seed"] == 3) & (table["site"] == "hook@early") & (table["kind"] == "trained") & (table["age"] == 640)
    table.loc[one, "statistic"] = 0.9  # a fluke of one seed does not choose its own site
    found = chosen(table)
    assert found[found["seed"] == 3]["site"].unique().tolist() == ["hook@late"]


def test_two_small_lives_of_each_kind_to_the_answer() -> None:
    question = Emergence(Settings(seeds=2, together=2, recurrent=1280, transformer=640, episodes=300))
    assert isinstance(load_question("emergence"), Emergence)
    work = question.work()
    tables = {piece.name: piece.function(**piece.arguments, say=lambda *_: None) for piece in work}
    assert list(tables) == ["recurrent-0", "transformer-0"]
    ages = [sorted(table["age"].unique()) for table in tables.values()]
    assert ages == [[0, 64, 320, 1280], [0, 128, 640]]
    for table in tables.values():
        assert np.isfinite(table["statistic"]).all()
        planted = table[table["kind"] == "planted"]["statistic"]
        born = table[(table["kind"] == "trained") & (table["age"] == 0)]["statistic"]
        assert planted.min() > born.mean() + 0.1  # it is found where it is, and not where it is not
    answer = question.conclude(tables, {})
    assert answer.verdict in ("refuted", "undetermined")  # nothing is learned in twenty steps
    assert "near_nest" in set(answer.findings["concept"].dropna())
    again = examine(**work[0].arguments, say=lambda *_: None)
    pd.testing.assert_frame_equal(again, tables["recurrent-0"])


def test_the_other_world_is_asked_by_the_same_rule_with_its_own_concept() -> None:
    settings = {"world": "compass", "seeds": 2, "together": 2, "recurrent": 640, "transformer": 640, "episodes": 200}
    question = load_question("emergence", settings)
    assert isinstance(question, Emergence)
    assert question.whole_card.power.endswith("those of pilots.")
    first = question.work()[0]
    table = examine(**first.arguments, say=lambda *_: None)
    planted = table[table["kind"] == "planted"]["statistic"]
    assert planted.min() > table[table["kind"] == "trained"]["statistic"].max() + 0.1
    answer = question.conclude({first.name: table}, {})
    assert "whether the square will come into view" in answer.sentence
    assert set(answer.findings["concept"].dropna()) == {"appears"}
