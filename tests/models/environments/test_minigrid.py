from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest
import torch

from imprint.models.environments.minigrid import game as mg
from imprint.models.environments.minigrid.environment import Minigrid
from imprint.models.environments.minigrid.facts import COMPASS
from imprint.models.states import State, rows
from tests.models.environments.minigrids import SHIFT, after, begun, make, rng, searched

FAMILIES = (
    SHIFT, "MiniGrid-DistShift2-v0", "MiniGrid-Empty-Random-5x5-v0", "MiniGrid-DoorKey-5x5-v0",
    "MiniGrid-MultiRoom-N2-S4-v0", "MiniGrid-KeyCorridorS3R1-v0", "MiniGrid-Fetch-5x5-N2-v0",
    "MiniGrid-GoToDoor-5x5-v0",
)  # fmt: skip
OPEN_WAYS = [env for env in FAMILIES if "Key" not in env]
"""Tasks in which nothing has to be fetched first."""


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
