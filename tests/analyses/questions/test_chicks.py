"""Other objects differ as their names say, preferences are compared as the card says, and the rule follows it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.special import expit
from scipy.stats import spearmanr

from imprint.analyses.ask import load_question
from imprint.analyses.questions.chicks import measure as pieces
from imprint.analyses.questions.chicks import references as r
from imprint.analyses.questions.chicks.question import MAIN, Table, arms_of, chosen, decide, preferences, ranking
from imprint.models.worlds.rearing import HUES

THEIRS = np.array([each.preference for each in r.ANIMALS.values()])


def rng(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("condition", r.CONDITIONS)
def test_an_other_object_has_as_many_new_features_as_its_name_says(condition: str) -> None:
    world = pieces.chamber(3)
    factors, own = pd.DataFrame(pieces.features(world, condition, 60, rng(0))), world.own
    new = {kind: ~factors[[f"{kind}_front", f"{kind}_back"]].isin([*own.values()]) for kind in ("colour", "shape")}
    colours, shapes, exchanged = pieces.CHANGES[condition]
    assert (new["colour"].sum(axis=1) == colours).all() and (new["shape"].sum(axis=1) == shapes).all()
    assert not world.derive(factors)["own"].any()
    if (colours, shapes) == (1, 1):
        assert (new["colour"].to_numpy() == new["shape"].to_numpy()).all(), "both are on the same face"
    if exchanged:
        assert (factors["shape_front"] == own["shape_back"]).all() and (
            factors["colour_back"] == own["colour_back"]
        ).all()


# -- comparison --------------------------------------------------------------------------------------------------------


def curves(differences: np.ndarray) -> np.ndarray:
    """Preferences at every steepness for differences in value ``[..., C]`` that are the same in every trial."""
    return np.asarray(expit(differences[..., None] * r.STEEPNESS))


def test_values_that_are_the_animals_log_odds_give_their_preferences_back() -> None:
    found = r.compared(curves(np.log(THEIRS / (1 - THEIRS)) / 10))
    assert found.steepness == pytest.approx(10, rel=0.01) and found.rank == pytest.approx(1)
    assert np.allclose(found.preferences, THEIRS, atol=0.01) and found.distance < 0.01
    blind = r.compared(curves(np.zeros(7)))
    assert np.allclose(blind.preferences, 0.5) and blind.rank == 0
    assert float(blind.steepness) == pytest.approx(r.STEEPNESS[-1])


def test_rank_correlation_is_that_of_scipy() -> None:
    made = np.random.default_rng(1).normal(size=(5, 7)).round(1)
    assert np.allclose(r.spearman(made, THEIRS), [spearmanr(row, THEIRS).statistic for row in made])


def test_the_animals_agree_with_themselves_no_better_than_their_errors_allow() -> None:
    rank, error = r.ceiling(np.random.default_rng(0))
    assert 0.6 < rank.value < 0.95 and rank.low < rank.value < rank.high
    assert error == pytest.approx(0.037, abs=0.003)


@pytest.mark.parametrize(
    ("differences", "colour", "conjunction"),
    [
        ({"2 colours": 1.0, "2 shapes": 0.0, "exchanged": 0.0}, 1.0, 0.0),
        ({"2 colours": 0.0, "2 shapes": 1.0, "exchanged": 0.0}, 0.0, 0.0),
        ({"2 colours": 0.5, "2 shapes": 0.5, "exchanged": 0.0}, 0.5, 0.0),
        ({"2 colours": 1.0, "2 shapes": 1.0, "exchanged": 1.0}, 0.5, 1.0),
    ],
)
def test_what_was_latched_onto_is_told_from_differences(
    differences: dict[str, float], colour: float, conjunction: float
) -> None:
    made = np.array([differences.get(name, 1.0) for name in r.CONDITIONS])
    assert r.latched(made) == pytest.approx((colour, conjunction))
    assert all(np.isnan(r.latched(np.zeros(7)))), "nothing was latched onto"


# -- the rule ----------------------------------------------------------------------------------------------------------


def arms(
    preferred: np.ndarray = THEIRS, *, shuffled: float = 0.0, scrambled: float = 0.0, nothing: float = 0.95
) -> dict[tuple[str, str, str, str], Table]:
    """Finished arms of eight seeds: the main one with these preferences, controls with these log odds."""
    noise = 0.02 * np.cos(np.arange(8 * 7)).reshape(8, 7)
    flat = np.zeros(7)
    told = np.where([name == "2 colours" for name in r.CONDITIONS], 0.5, scrambled)
    odds = {
        MAIN: np.log(preferred / (1 - preferred)),
        (*MAIN[:2], "shuffled", MAIN[3]): flat + shuffled,
        ("scrambled", *MAIN[1:]): told,
    }
    made = {}
    for arm, each in odds.items():
        differences = each + noise
        made[arm] = Table(curves(differences), differences, {"nothing": np.full(8, nothing) + noise[:, 0]})
    return made


def with_(**changes: float) -> np.ndarray:
    """The animals' preferences with some changed; an underscore stands for a space."""
    return np.array([changes.get(name.replace(" ", "_").replace("1", "one").replace("2", "two"), value)
                     for name, value in zip(r.CONDITIONS, THEIRS, strict=True)])  # fmt: skip


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({}, "confirmed"),
        ({"preferred": with_(two_colours=0.6)}, "refuted"),
        ({"preferred": with_(exchanged=0.45)}, "refuted"),
        ({"preferred": 1 - THEIRS}, "undetermined"),
        ({"preferred": with_(exchanged=0.5)}, "refuted"),
        ({"preferred": with_(one_colour=0.710)}, "undetermined"),
        ({"shuffled": 0.4}, "undetermined"),
        ({"scrambled": 0.4}, "undetermined"),
        ({"nothing": 0.6}, "undetermined"),
    ],
)
def test_the_rule_follows_the_card(change: dict[str, Any], verdict: str) -> None:
    assert decide(arms(**change), 0)[0] == verdict


