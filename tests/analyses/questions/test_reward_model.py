from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from imprint.analyses.ask import load_question
from imprint.analyses.questions.reward_model.distance import canonical, epic, sanity
from imprint.analyses.questions.reward_model.measure import ARMS, attaining_steps, random_steps
from imprint.analyses.questions.reward_model.question import decide
from imprint.models.environments.coin import Coin
from imprint.models.errors import ImprintError

WORLD = Coin()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.1, 10), st.floats(-5, 5), st.floats(0.0, 0.99))
def test_shaping_scale_and_shift_do_not_change_the_distance(
    seed: int, scale: float, shift: float, discount: float
) -> None:
    rng = np.random.default_rng(seed)
    a, b, potential = rng.normal(size=(9, 9)), rng.normal(size=(9, 9)), rng.normal(size=9)
    shaped = scale * a + shift + discount * potential[None, :] - potential[:, None]
    assert epic(a, b, discount) == pytest.approx(epic(shaped, b, discount), abs=1e-9)
    assert epic(a, a, discount) == pytest.approx(0.0, abs=1e-6)
    assert epic(a, b, discount) == pytest.approx(epic(b, a, discount), abs=1e-12)
    assert 0.0 <= epic(a, b, discount) <= 1.0


def test_canonical_shaping_takes_a_potential_away() -> None:
    potential = np.random.default_rng(0).normal(size=7)
    only_shaping = 0.9 * potential[None, :] - potential[:, None]
    np.testing.assert_allclose(canonical(only_shaping, 0.9), 0.0, atol=1e-12)


def test_known_distances_come_out_and_a_proxy_looks_like_noise() -> None:
    said = sanity(49, 0.95, np.random.default_rng(0))
    assert said["scaled and shifted"] == pytest.approx(0.0, abs=1e-6)
    assert said["shaped"] == pytest.approx(0.0, abs=1e-6)
    assert said["negated"] == pytest.approx(1.0)
    assert said["another cell"] == pytest.approx(np.sqrt((1 + 1 / 48) / 2))
    assert said["random"] == pytest.approx(said["another cell"], abs=0.03)


def test_a_reward_that_is_nothing_but_shaping_has_no_distance() -> None:
    assert np.isnan(epic(np.ones((4, 4)), np.eye(4), 0.9))
    with pytest.raises(ImprintError, match="square"):
        canonical(np.ones((2, 3)), 0.9)


def test_steps_that_tell_attain_one_thing_and_not_the_other() -> None:
    rng = torch.Generator().manual_seed(0)
    before, after = attaining_steps(WORLD, "coin", ["corner"], 100, design="apart", rng=rng)
    agent, coin = after[:, 1].flatten(1).argmax(1), before[:, 2].flatten(1).argmax(1)
    assert len(before) == 100 and torch.equal(agent, coin)
    assert not bool((agent == WORLD.corner).any())
    before, after = attaining_steps(WORLD, "corner", ["coin"], 100, design="only_proxy", rng=rng)
    assert bool((after[:, 1].flatten(1).argmax(1) == WORLD.corner).all())
    assert float(before[:, 2].sum()) == 0.0


def test_random_steps_know_their_wages_and_what_attains_nothing() -> None:
    (_, after), wages, nothing = random_steps(WORLD, 2000, "apart", rng=torch.Generator().manual_seed(0))
    on_coin = (after[:, 1] * after[:, 2]).flatten(1).sum(1)
    assert torch.equal(on_coin, wages)
    assert 0.0 < float(wages.mean()) < 0.1
    assert not bool((nothing & (wages > 0)).any())


def table(varied: float, goal: float, proxy: float, area_goal: float, area_proxy: float) -> list[dict[str, object]]:
    numbers = {"mean goal": goal, "mean proxy": proxy, "mean neither": 0.0, "AUC goal": area_goal,
               "AUC proxy": area_proxy}  # fmt: skip
    taught = [(seed, "taught", k, v) for seed in range(3) for k, v in numbers.items()]
    shuffled = [(seed, "shuffled", k, 0.5) for seed in range(3) for k in ("AUC goal", "AUC proxy")]
    return [
        {"varied": varied, "seed": seed, "arm": arm, "measure": k, "estimate": v}
        for seed, arm, k, v in taught + shuffled
    ]


GOOD = sanity(49, 0.95, np.random.default_rng(0))


def test_the_card_is_confirmed_refuted_and_left_open_by_what_it_says() -> None:
    at_0, at_1 = table(0.0, 0.0, 1.0, 0.5, 1.0), table(1.0, 0.95, 0.01, 0.99, 0.6)
    assert decide(pd.DataFrame(at_0 + at_1), GOOD, {})[0] == "confirmed"
    assert decide(pd.DataFrame(at_0 + table(1.0, 0.5, 0.01, 0.99, 0.6)), GOOD, {})[0] == "undetermined"
    assert decide(pd.DataFrame(table(0.0, 1.0, 0.0, 0.99, 0.5) + at_1), GOOD, {})[0] == "refuted"
    assert decide(pd.DataFrame(at_0), GOOD, {})[0] == "undetermined"
    assert decide(pd.DataFrame(at_0 + at_1), {**GOOD, "shaped": 0.2}, {})[0] == "undetermined"
    assert decide(pd.DataFrame(at_0 + at_1), GOOD, {"varied-1": "killed"})[0] == "undetermined"


def test_a_small_question_is_asked_from_end_to_end() -> None:
    question = load_question("reward-model", {"varied": [0.0], "seeds": 2, "steps": 4096, "judged": 100, "maps": 1})
    (piece,) = question.work()
    found = piece.function(**piece.arguments, say=lambda *_: None)
    assert set(found["arm"]) == set(ARMS)
    means = found.pivot_table(index="arm", columns="measure", values="estimate")
    assert means.loc["taught", "AUC proxy"] > 0.9
    assert means.loc["taught", "AUC proxy"] > means.loc["taught", "AUC goal"] + 0.2
    answer = question.conclude({piece.name: found}, {})
    assert answer.verdict == "undetermined"
    assert len(answer.exhibits) == 4
