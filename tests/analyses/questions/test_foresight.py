from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from imprint.analyses.ask import load_question
from imprint.analyses.questions.foresight import measure as pieces
from imprint.analyses.questions.foresight import model_free as foresight_model_free
from imprint.analyses.questions.foresight.model_free import act, learn, single
from imprint.analyses.questions.foresight.question import Foresight, decide, successes
from imprint.analyses.raising.imagination import Growing, columns, foreseen, lived
from imprint.models.environments.coin import Coin
from imprint.models.imagination.walks import walk
from imprint.models.imagination.world_model import WorldModel
from imprint.models.states import rows
from tests.known.world_model import TrueModel


def rng(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def world() -> Coin:
    return Coin(Coin.Settings(varied=1.0))


def trial(world: Coin, model: WorldModel, events: tuple[int, ...] = (1,)) -> pieces.Trial:
    life = walk(world, world.levels(300, rng=rng(1)), 40, rng=rng(2))
    pool = pieces.rewarded_walks(world, 3 * max(events), rng(3))
    return pieces.Trial(world, model, life, pool, pieces.new_rooms(world, 30, 4, rng(4)), events, 3, 4)


def success(found: list[dict[str, Any]], arm: str) -> float:
    return float(np.mean([row["value"] for row in found if row["arm"] == arm]))


def test_one_taste_is_enough_where_the_model_and_the_concept_are_true(world: Coin) -> None:
    found = pieces.planned(trial(world, TrueModel(world)), rng(5))
    assert success(found, "planner") == 1.0
    assert success(found, "concept projected") < 0.4 and success(found, "taste elsewhere") < 0.4


def test_a_thought_without_the_concept_gives_no_plan(world: Coin) -> None:
    class Blind(TrueModel):
        def summary(self, maps: torch.Tensor) -> torch.Tensor:
            return super().summary(maps) * torch.tensor([0.0, 1.0, 1.0])

    assert success(pieces.planned(trial(world, Blind(world)), rng(5)), "planner") < 0.4


def test_nothing_is_valued_before_anything_was_tasted() -> None:
    weight, bias = columns(lived(torch.randn(500, 4, generator=rng(0)) + 3.0, 2))
    assert weight.shape == (4, 2) and not weight.any() and not bias.any()


def test_a_taste_is_felt_once_at_the_end(world: Coin) -> None:
    pool = pieces.rewarded_walks(world, 5, rng(3))
    frame = pool.last[:, None] + torch.arange(-pieces.WINDOW + 1, 1)
    felt = pieces.reward_of(pool, frame)
    assert torch.equal(felt, torch.tensor([0.0, 0.0, 0.0, 0.0, 1.0]).expand(5, -1))


def test_projecting_takes_out_that_part_and_no_other() -> None:
    weight, direction = torch.randn(5, 4, generator=rng(0)), torch.tensor([0.6, 0.8, 0.0, 0.0])
    left = pieces.without(weight, direction)
    torch.testing.assert_close(left @ direction, torch.zeros(5), atol=1e-6, rtol=0)
    torch.testing.assert_close(left[:, 2:], weight[:, 2:])
    torch.testing.assert_close(pieces.without(left, direction), left)


def test_rooms_are_near_and_none_has_a_rewarded_coin_or_walls(world: Coin) -> None:
    one = trial(world, TrueModel(world))
    away = world.distances(one.test.state)["coin"]
    assert int(away.min()) >= 2 and int(away.max()) <= 4
    walks = pieces.walk(world, rows(one.test.state, torch.tensor([0])), 5, rng=rng(0))
    same = pieces.Trial(world, one.model, one.life, walks, one.test, (1,), 1, 4)
    left = pieces.unrewarded(same, torch.tensor([0]))
    coins = one.test.state["coin"]
    assert torch.equal(left, torch.nonzero(coins != coins[0]).flatten())


def test_a_true_model_foresees_everything_and_a_newborn_does_not(world: Coin) -> None:
    walks = walk(world, world.levels(100, rng=rng(1)), 3, rng=rng(2))

    def right(model: WorldModel) -> list[float]:
        return [row["value"] for row in foreseen(model, walks) if row["metric"] in ("frame", "agent")]

    class Telling(TrueModel):
        def predicted(self, maps: torch.Tensor) -> torch.Tensor:
            return (maps - 0.5).transpose(2, 3).unflatten(3, (7, 7))

    assert right(Telling(world)) == [1.0] * 6
    assert max(right(WorldModel.born(WorldModel.Settings(), world.view, rng=rng(0)))) < 0.5


def test_a_model_free_learner_learns_a_room_it_was_rewarded_in_often(world: Coin) -> None:
    room = rows(world.levels(1, rng=rng(7)), torch.zeros(400, dtype=torch.int64))
    walks = walk(world, room, 40, rng=rng(8))
    ended = walks.rows(torch.nonzero(walks.ended.any(1)).flatten())
    assert len(ended.action) > 20
    model, state = TrueModel(world), rows(room, slice(3))
    away = int(world.distances(state)["coin"][0])
    taught = single(learn(model, [ended], rng=rng(9), thorough=True), 0)
    assert act(world, model, taught, state, steps=away, explore=0.0, rng=rng(0)).all()
    assert not act(world, model, taught, state, steps=away - 1, explore=0.0, rng=rng(0)).any()


# -- the rule ----------------------------------------------------------------------------------------------------------

GOOD = {"planner": 0.95, "model-free": 0.1, "concept projected": 0.11, "random projected": 0.94}


def table(values: dict[str, float], agent: float = 0.99) -> pd.DataFrame:
    rows_ = []
    for seed in range(6):
        wobble = 0.01 * (seed % 2)
        for arm, value in values.items():
            rows_.append({"seed": seed, "arm": arm, "events": 1, "metric": "success", "value": value + wobble, "n": 10})
        rows_.append({"seed": seed, "arm": "random sequences", "events": 0, "metric": "success", "value": 0.1 + wobble,
                      "n": 10})  # fmt: skip
        rows_.append({"seed": seed, "arm": "model", "metric": "agent", "step": 6, "value": agent, "n": 10})
    return pd.DataFrame(rows_)


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({}, "confirmed"),
        ({"planner": 0.6, "random projected": 0.6}, "refuted"),
        ({"model-free": 0.4}, "refuted"),
        ({"concept projected": 0.3}, "refuted"),
        ({"concept projected": 0.0}, "refuted"),
        ({"random projected": 0.8}, "refuted"),
        ({"planner": 0.797, "random projected": 0.797}, "undetermined"),
    ],
)
def test_the_rule_follows_the_card(change: dict[str, float], verdict: str) -> None:
    found = table({**GOOD, **change})
    assert decide(found, successes(found), 1, 6)[0] == verdict


def test_a_model_that_foresees_badly_decides_nothing() -> None:
    found = table(GOOD, agent=0.9)
    verdict, why = decide(found, successes(found), 1, 6)
    assert verdict == "undetermined" and "cannot be judged" in why


def test_a_short_life_runs_from_end_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("UPDATES", "THOROUGH"):
        monkeypatch.setattr(foresight_model_free, name, 3)
    monkeypatch.setattr(pieces, "MATCHED", 30)
    growing = Growing(walks=40, updates=2)
    question = load_question(
        "foresight",
        {"seeds": 2, "control_seeds": 2, "together": 2, "events": (1,), "draws": 1, "rooms": 10, "horizon": 2,
         "many": 4, "growing": growing.model_dump()},
    )  # fmt: skip
    assert isinstance(question, Foresight)
    tables = {p.name: p.function(**p.arguments, say=lambda *_: None) for p in question.work()}
    answer = question.conclude(tables, {})
    assert answer.verdict == "undetermined"
    arms = set(answer.exhibits[2].frame["arm"])
    assert {"planner", "model-free", "planner, model newborn", "planner, model not taught the end"} <= arms
    assert (answer.findings["metric"] == "success").sum() > 20
