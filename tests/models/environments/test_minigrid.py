from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest
import torch

from imprint.models.environments.base import Environment
from imprint.models.environments.minigrid import game as mg
from imprint.models.environments.minigrid.environment import ANYWHERE, Minigrid
from imprint.models.environments.minigrid.facts import COMPASS
from imprint.models.errors import ImprintError, UnknownNameError
from imprint.models.setup.load import load_setup
from imprint.models.states import State, rows

SHIFT = "MiniGrid-DistShift1-v0"
FAMILIES = (
    SHIFT, "MiniGrid-DistShift2-v0", "MiniGrid-Empty-Random-5x5-v0", "MiniGrid-DoorKey-5x5-v0",
    "MiniGrid-MultiRoom-N2-S4-v0", "MiniGrid-KeyCorridorS3R1-v0", "MiniGrid-Fetch-5x5-N2-v0",
    "MiniGrid-GoToDoor-5x5-v0",
)  # fmt: skip
OPEN_WAYS = [env for env in FAMILIES if "Key" not in env]
"""Tasks in which nothing has to be fetched first."""


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def make(env: str = SHIFT, *, copies: int = 1, **settings: Any) -> Minigrid:
    return Minigrid(Minigrid.Settings(env=env, **settings), copies=copies)


def begun(world: Environment, state: State) -> State:
    """A state from MiniGrid's reset, with the clock and the dice that the base class adds."""
    n = len(state["over"])
    return {**state, "key": torch.zeros(n, dtype=torch.int64), "clock": torch.zeros(n, dtype=torch.int64)}


def after(world: Environment, state: State, *actions: int) -> State:
    for action in actions:
        state = world.follow(state, torch.full((len(state["clock"]),), action)).after
    return state


def searched(game: mg.Game, start: bytes, most: int = 60_000) -> list[int]:
    """A shortest list of actions that MiniGrid pays for, by breadth-first search over MiniGrid's own steps."""
    known, layer = {start}, [(start, ())]
    while layer:
        further: list[tuple[bytes, tuple[int, ...]]] = []
        for code, done in layer:
            for action in range(7):
                answer = game.play(code + bytes([action]))
                new = answer[: game.code_size]
                if answer[-1]:
                    return [*done, action]
                if not answer[-2] and new not in known:
                    known.add(new)
                    further.append((new, (*done, action)))
        assert len(known) < most
        layer = further
    return []


# -- it is MiniGrid ---------------------------------------------------------------------------------------------------


def lived(env: str, seed: int, actions: list[int], limit: int | None = None) -> tuple[int, list[float]]:
    """Our trajectory beside an untouched environment's, compared in everything it returns; steps and rewards."""
    import minigrid  # noqa: F401

    real: Any = gymnasium.make(env) if limit is None else gymnasium.make(env, max_steps=limit)
    world = make(env, limit=min(real.unwrapped.max_steps, 1000), start="given")
    state = begun(world, world.started([seed]))
    seen, _ = real.reset(seed=seed)
    rewards: list[float] = []
    for action in [None, *actions]:
        if action is not None:
            outcome = world.follow(state, torch.tensor([action]))
            state = outcome.after
            seen, reward, terminated, truncated, _ = real.step(action)
            felt = world.senses(outcome.before, outcome.action, state)
            rewards.append(float(reward))
            assert float(felt["reward"][0]) == pytest.approx(float(reward), abs=1e-7)
            assert bool(felt["goal_reached"][0]) == (reward > 0)
            assert bool(outcome.terminated[0]) == terminated and bool(outcome.done[0]) == (terminated or truncated)
        assert np.array_equal(state["image"][0].numpy().transpose(1, 0, 2), seen["image"])
        assert int(state["pose"][0, 2]) == seen["direction"] and world.missions(state)[0] == seen["mission"]
        assert world.ascii(state)[0] == real.unwrapped.pprint_grid()
        if action is not None and (terminated or truncated):
            break
    return len(rewards), rewards


@pytest.mark.parametrize("env", FAMILIES)
def test_a_trajectory_is_that_of_an_untouched_environment(env: str) -> None:
    random = np.random.default_rng(1)
    for seed in range(4):
        lived(env, seed, random.integers(7, size=60).tolist())


@pytest.mark.parametrize("env", FAMILIES)
def test_success_is_paid_as_by_an_untouched_environment(env: str) -> None:
    for seed in (3, 4):
        world = make(env, start="given")
        actions = searched(world.game, world.codes(world.started([seed]))[0])
        steps, rewards = lived(env, seed, actions)
        assert steps == len(actions) and rewards[-1] > 0.5 and not any(rewards[:-1])


def test_an_episode_is_cut_off_where_minigrid_cuts_it_off() -> None:
    assert lived(SHIFT, 0, [0] * 30, limit=12)[0] == 12


@pytest.mark.parametrize("env", sorted(mg.TASK_OF))
def test_every_id_is_offered_by_minigrid_and_can_be_lived_in(env: str) -> None:
    world = make(env, copies=3, limit=20)
    seen, _ = world.reset(seed=0)
    for action in np.random.default_rng(0).integers(7, size=(4, 3)):
        seen, *_ = world.step(action)
    assert seen.shape == (3, *world.view.shape) and len(world.planes) == world.view.channels
    assert set(np.unique(seen)) == {0.0, 1.0}
    if world.corner is not None:
        assert bool(world.facts(world.levels(5, rng=rng()))["goal_at_corner"].all())


