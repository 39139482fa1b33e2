from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from imprint.models.errors import ImprintError
from imprint.models.setup.load import load_setup
from imprint.models.worlds.doorkey import episodes as episodes
from imprint.models.worlds.doorkey.episodes import (
    CLOSED,
    FORWARD,
    KEY,
    OPEN,
    Habits,
    record_episode,
    recorded_pool,
    rerender,
    route,
)
from imprint.models.worlds.doorkey.world import DISTANCES, HAND, DoorKey, recorded_facts

ENV = "MiniGrid-DoorKey-6x6-v0"
SMALL: dict[str, Any] = {"pool": 400, "held_out_pool": 200}
WORLD = DoorKey(DoorKey.Settings(**SMALL))


def rng(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_rendering_a_recorded_state_gives_the_recorded_frame() -> None:
    pool = WORLD.pool()
    for row, state in enumerate(pool["state"].tolist()):
        again = rerender(ENV, tuple(state), bool(pool["carrying"][row]), bool(pool["draught"][row, -1]))
        assert torch.equal(again, pool["shown"][row, -1])


def test_facts_are_those_of_the_simulator() -> None:
    random, checked = np.random.default_rng(5), 0
    world = DoorKey(DoorKey.Settings(steps=24))
    while checked < 60:
        episode = record_episode(ENV, Habits(24, "raising", 0.4, 0.3), random)
        if episode is None:
            continue
        sim: Any = episodes.simulator(ENV).unwrapped
        noise = {name: value[None] for name, value in episode.items()}
        fact = world.facts(recorded_facts(noise), noise, noise["shown"]).iloc[0]
        wall, row = episode["state"][:2].tolist()
        door = sim.grid.get(wall, row)
        goal = (sim.width - 2, sim.height - 2)
        assert fact["carrying_key"] == (sim.carrying is not None)
        assert fact["door_open"] == door.is_open
        assert fact["goal_in_view"] == sim.agent_sees(*goal)
        assert fact["door_in_view"] == sim.agent_sees(wall, row)
        assert fact["beyond_door"] == (sim.agent_pos[0] > wall)
        assert fact["goal_distance"] in DISTANCES and fact["goal_near"] == (fact["goal_distance"] == "near")
        if sim.carrying is None:
            key = tuple(episode["state"][2:4].tolist())
            assert sim.grid.get(*key).type == "key" and fact["key_in_view"] == sim.agent_sees(*key)
        checked += 1


def test_no_episode_ends_early_or_in_the_doorway() -> None:
    state = dict(zip(episodes.STATE, WORLD.pool()["state"].T, strict=True))
    goal = WORLD.size - 2
    assert not bool(((state["x"] == goal) & (state["y"] == goal)).any())
    assert not bool(((state["x"] == state["wall"]) & (state["y"] == state["door_row"])).any())
    assert WORLD.pool()["shown"].shape == (400, WORLD.settings.steps, 7, 7)


@pytest.mark.parametrize("fact", ["carrying_key", "door_open"])
def test_counterfactuals_keep_the_past_and_come_back(fact: str) -> None:
    batch = WORLD.sample(120, rng=rng(0), design="balanced")
    twin = WORLD.counterfactual(batch, fact, ~batch.concepts[fact].to_numpy(dtype=bool))
    assert torch.equal(twin.observation[:, :-1], batch.observation[:, :-1])
    assert torch.equal(twin.observation[:, -1, 7:], batch.observation[:, -1, 7:])
    back = WORLD.counterfactual(twin, fact, batch.concepts[fact].to_numpy(dtype=bool))
    assert torch.equal(back.observation, batch.observation) and back.concepts.equals(batch.concepts)


def test_a_carried_key_shows_in_the_hand_and_a_put_back_key_does_not() -> None:
    batch = WORLD.sample(120, rng=rng(1))
    held, free = (
        WORLD.counterfactual(batch, "carrying_key", value).observation[:, -1, KEY - 1] for value in (True, False)
    )
    assert bool((held[:, HAND[0], HAND[1]] == 1).all()) and bool((held.sum((1, 2)) == 1).all())
    assert bool((free[:, HAND[0], HAND[1]] == 0).all()) and bool((free.sum((1, 2)) <= 1).all())


def test_a_door_out_of_view_opens_unseen() -> None:
    batch = WORLD.sample(300, rng=rng(2), design="balanced")
    twin = WORLD.counterfactual(batch, "door_open", True)
    unseen = ~batch.concepts["door_in_view"].to_numpy(dtype=bool)
    assert unseen.sum() > 20
    assert torch.equal(twin.observation[unseen], batch.observation[unseen])
    assert twin.concepts["door_open_unseen"][unseen].all()
    seen = torch.from_numpy(~unseen)
    doors = twin.observation[seen, -1, OPEN - 1 : CLOSED].flatten(2).sum(2)
    assert bool((doors == torch.tensor([1.0, 0.0])).all())


def test_what_follows_from_the_state_cannot_be_set() -> None:
    batch = WORLD.sample(4, rng=rng(0))
    with pytest.raises(ImprintError, match=r"cannot intervene on 'goal_in_view'.*carrying_key, door_open"):
        WORLD.counterfactual(batch, "goal_in_view", True)
    with pytest.raises(ImprintError, match="simulated past"):
        WORLD.sample(4, rng=rng(0), do={"door_open": True})


def test_the_balanced_design_is_exact_and_names_what_never_happens() -> None:
    assert WORLD.missing_cells() == ()
    facts = WORLD.sample(160, rng=rng(3), design="balanced").concepts
    assert facts.groupby(list(WORLD.settings.balance)).size().tolist() == [20] * 8
    strict = DoorKey(DoorKey.Settings(**SMALL, balance=("beyond_door", "goal_in_view", "door_open")))
    assert {"beyond_door": False, "goal_in_view": True, "door_open": False} in strict.missing_cells()
    cells = len(
        strict.sample(200, rng=rng(3), design="balanced").concepts.groupby(list(strict.settings.balance)).size()
    )
    assert cells == 8 - len(strict.missing_cells())


def test_a_row_is_used_once_before_any_is_used_twice() -> None:
    smallest = min(len(members) for members in WORLD.combinations().values())
    rows = WORLD.sample(8 * smallest, rng=rng(4), design="balanced").noise
    seen = torch.cat([rows["shown"].flatten(1), rows["actions"]], dim=1)
    pool = WORLD.pool()
    whole = torch.cat([pool["shown"].flatten(1), pool["actions"]], dim=1)
    twins = len(whole) - len(torch.unique(whole, dim=0))
    assert len(torch.unique(seen, dim=0)) >= len(seen) - twins


def test_senses_feel_what_they_should() -> None:
    batch = WORLD.sample(200, rng=rng(5))
    senses = WORLD.senses(batch)
    assert torch.equal(
        senses["greenness"][:, -1] > 0, torch.from_numpy(batch.concepts["goal_in_view"].to_numpy().copy())
    )
    assert torch.equal(senses["weight"][:, -1] > 0, torch.from_numpy(batch.concepts["carrying_key"].to_numpy().copy()))
    assert float(senses["draught"][:, 0].max()) == 0.0
    opened = WORLD.senses(WORLD.counterfactual(batch, "door_open", True))["draught"]
    assert bool((opened[:, -1] == 1).all()) and torch.equal(opened[:, :-1], senses["draught"][:, :-1])


def test_maps_are_split_and_pools_are_reproducible() -> None:
    one = recorded_pool.__wrapped__(ENV, Habits(6, "held_out", 0.4, 0.3), 50, 3)
    same = recorded_pool.__wrapped__(ENV, Habits(6, "held_out", 0.4, 0.3), 50, 3)
    other = recorded_pool.__wrapped__(ENV, Habits(6, "held_out", 0.4, 0.3), 50, 4)
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["shown"], other["shown"])
    raising = set(WORLD.pool()["group"].tolist())
    assert len(raising) == 24 and raising.isdisjoint(one["group"].tolist())


