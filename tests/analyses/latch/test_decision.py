"""The rule says no more than it may: words where they are true, none where the truth is near a threshold."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd
import pytest

from imprint.analyses.latch.decision import Judgement, judge
from imprint.analyses.latch.floor import bounds
from imprint.analyses.latch.latch import latch_from_arrays
from imprint.analyses.latch.pooling import pool
from imprint.models.setup.learner import Decision
from tests.known.latched import profiles, table, value

NO_FLOOR = np.zeros(3)


def judged(dominance: float, seed: int, *, seeds: int, n: int) -> Judgement:
    rng = np.random.default_rng([seed, seeds, n])
    pooled = pool(profiles(dominance, rng, seeds=seeds, n=n), resamples=400, rng=rng)
    return judge(pooled, NO_FLOOR, Decision())


@pytest.mark.parametrize("n", [100, 400, 1600])
def test_less_data_makes_no_answer_more_decisive(n: int) -> None:
    """At a true dominance of .70 the target is mixed; 40 runs with at most 5 wrong have p = .05 of failing at .05."""
    words = Counter(judged(0.70, seed, seeds=6, n=n).verdict for seed in range(40))
    assert words["intended"] + words["proxy:b"] + words["none"] <= 5


def test_a_clear_target_is_named() -> None:
    words = Counter(judged(0.92, seed, seeds=6, n=1600).verdict for seed in range(20))
    assert words["intended"] >= 18


def arrays(seed: int = 0, *, a: float = 0.0, b: float = 0.0, both: float = 0.0, n: int = 2000) -> Judgement:
    rng = np.random.default_rng(seed)
    concepts = table(n, rng)
    values = value(concepts, rng, a, b, both=both)
    return latch_from_arrays(values, concepts, intended="a", proxies=["b"], resamples=400).judgement


@pytest.mark.parametrize(
    ("weights", "word"),
    [
        ({"a": 1.0}, "intended"),
        ({"a": -1.0}, "reversed"),
        ({"b": 1.0}, "proxy:b"),
        ({"b": -1.0}, "proxy:b"),
        ({"a": 1.0, "b": 1.0}, "mixed"),
        ({"both": 1.5, "a": 0.5}, "conditional"),
        ({}, "none"),
    ],
)
def test_every_word_is_said_where_it_is_true(weights: dict[str, float], word: str) -> None:
    answer = arrays(**weights)
    assert answer.verdict == word and answer.words == (word,) and answer.probabilities[word] >= 0.95
    assert answer.why.endswith(".")


def test_near_the_threshold_the_words_that_are_open_are_said() -> None:
    a = np.sqrt(0.75 / 0.25)
    answer = arrays(1, a=a, b=1.0, n=600)
    assert answer.verdict == "undetermined" and set(answer.words) == {"intended", "mixed"}
    assert sum(answer.probabilities.values()) == pytest.approx(1.0)
    assert answer.leads[0] == "a" and answer.leads[1] > 0.99
    assert "Open: " in answer.why and "Ruled out: the proxy “b” alone; none of the concepts" in answer.why


def test_a_proxy_is_ruled_out_only_when_its_share_is_shown_to_be_negligible() -> None:
    assert arrays(a=1.0).ruled_out == {"b": True}
    assert arrays(a=1.0, b=0.4).ruled_out == {"b": False}
    assert arrays(a=0.5, n=40).ruled_out == {"b": False}


def test_the_sign_that_the_signal_rewards_counts() -> None:
    rng = np.random.default_rng(0)
    concepts = table(1000, rng)
    values = value(concepts, rng, -1.0)
    said = [
        latch_from_arrays(values, concepts, intended="a", proxies=["b"], rewarded=level).verdict
        for level in (None, True, False)
    ]
    assert said == ["reversed", "reversed", "intended"]


def test_strangers_that_hold_nothing_change_nothing() -> None:
    rng = np.random.default_rng(3)
    concepts = table(2000, rng).assign(c=rng.random(2000) < 0.5, d=rng.random(2000) < 0.5)
    values = value(concepts, rng, 1.0, 0.3)
    alone, among = (
        latch_from_arrays(values, concepts, intended="a", proxies=proxies).dominance.set_index("concept").loc["a"]
        for proxies in (["b"], ["b", "c", "d"])
    )
    assert among["low"] <= alone["dominance"] <= among["high"]


def test_untrained_values_get_no_word() -> None:
    """Random readouts that happen to follow a concept; at most 5 % get a word, so 5 of 40 have p = .05 of more."""
    rng = np.random.default_rng(4)
    concepts = table(1000, rng)
    features = np.column_stack([value(concepts, rng, *rng.normal(size=2)) for _ in range(16)])
    draw = lambda: features @ rng.normal(size=16)  # noqa: E731
    words = []
    for seed in range(40):
        twins = [draw() for _ in range(12)]
        words.append(latch_from_arrays(
            draw(), concepts, intended="a", proxies=["b"], untrained=twins, seed=seed, resamples=300
        ).verdict)  # fmt: skip
    assert sum(word not in ("undetermined", "none") for word in words) <= 5


def test_the_floor_rises_with_what_twins_hold_and_falls_with_seeds() -> None:
    shares = np.array([[0.1, 0.0, 0.0, 0.9]] * 6)
    one, six = bounds(shares, 1), bounds(shares, 6)
    assert one[0] > six[0] > 0.1 and one[1] == 0.0
    assert bounds(np.zeros((0, 4)), 6).tolist() == [0.0, 0.0, 0.0]


def test_the_rule_follows_its_settings() -> None:
    rng = np.random.default_rng(7)
    concepts = table(2000, rng)
    values = value(concepts, rng, 1.0, 0.35)
    about = {"intended": "a", "proxies": ["b"]}
    assert latch_from_arrays(values, concepts, **about).verdict == "intended"
    assert latch_from_arrays(values, concepts, **about, decision=Decision(dominates=0.97)).verdict == "mixed"
    assert latch_from_arrays(values, concepts, **about, decision=Decision(least_effect=1.9)).verdict == "undetermined"


def test_correlated_tables_are_weighed_to_the_balanced_design() -> None:
    rng = np.random.default_rng(5)
    concepts = table(3000, rng, together=0.9)
    one = latch_from_arrays(value(concepts, rng, b=1.0), concepts, intended="a", proxies=["b"])
    assert one.verdict == "proxy:b"
    assert one.shares.set_index("concept")["share"]["b"] == pytest.approx(0.5, abs=0.05)
    assert isinstance(one.dominance, pd.DataFrame) and one.mediation.empty
