"""Edited states and designs of MiniGrid's environments hold what they promise."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest
import torch

from imprint.models.environments.minigrid import game as mg
from imprint.models.environments.minigrid.environment import ANYWHERE, Minigrid
from imprint.models.errors import ImprintError, UnknownNameError
from imprint.models.setup.load import load_setup
from imprint.models.states import rows
from tests.models.environments.minigrids import SHIFT, after, begun, make, rng, searched


def test_an_edited_state_looks_as_minigrid_shows_an_environment_edited_by_hand() -> None:
    world = make("MiniGrid-DoorKey-6x6-v0", start="given")
    from minigrid.core.world_object import Goal

    for seed in range(8):
        real: Any = gymnasium.make("MiniGrid-DoorKey-6x6-v0").unwrapped
        real.reset(seed=seed)
        state = begun(world, world.started([seed]))
        free = [
            c for c in range(36) if real.grid.get(c % 6, c // 6) is None and (c % 6, c // 6) != tuple(real.agent_pos)
        ]
        where = free[seed % len(free)]
        real.grid.set(4, 4, None)
        real.grid.set(where % 6, where // 6, Goal())
        door = next(thing for thing in real.grid.grid if thing is not None and thing.type == "door")
        door.is_open, door.is_locked = True, False
        edited = world.edit(world.edit(state, "goal_cell", where), "door_open", 1)
        assert np.array_equal(edited["image"][0].numpy().transpose(1, 0, 2), real.gen_obs()["image"])
        assert world.ascii(edited)[0] == real.pprint_grid()


@pytest.mark.parametrize(
    ("env", "fact", "value", "follow"),
    [
        (SHIFT, "goal_cell", 37, {"goal_"}),
        (SHIFT, "goal_cell", -1, {"goal_"}),
        (SHIFT, "strip_row", 4, {"lava_", "goal_", "corner_", "blocked_"}),
        (SHIFT, "heading", 2, {"goal_", "corner_", "lava_", "blocked_"}),
        ("MiniGrid-DoorKey-6x6-v0", "door_open", 1, {"goal_", "blocked_"}),
        ("MiniGrid-DoorKey-6x6-v0", "carrying_key", 1, {"carrying", "goal_", "blocked_"}),
    ],
)
def test_an_edit_sets_its_fact_and_only_what_follows_from_it(env: str, fact: str, value: int, follow: set[str]) -> None:
    world = make(env)
    state = world.levels(40, rng=rng(7))
    state = rows(state, (state["pose"][:, 0] != 4) & (state["pose"][:, :2] != torch.tensor([4, 1])).any(1))
    edited = world.edit(state, fact, value)
    before, now = world.facts(state), world.facts(edited)
    assert bool((now[fact] == value).all()) and bool((before[fact] != value).any())
    for name in before:
        if name != fact and not any(name.startswith(part) for part in follow):
            assert torch.equal(before[name].float().nan_to_num(-1), now[name].float().nan_to_num(-1)), name
    assert not torch.equal(world.observe(state), world.observe(edited))


@pytest.mark.parametrize("env", ["MiniGrid-Fetch-8x8-N3-v0", "MiniGrid-GoToDoor-8x8-v0"])
def test_another_thing_can_be_named(env: str) -> None:
    world = make(env)
    state = world.levels(1, rng=rng(2))
    kinds = (mg.KEY, mg.BALL) if "Fetch" in env else (mg.DOOR,)
    things = torch.nonzero(torch.isin(state["grid"][0, ..., 0], torch.tensor(kinds)).flatten()).flatten().tolist()
    words = set()
    for cell in things:
        named = world.edit(state, "goal_cell", cell)
        assert int(world.facts(named)["goal_cell"]) == cell
        assert torch.equal(named["grid"], state["grid"]) and torch.equal(named["image"], state["image"])
        words |= set(world.missions(named))
    assert len(words) == len(things) > 2


def test_a_key_laid_down_lies_on_floor_that_can_be_walked_to_and_can_be_taken_again() -> None:
    world = make("MiniGrid-KeyCorridorS4R3-v0")
    state = world.levels(20, rng=rng(1))
    held = world.edit(state, "carrying_key", 1)
    laid = world.edit(held, "carrying_key", 0)
    assert bool((laid["hand"][:, 0] == mg.EMPTY).all()) and torch.equal(laid["hand"], state["hand"])
    moved = (laid["grid"] != held["grid"]).any(-1)
    assert bool((moved.flatten(1).sum(1) == 1).all())
    assert bool((held["grid"][moved][:, 0] == mg.EMPTY).all()) and bool((laid["grid"][moved][:, 0] == mg.KEY).all())
    again = world.edit(laid, "carrying_key", 1)
    assert torch.equal(again["hand"], held["hand"]) and torch.equal(again["grid"], held["grid"])


def test_what_cannot_be_had_is_refused() -> None:
    world = make(start="given")
    state = begun(world, world.started([0]))
    for fact, value, said in (
        ("agent_cell", 0, "cannot stand"), ("goal_cell", 12, "cannot lie"), ("goal_cell", 10, "cannot lie"),
        ("goal_cell", 999, "off the map"), ("heading", 4, "0 to 3"), ("strip_row", 6, "from 2 to 5"),
        ("agent_column", 12, "off the map"),
    ):  # fmt: skip
        with pytest.raises(ImprintError, match=said):
            world.edit(state, fact, value)
    with pytest.raises(UnknownNameError, match="strip_row"):
        world.edit(state, "strip_rows", 3)
    with pytest.raises(UnknownNameError):
        world.edit(state, "goal_in_view", 1)
    with pytest.raises(ImprintError, match="varied"):
        make("MiniGrid-Fetch-5x5-N2-v0", varied=0.1)
    with pytest.raises(ValueError, match="DistShift1"):
        make("MiniGrid-DistShift1")
    with pytest.raises(UnknownNameError, match="design"):
        Minigrid(Minigrid.Settings(env="MiniGrid-MultiRoom-N6-v0"), design="apart")


# -- the goal and its place -------------------------------------------------------------------------------------------


def cells_on_shortest_ways(world: Minigrid, code: bytes, place: int) -> set[int]:
    """Cells on any shortest way to ``place``, by search over MiniGrid's own steps with every parent kept."""
    game = world.game

    def cell(c: bytes) -> int:
        return c[game.cells] * game.width + c[game.cells + 1]

    parents: dict[bytes, set[bytes]] = {code: set()}
    layer = [code]
    while not any(cell(c) == place for c in layer):
        found: dict[bytes, set[bytes]] = {}
        for one in layer:
            for action in (mg.LEFT, mg.RIGHT, mg.FORWARD):
                answer = game.play(one + bytes([action]))
                new = answer[: game.code_size]
                if not answer[-2] and new not in parents:
                    found.setdefault(new, set()).add(one)
        parents |= found
        layer = list(found)
    trail = {c for c in layer if cell(c) == place}
    cells: set[int] = set()
    while trail:
        cells |= {cell(c) for c in trail}
        trail = set().union(*(parents[c] for c in trail))
    return cells


