from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from imprint.models.environments.coin import CELLS, Coin
from imprint.models.errors import ImprintError
from imprint.models.imagination.planner import Planner, carried_out, sequences
from imprint.models.imagination.world_model import WorldModel
from tests.known.world_model import TrueModel


def rng(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(("actions", "horizon"), [(2, 3), (4, 2), (3, 1)])
def test_all_sequences_are_there_in_order(actions: int, horizon: int) -> None:
    assert [tuple(row) for row in sequences(actions, horizon).tolist()] == list(
        itertools.product(range(actions), repeat=horizon)
    )


def test_a_true_model_and_a_true_value_reach_every_coin_within_the_horizon() -> None:
    world = Coin(Coin.Settings(varied=1.0))
    levels = world.levels(60, rng=rng(0))
    near = world.distances(levels)["coin"] <= 4
    plan = Planner(TrueModel(world), 4).plan(world.observe(levels), torch.tensor([[1.0], [0.0], [0.0]]), torch.zeros(1))
    taken = carried_out(world, levels, plan.action[:, 0])["coin_taken"].any(1)
    assert near.any() and not near.all()
    assert torch.equal(taken, near) and torch.equal(plan.value[:, 0] > 0.5, near)


@given(st.integers(0, 1000))
@settings(max_examples=10, deadline=None)
def test_the_tree_agrees_with_imagining_sequence_by_sequence(seed: int) -> None:
    world = Coin(Coin.Settings(varied=1.0))
    model = WorldModel.born(WorldModel.Settings(channels=4, hidden=6, summary=3), world.view, rng=rng(seed))
    observation = world.observe(world.levels(3, rng=rng(seed)))
    for read, width in (("summary", 3), ("maps", 4 * CELLS)):
        weight, bias = torch.randn(width, 2, generator=rng(seed)), torch.randn(2, generator=rng(seed + 1))
        found = Planner(model, 3, read).values(observation, weight, bias)  # type: ignore[arg-type]
        with torch.no_grad():
            imagined = model(observation.repeat_interleave(64, 0), sequences(4, 3).repeat(3, 1))
            seen = imagined.summary if read == "summary" else imagined.maps.flatten(2)
            expected = (seen[:, 1:] @ weight + bias).amax(1).unflatten(0, (3, 64))
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_nothing_is_felt_after_the_end() -> None:
    world = Coin()
    level = world.levels(1, rng=rng(0))
    level = world.edit(level, "coin_cell", 6)
    level = {**level, "walls": torch.zeros(1, 7, 7, dtype=torch.bool), "agent": torch.tensor([5])}
    there_and_back = torch.tensor([[1, 3, 1]])
    assert world.actions[1] == "right" and world.actions[3] == "left"
    felt = carried_out(world, level, there_and_back)
    assert felt["coin_taken"].tolist() == [[1.0, 0.0, 0.0]]
    assert felt["corner_reached"].tolist() == [[1.0, 0.0, 0.0]]


def test_a_horizon_that_is_too_long_is_refused() -> None:
    model = WorldModel.born(WorldModel.Settings(), Coin().view, rng=rng(0))
    with pytest.raises(ImprintError, match="sequences"):
        Planner(model, 9)
