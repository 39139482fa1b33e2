from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from imprint.analyses.ask import load_question
from imprint.analyses.questions.tractable import families
from imprint.analyses.questions.tractable import measure as pieces
from imprint.analyses.questions.tractable.exhibits import in_words
from imprint.analyses.questions.tractable.learners import LEARNERS
from imprint.analyses.questions.tractable.question import decide
from imprint.analyses.statistics import mean_of_all
from imprint.models.chance import generator
from imprint.models.errors import UnknownNameError

# -- tasks -------------------------------------------------------------------------------------------------------------


def every_strip(n: int) -> torch.Tensor:
    return torch.tensor(list(itertools.product((-1.0, 1.0), repeat=n)))[None]


@pytest.mark.parametrize("family", families.FAMILIES)
def test_both_answers_are_equally_likely_and_no_learner_is_needed_to_know_them(family: str) -> None:
    tasks = families.Tasks(family, 6, [0, 1, 2])
    strips, right = tasks.draw(4000)
    assert strips.shape == (3, 4000, 6) and float((right.float().mean(1) - 0.5).abs().max()) < 0.05  # 6 sd
    for task in range(3):
        known = {tuple(strip): bool(yes) for strip, yes in zip(strips[task].tolist(), right[task], strict=True)}
        again = zip(strips[task].tolist(), right[task], strict=True)
        assert all(known[tuple(strip)] == bool(yes) for strip, yes in again), "an answer depends on the strip alone"
    assert not torch.equal(strips[0], strips[1])
    same = families.Tasks(family, 6, [1]).draw(4000)
    assert torch.equal(same[0][0], strips[1]), "a task does not hang on those beside it"


def test_answers_are_those_of_the_description() -> None:
    x = every_strip(6)
    weigh, pair, table = (families.Tasks(name, 6, [3]) for name in ("weigh", "pair", "table"))
    heavy = (x[0].numpy() * weigh.weights[0].numpy()).sum(1)
    assert (np.abs(heavy) > 0).all() and np.array_equal(weigh.answer(x)[0].numpy(), heavy > 0)
    first, second = pair.places[0].tolist()
    assert first != second and torch.equal(pair.answer(x)[0], x[0, :, first] == x[0, :, second])
    assert int(table.answer(x).sum()) == 32
    place = families.Tasks("place", 7, [3])
    strips, right = place.draw(100)
    for strip, yes in zip(strips[0], right[0], strict=True):
        at = int(strip.nonzero()[0])
        assert torch.equal(strip[at : at + 4], place.mark[0] * (1 if yes else -1)) and strip.abs().sum() == 4
    with pytest.raises(UnknownNameError, match="weigh"):
        families.Tasks("wiegh", 6, [3])


def test_what_remembering_needs_is_what_a_table_that_is_filled_by_chance_needs() -> None:
    rng = np.random.default_rng(0)
    for n in (5, 7):
        count = round(families.remembered("table", n, 0.9))
        seen = [len(np.unique(rng.integers(0, 2**n, count))) / 2**n for _ in range(400)]
        assert np.mean(seen) + (1 - np.mean(seen)) / 2 == pytest.approx(0.9, abs=0.005)
    assert families.bits("weigh", 9) == 9 and families.bits("pair", 8) == pytest.approx(math.log2(28))
    assert families.bits("table", 3) == pytest.approx(math.log2(70))


# -- the instrument ----------------------------------------------------------------------------------------------------


def test_the_fit_tells_a_power_from_an_exponential() -> None:
    noise = 0.15 * np.random.default_rng(1).standard_normal((2, 20, 6))
    sizes = np.array([6, 8, 12, 16, 24, 32])
    tables = np.array([5, 6, 7, 8, 9])
    rows: list[dict[str, Any]] = []
    for seed in range(20):
        power = 3 + 1.5 * np.log2(sizes) + noise[0, seed]
        exponential = 1 + 1.2 * tables + noise[1, seed, :5]
        for family, at, values in (("pair", sizes, power), ("table", tables, exponential)):
            about = {"learner": "dense", "family": family, "seed": seed}
            rows += [{**about, "cells": n, "value": value} for n, value in zip(at, values, strict=True)]
    found = pieces.shapes(pd.DataFrame(rows)).groupby("family")
    mean = found[["degree", "evidence", "doubling"]].mean()
    assert mean.loc["pair", "degree"] == pytest.approx(1.5, abs=0.05)
    assert mean.loc["table", "doubling"] == pytest.approx(1 / 1.2, abs=0.05)
    evidence = {family: mean_of_all(part["evidence"]) for family, part in found}
    assert evidence["pair"].low > 2 and evidence["table"].high < -2
    lost = pd.DataFrame(rows).assign(value=lambda frame: frame["value"].mask(frame["cells"] == 32))
    assert pieces.shapes(lost).query("family == 'pair'")[["degree", "evidence"]].isna().all(axis=None)