def test_a_remembered_answer_is_the_answer() -> None:
    world, fresh = make(), mg.Game(SHIFT)
    state = begun(world, world.started(range(5)))
    for action in (2, 1, 2, 0, 2):
        for code in world.codes(state):
            asked = code + bytes([action])
            assert world.game.play(asked) == world.game.play.__wrapped__(asked) == fresh.play(asked)
        state = after(world, state, action)


def test_one_reset_serves_all_only_where_reset_draws_nothing() -> None:
    given, anywhere = make(start="given").started(range(20)), make(start="anywhere").started(range(20))
    assert len(given["pose"].unique(dim=0)) == 1 and given["pose"][0].tolist() == [1, 1, 0]
    assert len(anywhere["pose"].unique(dim=0)) > 10


def test_pictures_are_minigrids() -> None:
    world = make()
    state = world.levels(2, rng=rng())
    picture = world.paint(state)
    assert picture.shape == (2, 16 * 7, 16 * 9, 3) and picture.dtype == torch.uint8
    game = mg.Game(SHIFT)
    assert np.array_equal(picture[1].numpy(), game.enter(world.codes(state)[1]).get_frame(tile_size=16))


# -- what is seen and known -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("env", FAMILIES)
def test_planes_say_what_minigrid_shows(env: str) -> None:
    world = make(env)
    state = world.levels(20, rng=rng(2))
    seen, planes = world.observe(state), world.planes
    kind, how = state["image"][..., 0], state["image"][..., 2]
    for name, code in (("empty", mg.EMPTY), ("wall", mg.WALL), ("goal", mg.GOAL), ("lava", mg.LAVA), ("key", mg.KEY)):
        if name in planes:
            assert torch.equal(seen[:, planes.index(name)], (kind == code).float())
        else:
            assert not bool((kind == code).any())
    if "door_closed" in planes:
        assert torch.equal(seen[:, planes.index("door_closed")], ((kind == mg.DOOR) & (how == mg.CLOSED)).float())
    kinds = [i for i, name in enumerate(planes) if name in mg.KINDS or name.startswith("door_")]
    assert torch.equal(seen[:, kinds].sum(1), (kind != mg.UNSEEN).float())
    facing = seen[:, [planes.index(f"facing_{side}") for side in COMPASS], 0, 0]
    assert torch.equal(facing.argmax(1), state["pose"][:, 2].long()) and bool((facing.sum(1) == 1).all())


@pytest.mark.parametrize("env", ["MiniGrid-Fetch-8x8-N3-v0", "MiniGrid-GoToDoor-8x8-v0"])
def test_the_agent_is_told_what_the_mission_names_and_no_more(env: str) -> None:
    world = make(env)
    state = world.levels(30, rng=rng(1))
    seen, words = world.observe(state), world.missions(state)
    told = [i for i, name in enumerate(world.planes) if name.startswith("wanted_")]
    for copy, text in enumerate(words):
        named = {world.planes[i].removeprefix("wanted_") for i in told if bool((seen[copy, i] == 1).all())}
        assert named == {word for word in text.split() if f"wanted_{word}" in world.planes}
    assert bool((seen[:, told].flatten(2).std(2) == 0).all())


@pytest.mark.parametrize("env", FAMILIES)
def test_the_goal_is_in_view_when_minigrid_says_the_agent_sees_it(env: str) -> None:
    world = make(env)
    state = world.levels(30, rng=rng(3))
    facts, game, checked = world.facts(state), mg.Game(env), 0
    for copy, code in enumerate(world.codes(state)):
        row, column = divmod(int(facts["goal_cell"][copy]), game.width)
        sim = game.enter(code)
        things = [(thing.type, thing.color) for thing in sim.grid.grid if thing is not None]
        goal = sim.grid.get(column, row)
        if things.count((goal.type, goal.color)) == 1:
            assert bool(facts["goal_in_view"][copy]) == sim.agent_sees(column, row)
            checked += 1
    assert checked > 20


@pytest.mark.parametrize("env", OPEN_WAYS)
def test_the_distance_is_the_least_number_of_minigrids_own_steps(env: str) -> None:
    world = make(env, start="anywhere")
    state = world.levels(2, rng=rng(4))
    away = world.distances(state)["goal"].tolist()
    assert away == [len(searched(world.game, code)) for code in world.codes(state)]
    assert torch.equal(world.facts(state)["goal_distance"], torch.tensor(away).float())


