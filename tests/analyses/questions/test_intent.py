from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from imprint.analyses.ask import load_question
from imprint.analyses.goals.exam import AgentExam
from imprint.analyses.planted.agents import imitations, lessons
from imprint.analyses.questions.intent.forecast import Bools, Comparison, base_rate, compared, described, folds_over
from imprint.analyses.questions.intent.measure import moved_goal, pursued
from imprint.analyses.questions.intent.question import BEHAVIOUR, INTERNALS, decide, forecasts_of
from imprint.analyses.statistics import Estimate, rate_of
from imprint.models.agents.actor_critic import ActorCritic
from imprint.models.environments.coin import Coin
from imprint.models.errors import NotMeasurableError
from imprint.models.setup.agent import AgentDecision


def accuracy(forecast: Bools, answer: Bools) -> Estimate:
    return rate_of(int((forecast == answer).sum()), len(answer))


def members(n: int, *, inside: float, outside: float, seed: int = 0) -> pd.DataFrame:
    """Agents whose answer shows in their internals and in their behaviour as strongly as said."""
    rng = np.random.default_rng(seed)
    answer = np.arange(n) % 2 == 0
    sign = 2.0 * answer - 1
    return pd.DataFrame(
        {
            "varied": 0.05, "seed": np.arange(n), "part": np.where(answer, 0.8, 0.2),
            f"{INTERNALS} beta coin": inside * sign + rng.normal(size=n), f"{INTERNALS} r2": rng.normal(size=n),
            f"{BEHAVIOUR} pay": outside * sign + rng.normal(size=n),
        }
    )  # fmt: skip


def judged(table: pd.DataFrame) -> tuple[str, str]:
    answer, rng = (table["part"] > 0.5).to_numpy(), np.random.default_rng(0)
    forecasts = forecasts_of(table, answer, folds_over(answer, 5, rng))
    scores = {name: accuracy(said, answer) for name, said in forecasts.items()}
    gains = {
        name: compared(forecasts[INTERNALS], said, answer, resamples=500, rng=rng) for name, said in forecasts.items()
    }
    return decide(scores, gains, answer, {})


def test_an_answer_that_only_internals_show_confirms_it() -> None:
    verdict, why = judged(members(60, inside=3.0, outside=0.0))
    assert verdict == "confirmed", why


def test_an_answer_that_behaviour_shows_better_refutes_it() -> None:
    verdict, why = judged(members(60, inside=0.0, outside=3.0))
    assert verdict == "refuted"
    assert "do not beat every baseline" in why


def test_few_seeds_or_seeds_that_are_alike_leave_it_open() -> None:
    assert judged(members(30, inside=3.0, outside=0.0))[0] == "undetermined"
    alike = members(80, inside=3.0, outside=0.0)
    alike.loc[alike["seed"] > 12, "part"] = 0.1
    assert judged(alike)[0] == "undetermined"


def test_a_description_that_shows_nothing_is_right_half_of_the_time() -> None:
    right = []
    for seed in range(20):
        table = members(60, inside=0.0, outside=0.0, seed=seed)
        answer = (table["part"] > 0.5).to_numpy()
        fold = folds_over(answer, 5, np.random.default_rng(seed))
        right.append(accuracy(described(table[[f"{INTERNALS} r2"]], answer, fold), answer).value)
    assert 0.4 < np.mean(right) < 0.6


def test_the_base_rate_knows_its_stratum_and_not_the_member() -> None:
    answer = np.array([True] * 9 + [False] + [False] * 9 + [True])
    stratum, fold = np.repeat([0.0, 1.0], 10), np.arange(20) % 5
    said = base_rate(answer, stratum, fold)
    assert said[:10].all() and not said[10:].any()
    assert accuracy(said, answer).value == pytest.approx(0.9)


def test_two_equal_forecasters_do_not_differ_and_a_better_one_does() -> None:
    answer, rng = np.arange(50) % 2 == 0, np.random.default_rng(0)
    same = compared(answer, answer, answer, resamples=200, rng=rng)
    assert same == Comparison(Estimate(0.0, 0.0, 0.0, len(answer)), 1.0)
    better = compared(answer, ~answer, answer, resamples=200, rng=rng)
    assert better.difference.low > 0.9 and better.p_value < 1e-6


def test_too_few_of_one_answer_or_a_missing_number_cannot_be_forecast() -> None:
    with pytest.raises(NotMeasurableError, match="rarer answer"):
        folds_over(np.arange(20) < 2, 5, np.random.default_rng(0))
    answer = np.arange(20) % 2 == 0
    with pytest.raises(NotMeasurableError, match="is missing"):
        described(pd.DataFrame({"x": [np.nan] * 20}), answer, np.arange(20) % 5)


def test_moving_the_coin_moves_the_agent_of_the_coin_and_not_the_one_of_the_corner() -> None:
    world, goals = Coin(), ("coin", "corner")
    exam = AgentExam.of(world, goals, 0.95, AgentDecision(), levels=200, states=600, placebos=1)
    taught = lessons(world, goals, 0.95, levels=20_000, rng=torch.Generator().manual_seed(0))
    coin, corner = imitations(
        lambda rng: ActorCritic.born(ActorCritic.Settings(), world.view, rng=rng),
        taught, [("goal", 0), ("proxy", 0)], steps=200, rng=torch.Generator().manual_seed(1),
    )  # fmt: skip
    wants, does_not = moved_goal(exam, coin), moved_goal(exam, corner)
    assert wants["logits follow goal"] > 3 * does_not["logits follow goal"]
    assert wants["value follows goal"] > 3 * does_not["value follows goal"]
    assert pursued(exam, coin)["part"] > 0.8 > 0.3 > pursued(exam, corner)["part"]


def test_a_small_piece_describes_every_seed_and_the_question_says_there_are_too_few() -> None:
    settings = {"varied": [0.5], "seeds": 2, "together": 2, "experiences": 16_384, "widths": [16], "levels": 40}
    question = load_question("intent", settings)
    (piece,) = question.work()
    setup = piece.arguments["setup"]
    fewer = {**setup, "evaluation": {**setup["evaluation"], "states": 400}}
    table = piece.function(**{**piece.arguments, "setup": fewer}, say=lambda *_: None)
    assert len(table) == 2
    told = table.drop(columns=["part"]).select_dtypes("number")
    assert np.isfinite(told.to_numpy()).all()
    answer = question.conclude({piece.name: table}, {})
    assert answer.verdict == "undetermined"
    assert "Nothing can be forecast" in answer.why