def test_the_criterion_is_crossed_between_two_trials() -> None:
    before, now = torch.tensor([0.5, 0.8, 0.5]), torch.tensor([1.0, 0.9, 0.89])
    examples = pieces.crossed((16.0, before), (64.0, now))
    assert examples[:2].tolist() == pytest.approx([16 * 4**0.8, 64.0]) and bool(examples[2].isnan())


@pytest.mark.parametrize("kind", LEARNERS)
def test_a_learner_is_one_function_of_a_strip_and_begins_by_chance(kind: str) -> None:
    born = [LEARNERS[kind].born(6, rng=generator("test", seed)) for seed in (0, 0, 1)]
    strips = every_strip(6)[0]
    with torch.no_grad():
        odds = [learner(strips) for learner in born]
        alone = born[0](strips[5:6])
    assert torch.equal(odds[0], odds[1]) and not torch.equal(odds[0], odds[2])
    assert torch.allclose(alone, odds[0][5:6], atol=1e-5) and float(odds[0].std()) > 0


def test_a_need_is_found_where_there_is_something_to_learn_and_none_where_coins_teach(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pieces, "TRIALS", 100)
    common = {"learner": "dense", "family": "weigh", "n": 6, "seeds": (500, 501), "budget": 512}
    taught, coins = (pieces.measure(**common, coins=coins, say=lambda *_: None) for coins in (False, True))
    assert taught["examples"].notna().all() and float(taught["examples"].max()) < 512
    assert coins["examples"].isna().all() and float((coins["last"] - 0.5).abs().max()) < 0.3
    alone = pieces.measure(**{**common, "seeds": (501,)}, coins=False, say=lambda *_: None)
    assert alone["examples"].iloc[0] == pytest.approx(taught["examples"].iloc[1], rel=0.05)


# -- the rule ----------------------------------------------------------------------------------------------------------


def table(
    *, exponential: str = "", price: float = 1.0, coins: float = 0.5, slope: float = 1.3, lost: bool = False
) -> pd.DataFrame:
    """Made needs of eight seeds; ``exponential``: a learner that needs an exponential everywhere."""
    rng, rows = np.random.default_rng(0), []
    for learner, seed in itertools.product(LEARNERS, range(8)):
        same = {"learner": learner, "seed": seed}
        for family in families.FAMILIES:
            tabled = family == families.UNSTRUCTURED
            dear = (family, learner) in {("place", "dense"), ("pair", "attention")}
            for n in (5, 6, 7, 8) if tabled else (5, 7, 10, 14, 20):
                grown = 1.2 * n if tabled else 0.3 * n if learner == exponential else 0.0
                value = (
                    4
                    + (grown or slope * math.log2(n))
                    + price * dear
                    + (0.6 if grown and not tabled else 0.1) * rng.standard_normal()
                )
                value = math.nan if lost and dear and n == 20 else value
                rows.append({**same, "family": family, "n": n, "coins": False, "examples": 2**value, "last": 1.0})
        last = coins + 0.01 * rng.standard_normal()
        rows.append({**same, "family": "weigh", "n": 12, "coins": True, "examples": math.nan, "last": last})
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({}, "confirmed"),
        ({"exponential": "attention"}, "refuted"),
        ({"price": 0.0}, "refuted"),
        ({"slope": 3.5}, "refuted"),
        ({"coins": 0.9}, "undetermined"),
        ({"lost": True}, "undetermined"),
    ],
)
def test_the_rule_follows_the_card(change: dict[str, Any], verdict: str) -> None:
    assert decide(table(**change))[0] == verdict


def test_the_sentence_leaves_out_what_was_not_measured() -> None:
    rows = [
        {"learner": learner, "family": family, "seed": 0, "degree": 2.0, "doubling": 0.8, "evidence": 5.0}
        for learner, family in itertools.product(("dense", "attention"), families.FAMILIES)
    ]
    whole, part = pd.DataFrame(rows), pd.DataFrame(rows)
    part.loc[(part["learner"] == "attention") & (part["family"] == "place"), ["degree", "evidence"]] = [9.0, math.nan]
    assert "6 of 6 cases (degree 2.0 to 2.0); where" in in_words(whole)
    assert "5 of 5 cases (degree 2.0 to 2.0), not counting attention on place, which" in in_words(part)


def test_a_short_run_goes_from_end_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "AHEAD", 2)
    monkeypatch.setattr(pieces, "TRIALS", 20)
    settings = {"seeds": 3, "sizes": (4, 5, 6, 7), "tables": (4, 5, 6, 7), "budget": 64}
    question = load_question("tractable", settings)
    tables = {p.name: p.function(**p.arguments, say=lambda *_: None) for p in question.work() if "coins" not in p.name}
    tables["dense-coins"] = tables["dense-weigh-4"].assign(coins=True)
    answer = question.conclude(tables, {})
    assert answer.verdict == "undetermined" and answer.exhibits[0].name == "needs"
    assert len(answer.predictions) == 18 and "toy" in answer.sentence
    assert set(answer.exhibits[0].frame["cells"]) == {4, 5, 6, 7}