def test_the_closest_arm_leads_the_ranking_and_is_the_closest_in_most_draws() -> None:
    made = arms()
    far = arms(with_(two_colours=0.6))[MAIN]
    ranked = ranking({**made, ("normal", "pixels", "head", "long"): far}, 0)
    assert list(ranked["learner"]) == ["contrast", "pixels"] and ranked["closest"].tolist() == [1.0, 0.0]
    assert set(preferences(made)["who"]) >= {"chicks", "contrast; head; long"}


# -- lives -------------------------------------------------------------------------------------------------------------


def hues(observation: torch.Tensor) -> torch.Tensor:
    """A planted learner that sees which colours are there, and nothing of shapes: ``[S, n, T, 6]``."""
    pure = HUES - HUES.mean(1, keepdim=True)
    fits = torch.einsum("sntchw,kc->sntkhw", observation, pure / pure.square().sum(1, keepdim=True))
    return (fits > 0.8).flatten(4).sum(4).clamp(max=3).float()


def test_of_a_learner_that_sees_colours_alone_it_is_told_that_it_latched_onto_colour(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pieces, "TRIALS", 24)
    monkeypatch.setattr(pieces, "pixels", hues)
    table = pieces.measure(seeds=(500, 501), batches=16, learners=("pixels",), rearing="normal", say=lambda *_: None)
    made = arms_of(table)
    told, blind = (made["normal", "pixels", detector, "long"] for detector in ("matter", "shuffled"))
    prefers = dict(zip(r.CONDITIONS, chosen(told).mean(0), strict=True))
    assert prefers["2 colours"] > 0.75 > prefers["1 colour"] > 0.55
    assert abs(prefers["2 shapes"] - 0.5) < 0.1 > abs(prefers["exchanged"] - 0.5)
    assert r.latched(told.differences.mean(0)) == pytest.approx((1.0, 0.0), abs=0.15)
    assert told.shares["nothing"].min() > 0.9
    assert np.abs(blind.differences).mean() < 0.5 * np.abs(told.differences).mean()
    innate = table[table["learner"] == "innate"].groupby("detector")["share"].mean()
    assert innate["head"] < 0.1 and innate["matter"] == pytest.approx(0.5, abs=0.15)


def test_a_short_life_runs_from_end_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "TRIALS", 4)
    monkeypatch.setattr(r, "DRAWS", 50)
    question = load_question("chicks", {"seeds": 2, "together": 2, "experiences": 128})
    tables = {p.name: p.function(**p.arguments, say=lambda *_: None) for p in question.work()}
    assert set(tables) == {"normal-0", "scrambled-0"}
    answer = question.conclude(tables, {})
    assert {e.name for e in answer.exhibits} >= {"beside", "arms", "latched", "controls", "predisposition", "seeds"}
    assert len(answer.predictions) == 11 and "rank correlation" in answer.sentence
