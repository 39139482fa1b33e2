from __future__ import annotations

import pytest
import torch
from torch import Tensor

from imprint.models.environments.coin import Coin
from imprint.models.errors import ImprintError
from imprint.models.imagination.training import train
from imprint.models.imagination.walks import Walks, walk
from imprint.models.imagination.world_model import WorldModel

SETTINGS = WorldModel.Settings(channels=6, hidden=12, summary=5)


def rng(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def world() -> Coin:
    return Coin(Coin.Settings(varied=1.0, limit=12))


@pytest.fixture(scope="module")
def lived(world: Coin) -> Walks:
    return walk(world, world.levels(200, rng=rng(1)), 15, rng=rng(2))


def batch(walks: Walks) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    return walks.observation.float(), walks.action, walks.ended, walks.known


def test_walks_stop_at_the_coin_or_at_the_limit(world: Coin, lived: Walks) -> None:
    on_coin = (lived.observation[:, :, 1] * lived.observation[:, :, 2]).flatten(2).any(-1)
    assert torch.equal(lived.ended, on_coin & lived.known)
    assert lived.ended.any() and int(lived.last.max()) == world.settings.limit
    over = lived.ended.any(1)
    assert torch.equal(lived.last[over], lived.ended[over].float().argmax(1))
    assert (lived.last[~over] == world.settings.limit).all()


def test_half_of_the_segments_are_the_last_steps_of_walks_that_ended(lived: Walks) -> None:
    part = lived.segments(40, 3, rng=rng(3))
    assert part.observation.shape == (40, 4, 3, 7, 7) and part.known[:, 0].all()
    assert part.ended[:20].any(1).all() and not part.ended[:, 0].any()
    with pytest.raises(ImprintError, match="1 to 15"):
        lived.segments(4, 16, rng=rng(3))


def test_walks_refuse_a_world_of_grey_values(world: Coin) -> None:
    class Grey(Coin):
        def observe(self, state: dict[str, Tensor]) -> Tensor:
            return 0.5 * super().observe(state)

    with pytest.raises(ImprintError, match="binary planes"):
        walk(Grey(), Grey().levels(3, rng=rng(0)), 2, rng=rng(0))


def test_branching_is_stepping_with_every_action(world: Coin, lived: Walks) -> None:
    model = WorldModel.born(SETTINGS, world.view, rng=rng(4))
    maps = model.encode(lived.observation[:7, 0].float())
    branches = model.branch(maps)
    for action in range(world.view.actions):
        torch.testing.assert_close(branches[:, action], model.step(maps, torch.full((7,), action)))


def test_imagination_looks_once_and_hooks_see_it(world: Coin, lived: Walks) -> None:
    model = WorldModel.born(SETTINGS, world.view, rng=rng(4))
    observation, action = lived.observation[:5].float(), lived.action[:5]
    imagined, cache = model.run_with_cache(observation[:, 0], action)
    assert imagined.maps.shape == (5, 16, model.cells, 6) and imagined.summary.shape == (5, 16, 5)
    assert torch.equal(cache["hook_summary"], imagined.summary) and torch.equal(cache["hook_maps"], imagined.maps)
    seen = model.seen(observation)
    torch.testing.assert_close(seen.maps[:, 0], imagined.maps[:, 0])
    assert not torch.allclose(seen.maps[:, 5], imagined.maps[:, 5])


def test_a_cell_feels_only_its_neighbours_in_one_step(world: Coin) -> None:
    model = WorldModel.born(SETTINGS, world.view, rng=rng(4))
    maps = torch.randn(1, model.cells, 6, generator=rng(5))
    other = maps.clone()
    other[0, 24] += 1.0  # the middle of the room
    changed = (model.step(maps, torch.tensor([2])) - model.step(other, torch.tensor([2]))).abs().sum(-1)[0] > 1e-6
    near = torch.zeros(7, 7, dtype=torch.bool)
    near[2:5, 2:5] = True
    assert torch.equal(changed.reshape(7, 7), near)


def test_frames_after_the_end_do_not_count(world: Coin, lived: Walks) -> None:
    model = WorldModel.born(SETTINGS, world.view, rng=rng(4))
    observation, action, ended, known = batch(lived)
    garbage = torch.where(known[:, :, None, None, None], observation, 1.0)
    torch.testing.assert_close(
        model.objective(observation, action, ended, known), model.objective(garbage, action, ended, known)
    )
    assert not torch.allclose(
        model.objective(observation, action, ended, known), model.objective(1 - observation, action, ended, known)
    )


def test_without_ends_no_loss_reaches_the_summary(world: Coin, lived: Walks) -> None:
    for ends in (True, False):
        model = WorldModel.born(SETTINGS.model_copy(update={"ends": ends}), world.view, rng=rng(4))
        model.objective(*batch(lived)).backward()
        assert (model.to_summary.weight.grad is not None) == ends


def test_stacked_seeds_learn_as_one_alone_and_not_from_each_other(world: Coin, lived: Walks) -> None:
    other = walk(world, world.levels(50, rng=rng(8)), 15, rng=rng(9))

    def grown(seeds: list[int], second: Walks) -> WorldModel:
        models = [WorldModel.born(SETTINGS, world.view, rng=rng(s)) for s in seeds]
        orders = [rng(10 + s) for s in seeds]
        train(models, [lived, second][: len(seeds)], orders, updates=4, batch=16, length=3, learning_rate=5e-3)
        return models[0]

    pair, alone = grown([0, 1], other), grown([0], other)
    for (name, a), (_, b) in zip(pair.named_parameters(), alone.named_parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4, msg=name)
    again = grown([0, 1], lived)
    assert all(torch.equal(a, b) for a, b in zip(pair.parameters(), again.parameters(), strict=True))


def test_it_learns_to_foresee_moves_and_ends() -> None:
    world = Coin(Coin.Settings(varied=1.0))
    walks = walk(world, world.levels(300, rng=rng(1)), 30, rng=rng(2))
    model = WorldModel.born(WorldModel.Settings(), world.view, rng=rng(0))
    losses: list[float] = []

    def report(_: int, loss: Tensor) -> None:
        losses.append(float(loss))

    train([model], [walks], [rng(3)], updates=700, batch=24, length=2, learning_rate=1e-2, report=report)
    assert sum(losses[-20:]) < 0.12 * sum(losses[:20])
    fresh = walk(world, world.levels(300, rng=rng(4)), 2, rng=rng(5))
    with torch.no_grad():
        imagined = model(fresh.observation[:, 0].float(), fresh.action)
        guess = model.predicted(imagined.maps)[:, 1, 1].flatten(1).argmax(1)
    place = fresh.observation[:, 1, 1].flatten(1).float().argmax(1)
    before = fresh.observation[:, 0, 1].flatten(1).float().argmax(1)
    assert float((guess == place).float().mean()) > 0.9 > float((before == place).float().mean())