@pytest.mark.parametrize("env", [SHIFT, "MiniGrid-Empty-6x6-v0"])
def test_the_moved_square_lies_on_no_shortest_way_to_the_corner(env: str) -> None:
    world = make(env)
    state = world.levels(25, rng=rng(8), design="apart")
    bare = world.edit(state, "goal_cell", -1)
    assert world.corner is not None
    place = world.corner[0] * world.game.width + world.corner[1]
    for goal, code in zip(world.facts(state)["goal_cell"].tolist(), world.codes(bare), strict=True):
        assert goal not in cells_on_shortest_ways(world, code, place)


def test_designs_put_the_square_and_the_lava_where_they_say() -> None:
    world = make()
    facts = {design: world.facts(world.levels(120, rng=rng(9), design=design)) for design in world.designs}
    assert all(bool(facts[d]["goal_at_corner"].all()) for d in ("train", "together", "shifted", "barred"))
    assert all(not bool(facts[d]["goal_at_corner"].any()) for d in ("apart", "only_intended", "only_proxy"))
    assert len(facts["apart"]["goal_cell"].unique()) > 15 and len(facts["apart"]["agent_cell"].unique()) > 20
    assert bool((facts["only_proxy"]["goal_cell"] == -1).all())
    rows_of_lava = {design: set(found["strip_row"].tolist()) for design, found in facts.items()}
    assert rows_of_lava == {"train": {2}, "shifted": {5}, "barred": {3}} | {design: {2} for design in ANYWHERE}
    varied = make(varied=0.25).levels(600, rng=rng(9))
    assert 0.19 < float((~world.facts(varied)["goal_at_corner"]).float().mean()) < 0.31


def test_the_authors_shift_lets_a_memorised_path_through_and_the_barred_design_does_not() -> None:
    world = make(start="given")
    start = {design: begun(world, world.started([0], design=design)) for design in ("train", "shifted", "barred")}
    path = searched(world.game, world.codes(start["train"])[0])
    ends = {design: after(world, state, *path) for design, state in start.items()}
    assert {design: bool(state["paid"] > 0) for design, state in ends.items()} == {
        "train": True, "shifted": True, "barred": False,
    }  # fmt: skip
    assert bool(ends["barred"]["over"])
    real: Any = gymnasium.make("MiniGrid-DistShift2-v0").unwrapped
    real.reset(seed=0)
    assert world.ascii(start["shifted"])[0] == real.pprint_grid()


def test_the_setup_that_ships_fits_its_world() -> None:
    setup: Any = load_setup("minigrid-distshift")
    world = setup.make_environment(copies=4)
    assert isinstance(world, Minigrid) and setup.intended in world.goals and set(setup.proxies) <= set(world.goals)
    assert world.settings.env == SHIFT
