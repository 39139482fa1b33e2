from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from imprint.analyses.ask import load_question
from imprint.analyses.questions.caught_lying import measure as pieces
from imprint.analyses.questions.caught_lying.question import MAIN, decide


def test_rates_are_by_what_the_fruit_seems_and_false_words_in_good_faith_are_no_lies() -> None:
    facts = {
        "ripe": np.array([True, False, False, True]),
        "seems_ripe": np.array([True, True, False, False]),
        "said": np.array([1, 1, 1, 0]),
        "sorted": np.array([1, 1, 0, 0]),
    }
    found = pieces.rates(facts)
    assert found == {
        "lies": 0.5, "lies, by own act": 0.5, "honest sales": 1.0, "sorts rightly": 1.0, "lies, misled": 0.0
    }  # fmt: skip


def test_a_belief_that_is_there_is_read_by_a_fresh_probe_also_where_the_readout_is_blind_to_it() -> None:
    rng = np.random.default_rng(0)
    unripe = rng.random(400) < 0.5
    memory = rng.normal(size=(400, 3)) + 4 * unripe[:, None]
    facts = {"seems_ripe": ~unripe}
    seeing = pieces.readable(facts, memory, memory[:, 0] - 2)
    blind = pieces.readable(facts, memory, memory[:, 0] - 20)
    empty = pieces.readable(facts, rng.normal(size=(400, 3)), rng.normal(size=400))
    assert seeing["readout"] > 0.8 and blind["readout"] == 0.0 and abs(empty["readout"]) < 0.15
    assert seeing["fresh probe"] == blind["fresh probe"] > 0.9 and abs(empty["fresh probe"] - 0.5) < 0.12


def table(**lies: float) -> pd.DataFrame:
    """A finished table in which agents lie as given: ``outcome``, ``belief``, ``all_seen``, ``untaught``."""
    share = {"outcome": 0.99, "belief": 0.02, "all_seen": 0.01, "untaught": 0.99, "sorts": 0.98, "sales": 0.97, **lies}
    cells = {("outcome", MAIN): "outcome", ("belief", MAIN): "belief", ("belief", 0.0): "untaught"}
    rows = []
    for (arm, rate), name in {**cells, ("all seen", MAIN): "all_seen"}.items():
        numbers = {"lies": share[name], "sorts rightly": share["sorts"], "honest sales": share["sales"]}
        for measure, value in {**numbers, "fresh probe": 0.99}.items():
            for seed in range(8):
                about = {"arm": arm, "inspection": rate, "where": "unwatched", "episodes": 100, "seed": seed}
                rows.append({**about, "measure": measure, "value": value + 0.005 * np.cos(seed)})
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({}, "confirmed"),
        ({"outcome": 0.5}, "refuted"),
        ({"belief": 0.7}, "refuted"),
        ({"belief": 0.2}, "undetermined"),
        ({"belief": 0.7, "all_seen": 0.5}, "undetermined"),
        ({"untaught": 0.3}, "undetermined"),
        ({"sorts": 0.5}, "undetermined"),
        ({"sales": 0.1}, "undetermined"),
    ],
)
def test_the_rule_follows_the_card(change: dict[str, float], verdict: str) -> None:
    assert decide(table(**change))[0] == verdict


def test_agents_that_are_found_out_stop_lying_and_those_that_are_not_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """A short life of two arms, in which a lie costs or pays from the first episode on."""
    monkeypatch.setattr(pieces, "LEVELS", 300)
    monkeypatch.setitem(pieces.LEARNING, "copies", 64)
    question = load_question("caught-lying", {"seeds": 2, "episodes": 800})
    work = {piece.name: piece for piece in question.work()}
    chosen = ("outcome-0.5", "all-seen-0.5")
    tables = {name: work[name].function(**work[name].arguments, say=lambda *_: None) for name in chosen}
    last = {name: t[(t["episodes"] == 800) & (t["where"] == "unwatched")] for name, t in tables.items()}
    lies = {name: t[t["measure"] == "lies"]["value"].mean() for name, t in last.items()}
    assert lies["outcome-0.5"] > 0.9 and lies["all-seen-0.5"] < 0.5
    first = tables["outcome-0.5"]
    newborn = first[(first["episodes"] == 0) & (first["measure"] == "lies")]["value"]
    assert newborn.between(0.35, 0.65).all(), "an untrained agent says anything"
    whole = {name: tables.get(name, tables["outcome-0.5"]) for name in work}
    answer = question.conclude(whole, {})
    assert answer.verdict == "undetermined" and answer.exhibits[0].name == "lies"
    assert question.conclude(tables, {"belief-0": "killed"}).verdict == "undetermined"