def test_routes_are_shortest_paths() -> None:
    free = frozenset((x, y) for x in range(1, 5) for y in range(1, 5))
    assert route(free, (1, 1, 0), (3, 1)) == FORWARD
    assert route(free, (1, 1, 1), (3, 1)) == episodes.LEFT
    assert route(free, (1, 1, 3), (3, 1)) == episodes.RIGHT
    assert route(frozenset({(1, 1)}), (1, 1, 0), (4, 4)) is None


@pytest.mark.parametrize("env", ["MiniGrid-Empty-6x6-v0", "MiniGrid-DoorKey-7x7-v0"])
def test_only_doorkey_sizes_are_allowed(env: str) -> None:
    with pytest.raises(ValidationError, match="DoorKey-6x6"):
        DoorKey.Settings(env=env)


def test_a_misspelt_concept_to_balance_suggests_the_near_miss() -> None:
    with pytest.raises(ValidationError, match="Did you mean 'door_open'"):
        DoorKey.Settings(balance=("door_opne",))


def test_the_other_sizes_work() -> None:
    for size in (5, 8):
        world = DoorKey(DoorKey.Settings(env=f"MiniGrid-DoorKey-{size}x{size}-v0", pool=50, held_out_pool=50))
        batch = world.sample(20, rng=rng(0))
        assert batch.observation.shape == (20, 20, 13, 7, 7)


def test_the_setup_that_ships_is_whole() -> None:
    setup = load_setup("doorkey")
    world = setup.make_world()
    assert isinstance(world, DoorKey)
    world.require(*setup.located)
    assert {setup.intended, *setup.proxies} == set(world.settings.balance)