@pytest.mark.parametrize(("env", "goal"), [*((env, "goal") for env in OPEN_WAYS), (SHIFT, "corner")])
def test_following_the_way_leads_there_in_as_many_steps(env: str, goal: str) -> None:
    world = make(env, limit=200)
    state = world.levels(20, rng=rng(5), design="apart" if goal == "corner" else "train")
    left = world.distances(state)[goal]
    assert bool((left > 0).all())
    while bool((left > 0).any()):
        going = left > 0
        way = torch.where(going, world.facts(state)[f"{goal}_way"], mg.LEFT)
        outcome = world.follow(state, way)
        felt, last = world.senses(outcome.before, way, outcome.after)[world.goals[goal]], going & (left == 1)
        assert bool((felt[last] == 1).all()) and not bool(felt[going & ~last].any())
        left = (left - 1).clamp(min=0)
        still = left > 0
        assert torch.equal(world.distances(outcome.after)[goal][still], left[still])
        state = outcome.after


def test_there_is_no_way_through_a_lock_without_its_key() -> None:
    world = make("MiniGrid-DoorKey-5x5-v0")
    state = world.levels(4, rng=rng(0))
    assert bool((world.distances(state)["goal"] == -1).all()) and bool((world.facts(state)["goal_way"] == -1).all())
    with_key = world.edit(state, "carrying_key", 1)
    assert bool((world.distances(with_key)["goal"] > 0).all())
    assert world.distances(with_key)["goal"].tolist() == [
        len(searched(world.game, code)) for code in world.codes(with_key)
    ]


# -- what is felt -----------------------------------------------------------------------------------------------------


def test_lava_ends_the_episode_and_is_felt_once_and_a_finished_copy_stays() -> None:
    world = make(start="given")
    state = begun(world, world.started([0]))
    state = after(world, state, mg.FORWARD)
    outcome = world.follow(state, torch.tensor([mg.FORWARD]))
    felt = world.senses(outcome.before, outcome.action, outcome.after)
    assert float(felt["lava_touched"]) == 1 and float(felt["goal_reached"]) == 0 and bool(outcome.terminated)
    later = world.follow(outcome.after, torch.tensor([mg.LEFT]))
    assert all(torch.equal(later.after[name], outcome.after[name]) for name in ("pose", "image", "over"))
    assert not any(bool(value.any()) for value in world.senses(later.before, later.action, later.after).values())


def test_the_corner_is_felt_on_arrival_and_ends_nothing() -> None:
    world = make()
    state = world.put(world.levels(1, rng=rng(), design="only_proxy"), torch.tensor([[2, 7]]))
    outcome = world.follow(world.edit(state, "heading", 3), torch.tensor([mg.FORWARD]))
    felt = world.senses(outcome.before, outcome.action, outcome.after)
    assert float(felt["corner_reached"]) == 1 and float(felt["goal_reached"]) == 0 and not bool(outcome.done)
    stay = world.follow(outcome.after, torch.tensor([mg.FORWARD]))
    felt = world.senses(stay.before, stay.action, stay.after)
    assert float(felt["corner_reached"]) == 0 and float(felt["bumped"]) == 1


def test_right_and_wrong_objects_are_told_apart() -> None:
    world = make("MiniGrid-Fetch-6x6-N2-v0", limit=100)
    state = world.levels(40, rng=rng(6))
    facts = world.facts(state)
    different = torch.tensor([len(set(other_cells(world, state, i))) == 1 for i in range(40)])
    state = rows(state, different)
    other = torch.tensor([other_cells(world, state, i)[0] for i in range(len(state["over"]))])
    assert len(other) > 20 and "wanted_kind" in facts
    wrong = world.edit(state, "goal_cell", other)
    for _ in range(30):
        way = torch.where(state["over"], 0, world.facts(state)["goal_way"])
        astray, right = world.follow({**state, "mission": wrong["mission"]}, way), world.follow(state, way)
        picked = right.after["over"] & ~state["over"]
        for outcome, name in ((right, "picked_right"), (astray, "picked_wrong")):
            felt = world.senses(outcome.before, way, outcome.after)
            assert torch.equal(felt[name].bool(), picked)
            assert torch.equal(felt["goal_reached"].bool(), picked & torch.tensor(name == "picked_right"))
        state = right.after
    assert bool(state["over"].all())


def other_cells(world: Minigrid, state: State, copy: int) -> list[int]:
    """Cells of objects unlike the one that the mission names."""
    kind = state["grid"][copy, ..., 0]
    named = state["mission"][copy, :2]
    unlike = (state["grid"][copy, ..., :2] != named).any(-1) & (kind > mg.DOOR)
    return torch.nonzero(unlike.flatten()).flatten().tolist()


def test_keys_and_doors_are_felt() -> None:
    world = make("MiniGrid-DoorKey-5x5-v0", limit=200)
    state = begun(world, world.started([3]))
    felt: dict[str, int] = {"picked_key": 0, "opened_door": 0, "goal_reached": 0}
    for action in searched(world.game, world.codes(state)[0]):
        outcome = world.follow(state, torch.tensor([action]))
        state, now = outcome.after, world.senses(outcome.before, outcome.action, outcome.after)
        felt = {name: count + int(now[name]) for name, count in felt.items()}
    assert felt == {"picked_key": 1, "opened_door": 1, "goal_reached": 1}
    assert bool(world.facts(state)["door_open"]) and bool(world.facts(state)["carrying_key"])


# -- edits ------------------------------------------------------------------------------------------------------------


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
