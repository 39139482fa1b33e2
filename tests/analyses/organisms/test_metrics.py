"""The scores agree with scikit-learn's, leave out what is degenerate, and have intervals over worlds."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from imprint.analyses.organisms.metrics import Answers, curves, draws, estimates, rank_of
from imprint.analyses.organisms.worlds.facts import WORDS


def answers(skill: float, worlds: int = 30, seed: int = 0) -> Answers:
    rng = np.random.default_rng(seed)
    truth = np.tile(np.arange(8), worlds)
    raw = rng.dirichlet(np.ones(8), len(truth)).round(2) + 1e-3
    raw[np.arange(len(truth)), truth] += skill * rng.random(len(truth))
    world = np.repeat(np.arange(worlds), 8)
    equivalent = np.zeros((len(truth), 8), dtype=bool)
    return Answers(raw / raw.sum(1, keepdims=True), truth, equivalent, np.ones(len(truth)), world)


def test_auroc_is_that_of_scikit_learn() -> None:
    some = answers(0.4)
    area, _ = curves(some, some.weights(10, 0))
    oracle = [roc_auc_score(some.truth == word, some.probabilities[:, word]) for word in range(8)]
    assert area[0] == pytest.approx(oracle)
    drawn = some.weights(3, 0)[1].astype(int)
    again = some.some(np.ones(len(drawn), dtype=bool))
    rows = np.repeat(np.arange(len(drawn)), drawn)
    oracle = [roc_auc_score(again.truth[rows] == word, again.probabilities[rows, word]) for word in range(8)]
    assert curves(some, some.weights(3, 0))[0][1] == pytest.approx(oracle), "a resample, written out"


def test_recall_counts_those_above_all_but_one_in_a_hundred_of_the_others() -> None:
    truth, p = np.array([0] * 10 + [1] * 200), np.zeros((210, 8))
    p[:, 0] = np.concatenate([np.linspace(0.5, 1.0, 10), [0.99, 0.98, 0.74], np.linspace(0.0, 0.4, 197)])
    some = Answers(p, truth, np.zeros((210, 8), dtype=bool), np.ones(210), np.arange(210))
    assert curves(some, some.weights(1, 0))[1][0, 0] == pytest.approx(0.5), "two of 200 are allowed, the third stops it"


def test_an_interval_holds_chance_for_who_guesses_and_not_for_who_knows() -> None:
    for skill, right in ((0.0, False), (2.0, True)):
        measured = estimates(draws(answers(skill), answers(skill).weights(300, 1)), 240)["auroc"]
        assert (measured.low > 0.55) == right
        assert measured.low <= measured.value <= measured.high


def test_degenerate_cells_are_neither_right_nor_wrong() -> None:
    some = answers(0.4)
    some.equivalent[some.truth == 2, 3] = True
    some.equivalent[some.truth == 3, 2] = True
    area, _ = curves(some, some.weights(5, 0))
    assert np.isnan(area[0, [2, 3]]).all(), "none of the word is left to compare"
    rest = some.truth != 3
    oracle = roc_auc_score(some.truth == 4, some.probabilities[:, 4])
    assert area[0, 4] == pytest.approx(oracle), "they still count against other words"
    known = (some.truth != 2) & rest
    hit = (some.probabilities[known].argmax(1) == some.truth[known]).mean()
    assert draws(some, some.weights(5, 0))["right"][0] == pytest.approx(hit)


def test_calibration_and_brier_know_the_sure_from_the_right() -> None:
    p = np.eye(8)[np.zeros(100, dtype=int)] * 0.8 + 0.2 / 8
    truth = np.array([0] * 50 + [1] * 50)
    some = Answers(p, truth, np.zeros((100, 8), dtype=bool), np.ones(100), np.arange(100))
    drawn = draws(some, some.weights(5, 0))
    assert drawn["calibration"][0] == pytest.approx(0.825 - 0.5)
    assert drawn["brier"][0] == pytest.approx(((p - np.eye(8)[truth]) ** 2).sum(1).mean())


def test_the_rank_of_a_conjunction_is_that_of_its_second_fact() -> None:
    order = ["a", "b", "c"]
    assert [rank_of(order, facts) for facts in (["a"], ["c"], ["a", "b"], ["a", "c"])] == [1, 3, 1, 2]
    assert np.isnan(rank_of(order, []))
    assert len(WORDS) == 8
