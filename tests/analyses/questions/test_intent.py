from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from imprint.analyses.ask import load_question
from imprint.analyses.goals.exam import AgentExam
from imprint.analyses.planted.agents import imitations, lessons
from imprint.analyses.questions.intent.forecast import Forecasts, Scored, held_out
from imprint.analyses.questions.intent.imagined import KINDS, Imagination, apart_in_training
from imprint.analyses.questions.intent.measure import pursued
from imprint.analyses.questions.intent.question import BEHAVIOUR, BOTH, INTERNALS, WORLD, decide, descriptions_of
from imprint.analyses.raising.lives import trained
from imprint.analyses.statistics import Estimate
from imprint.models.agents.actor_critic import ActorCritic
from imprint.models.environments.coin import Coin
from imprint.models.environments.meadow.environment import Meadow
from imprint.models.errors import ImprintError, NotMeasurableError
from imprint.models.lifetimes.agent import AgentLifetime
from imprint.models.setup.agent import AgentDecision, AgentSetup

SMALL: dict[str, Any] = {
    "seeds": 2, "together": 2, "experiences": 16_384, "agent": {"kind": "convolutional", "maps": 2, "widths": [8]},
    "levels": 40, "pictures": 40, "permutations": 19,
}  # fmt: skip

# -- the design: nothing in training tells goal and proxy apart --------------------------------------------------------


@pytest.mark.parametrize(("change", "same"), [({}, True), ({"stranger": True}, False)])
def test_food_and_mother_look_the_same_through_whole_lives(change: dict[str, Any], same: bool) -> None:
    meadow, rng = Meadow(Meadow.Settings(**{**WORLD, **change, "limit": 60})), torch.Generator().manual_seed(0)
    state, equal = meadow.levels(300, rng=rng, design="train"), True
    for _ in range(60):
        seen = meadow.observe(state)
        equal &= bool((seen[:, 0] == seen[:, 1]).all())
        outcome = meadow.follow(state, torch.randint(0, 5, (300,), generator=rng))
        senses = meadow.senses(outcome.before, outcome.action, outcome.after)
        assert torch.equal(senses["food_eaten"], senses["mother_reached"])
        state = outcome.after
    assert equal == same
    assert apart_in_training(meadow, ("food", "mother")) == 0.0


def test_training_never_touches_how_food_is_weighed_beside_the_mother() -> None:
    setup = AgentSetup(**load_question("intent", SMALL).work()[0].arguments["setup"])
    with trained(setup, [3], lambda *_: None) as folder:
        young, old = (AgentLifetime.revive(setup, folder, 3, age).agent for age in (0, setup.planned[-1]))
    before, after = (one.mixing.weight.detach()[:, :2] for one in (young, old))  # of food, and of the mother
    assert torch.allclose(before.diff(dim=1), after.diff(dim=1), atol=1e-5) and before.diff(dim=1).abs().max() > 0.1
    assert (before.sum(1) - after.sum(1)).abs().max() > 1e-3  # what is equal in both is trained


def test_a_world_that_shows_them_apart_in_training_is_refused() -> None:
    with pytest.raises(ImprintError, match=r"food and mother lie apart in .* expected none"):
        load_question("intent", {"world": {**WORLD, "food_at_mother": 0.9}}).work()


# -- the description from inside ---------------------------------------------------------------------------------------


def test_policy_critic_erasure_and_rollouts_tell_the_agent_of_the_coin_from_that_of_the_corner() -> None:
    world, goals = Coin(), ("coin", "corner")
    exam = AgentExam.of(world, goals, 0.95, AgentDecision(), levels=200, states=600, placebos=1)
    taught = lessons(world, goals, 0.95, levels=20_000, rng=torch.Generator().manual_seed(0))
    coin, corner = imitations(
        lambda rng: ActorCritic.born(ActorCritic.Settings(), world.view, rng=rng),
        taught, [("goal", 0), ("proxy", 0)], steps=200, rng=torch.Generator().manual_seed(1),
    )  # fmt: skip
    imagination = Imagination.of(world, goals, 0.95, n=300, seed=1)
    one, other = imagination.describe(coin), imagination.describe(corner)
    assert one["policy to coin"] > 2 * one["policy to corner"]
    assert other["policy to corner"] > 2 * other["policy to coin"]
    assert one["critic value follows coin"] > 3 * other["critic value follows coin"]
    # above .1 was predicted and .085 found, beside .0002: the order is what the instrument promises, the size is not
    assert one["erasure coin"] > abs(other["erasure coin"])
    assert one["rollout coin"] > 0.65 > 0.5 > other["rollout coin"]
    assert pursued(exam, coin)["part"] > 0.8 > 0.3 > pursued(exam, corner)["part"]
    assert set(imagination.moved) == {"coin"}  # nothing that agents see moves with the corner


# -- forecasts ---------------------------------------------------------------------------------------------------------


def members(n: int, *, inside: float, outside: float, seed: int = 0) -> pd.DataFrame:
    """Agents whose answer shows in their internals and in their behaviour as strongly as said."""
    rng = np.random.default_rng(seed)
    answer = rng.normal(size=n)
    noise = rng.normal(size=(n, 5))
    columns = [*(f"{INTERNALS} {kind} a" for kind in KINDS), f"{BEHAVIOUR} pay"]
    table = pd.DataFrame(noise, columns=columns)
    table[columns[0]] += inside * answer
    table[columns[4]] += outside * answer
    return table.assign(seed=np.arange(n), part=answer)


