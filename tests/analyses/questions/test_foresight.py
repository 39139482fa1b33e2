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
from imprint.probes.interventions.erase import Whitened
from tests.known.world_model import TrueModel


def rng(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(autouse=True)
def few_imagined_rooms(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "IMAGINED", 60)


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
    assert success(found, "taste elsewhere") < 0.4


def test_without_the_concept_where_it_is_all_there_is_no_plan_is_left(world: Coin) -> None:
    class Single(TrueModel):
        def summary(self, maps: torch.Tensor) -> torch.Tensor:
            return super().summary(maps) * torch.tensor([1.0, 0.0, 1.0])

    found = pieces.planned(trial(world, Single(world)), rng(5))
    assert success(found, "planner") == 1.0 and success(found, "concept erased, rank 1") < 0.4


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


def test_a_value_without_the_concept_is_the_value_of_erased_latents() -> None:
    latents, weight = torch.randn(300, 5, generator=rng(0)) + 2, torch.randn(5, 3, generator=rng(1))
    bias = torch.ones(3)
    on = torch.rand(300, generator=rng(2)) < 0.3
    latents[on] += torch.tensor([1.0, 0.0, 2.0, 0.0, 0.0])
    eraser = Whitened.of(latents).erase(on.double()[:, None])
    left, shift = pieces.erased(eraser, weight, bias)
    torch.testing.assert_close(latents @ left + shift, eraser.change(latents) @ weight + bias, atol=1e-4, rtol=0)
    value = latents @ left + shift
    torch.testing.assert_close(value[on].mean(0), value[~on].mean(0), atol=1e-4, rtol=0)


def test_higher_ranks_make_the_variance_on_the_coin_equal_too(world: Coin) -> None:
    """On the coin the first latent is +-3 at random: its mean tells nothing, its size does."""

    class Loud(TrueModel):
        def summary(self, maps: torch.Tensor) -> torch.Tensor:
            told = super().summary(maps)
            sign = torch.where(maps[..., 1].argmax(-1) % 2 == 0, 3.0, -3.0)
            return torch.stack([told[..., 0] * sign, told[..., 1], maps[..., 3:25, 1].sum(-1)], -1)

    one = trial(world, Loud(world))
    latents, on = pieces.imagined_near(one, rng(5))
    erasers = dict(pieces.erasers(one, rng(5)))

    def excess(rank: int) -> float:
        left = erasers[f"concept erased, rank {rank}"].change(latents)[:, 0]
        return float(left[on].var() / left[~on].var().clamp(min=1e-6))

    assert excess(1) > 2 and excess(2) < 0.5, (excess(1), excess(2))


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

CONCEPT, RANDOM = "concept erased, rank 1", "random erased, rank 1"
GOOD = {"planner": 0.95, "model-free": 0.1, CONCEPT: 0.11, RANDOM: 0.94}


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
        ({"planner": 0.6, RANDOM: 0.6}, "refuted"),
        ({"model-free": 0.4}, "refuted"),
        ({CONCEPT: 0.3}, "refuted"),
        ({CONCEPT: 0.0}, "refuted"),
        ({RANDOM: 0.8}, "refuted"),
        ({"planner": 0.797, RANDOM: 0.797}, "undetermined"),
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
    curve = answer.exhibits[3].frame
    assert set(curve["erased"]) == {"concept", "random"} and sorted(set(curve["rank"])) == list(pieces.RANKS)