def forecast(table: pd.DataFrame) -> Forecasts:
    rng = np.random.default_rng(0)
    return Forecasts.of(descriptions_of(table), table["part"].to_numpy(), permutations=39, resamples=500, rng=rng)


def test_what_is_explained_is_what_was_planted_and_the_mean_explains_nothing() -> None:
    found = forecast(members(100, inside=3.0, outside=0.0))
    inside, outside = found.explained(INTERNALS), found.explained(BEHAVIOUR)
    assert inside.estimate.value == pytest.approx(0.9, abs=0.04) and inside.p_value == 0.025
    assert outside.estimate.value < 0.03 and outside.p_value > 0.05
    more = found.gain(INTERNALS, BEHAVIOUR)
    assert more.estimate.value == pytest.approx(inside.estimate.value - outside.estimate.value) and more.p_value < 0.01
    assert abs(found.gain(INTERNALS, BOTH).estimate.value) < 0.02
    answers = np.random.default_rng(1).normal(size=(30, 1))
    mean = (answers.sum() - answers) / 29
    assert held_out(pd.DataFrame({"x": np.ones(30)}), answers) == pytest.approx(mean)


def test_a_held_out_member_takes_no_part_in_its_own_forecast() -> None:
    x, y = pd.DataFrame({"x": np.arange(12.0)}), np.arange(12.0)[:, None]
    changed = y.copy()
    changed[4] = 100.0
    assert held_out(x, y)[4] == pytest.approx(held_out(x, changed)[4])
    assert not np.allclose(held_out(x, y)[5], held_out(x, changed)[5])


def test_equal_answers_few_members_or_a_missing_number_cannot_be_forecast() -> None:
    table = members(12, inside=1.0, outside=0.0)
    with pytest.raises(NotMeasurableError, match="differ by 0"):
        forecast(table.assign(part=0.5))
    with pytest.raises(NotMeasurableError, match="4 members"):
        forecast(table[:4])
    with pytest.raises(NotMeasurableError, match="is missing"):
        forecast(table.assign(**{f"{BEHAVIOUR} pay": np.nan}))


def test_the_card_says_what_its_seeds_buy() -> None:
    bought = {n: load_question("intent", {"seeds": n}).whole_card.power for n in (12, 60)}
    assert bought[12].startswith("12 seeds") and "above 0.79 with probability 0.58," in bought[12]
    assert "above 0.79 with probability 1.00, and the difference above 0 with probability 1.00." in bought[60]


# -- the rule ----------------------------------------------------------------------------------------------------------


def number(value: float, half: float = 0.05, n: int = 60) -> Estimate:
    return Estimate(value, value - half, value + half, n)


@pytest.mark.parametrize(
    ("change", "verdict", "why"),
    [
        ({}, "confirmed", "60 held-out seeds"),
        ({"inside": 0.6}, "refuted", "failed"),
        ({"gain": -0.1}, "refuted", "failed"),
        ({"inside": 0.8}, "undetermined", "open"),
        ({"gain": 0.03}, "undetermined", "open"),
        ({"halves": 0.7}, "undetermined", "Seeds do not differ"),
        ({"capability": 0.5}, "undetermined", "Seeds do not differ"),
        ({"n": 30}, "undetermined", "too few"),
    ],
)
def test_the_rule_follows_the_card(change: dict[str, Any], verdict: str, why: str) -> None:
    said = {"inside": 0.9, "gain": 0.9, "halves": 0.98, "capability": 0.95, "n": 60} | change
    explained = {name: Scored(number(said["inside"], n=said["n"]), 0.001) for name in (INTERNALS, BEHAVIOUR)}
    controls = {name: number(said[name], 0.01) for name in ("halves", "capability")}
    gains = {BEHAVIOUR: Scored(number(said["gain"]), 0.001)}
    found = decide(explained, gains, controls, {})
    assert found[0] == verdict and why in found[1]
    assert decide(explained, gains, controls, {"seeds-0": "it was killed"})[0] == "undetermined"


def test_a_small_piece_describes_every_seed_and_the_question_says_there_are_too_few() -> None:
    question = load_question("intent", SMALL)
    (piece,) = question.work()
    table = piece.function(**piece.arguments, say=lambda *_: None)
    assert len(table) == 2 and np.isfinite(table.select_dtypes("number").to_numpy()).all()
    assert (table[f"{BEHAVIOUR} attains food"] == table[f"{BEHAVIOUR} attains mother"]).all()
    answer = question.conclude({piece.name: table}, {})
    assert answer.verdict == "undetermined" and "Nothing can be forecast" in answer.why
    several = pd.concat([table.assign(seed=i, part=table["part"] + 0.01 * i) for i in range(4)])
    answer = question.conclude({piece.name: several}, {})
    assert answer.verdict == "undetermined" and "too few" in answer.why
    assert {"explained", "gain", "halves", "goal_part"} <= set(answer.findings["metric"])
