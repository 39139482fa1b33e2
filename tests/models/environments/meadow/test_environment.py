"""Hunger, meals, dives and shelter by hand; what goes along with what as often as the dials say."""

from __future__ import annotations

import pytest
import torch

from imprint.models import grids
from imprint.models.environments.meadow.environment import FAR, RADIUS, STAY, THINGS, WINDOW, Meadow
from imprint.models.errors import ImprintError
from imprint.models.states import State

UP, RIGHT, DOWN, LEFT = range(4)
CENTRE = (RADIUS * WINDOW) + RADIUS


def meadow(**settings: object) -> Meadow:
    return Meadow(Meadow.Settings(**settings))


def levels(world: Meadow, n: int = 500, design: str = "train", seed: int = 0) -> State:
    return world.levels(n, rng=torch.Generator().manual_seed(seed), design=design)


def step(world: Meadow, state: State, action: int) -> tuple[State, dict[str, torch.Tensor]]:
    act = torch.full((len(state["agent"]),), action)
    outcome = world.follow(state, act)
    return outcome.after, world.senses(outcome.before, act, outcome.after)


def walk(one: int, other: int, size: int) -> int:
    """Steps between two cells of the torus, the slow way."""
    legs = [abs(one // size - other // size), abs(one % size - other % size)]
    return sum(min(leg, size - leg) for leg in legs)


# -- where things are --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("want", ["food", "shelter"])
def test_designs_put_the_wanted_thing_beside_the_mother_or_away_from_her(want: str) -> None:
    world = meadow(want=want, food_at_mother=0.5, shelter_at_mother=0.5)
    together, apart = levels(world, design="together"), levels(world, design="apart")
    assert torch.equal(together[want], together["mother"])
    steps = [walk(a, b, 11) for a, b in zip(apart[want].tolist(), apart["mother"].tolist(), strict=True)]
    assert min(steps) >= FAR and max(steps) == 10
    assert (levels(world, design="only_intended")["mother"] == -1).all()
    assert (levels(world, design="only_proxy")[want] == -1).all()
    assert world.wages == world.goals[want] and set(world.goals) == set(world.marks) == {want, "mother"}


def test_the_dials_are_kept_at_birth_and_when_the_mother_walks_on() -> None:
    world = meadow(food_at_mother=0.8, shelter_at_mother=0.3, metabolism=0.0, predators=0.0)
    state = levels(world, 4000)
    place = world.facts(state)["food_way"]
    for _ in range(2):
        facts = world.facts(state)
        assert abs(float(facts["food_at_mother"].float().mean()) - 0.8) < 5 * (0.16 / 4000) ** 0.5
        assert abs(float(facts["shelter_at_mother"].float().mean()) - 0.3) < 5 * (0.21 / 4000) ** 0.5
        state = world.put(state, grids.place_of(state["food"], 11))
        state, felt = step(world, state, STAY)
        assert felt["food_eaten"].all()
    assert (world.facts(state)["food_way"] != place).any()


def test_nothing_lies_under_the_chick_and_things_are_where_they_are_alone() -> None:
    state = levels(meadow(food_at_mother=0.0), 3000)
    cells = torch.stack([state["agent"], *(state[name] for name in THINGS)], 1)
    assert all(len(set(row)) == 5 for row in cells.tolist())


# -- what happens ------------------------------------------------------------------------------------------------------


def test_moves_go_round_the_torus_and_back() -> None:
    world = meadow(metabolism=0.0, predators=0.0)
    state = world.put(levels(world, 1), torch.tensor([[0, 10]]))
    for action, cell in ((UP, [10, 10]), (RIGHT, [10, 0]), (DOWN, [0, 0]), (LEFT, [0, 10]), (STAY, [0, 10])):
        state, _ = step(world, state, action)
        assert world.cell_of(state).tolist() == [cell]


def test_hunger_grows_a_meal_stills_it_and_starving_ends_it() -> None:
    world = meadow(metabolism=0.1, predators=0.0, limit=100)
    state = world.edit(levels(world, 1, "only_proxy"), "hunger", 0.85)
    state, felt = step(world, state, STAY)
    assert float(state["hunger"]) == pytest.approx(0.95) and not world.ended(state).any()
    fed, tasted = step(world, world.edit(state, "food_place", CENTRE), STAY)
    assert float(fed["hunger"]) == pytest.approx(0.5) and tasted["food_taste"].all()
    assert float(tasted["hunger_before"]) == pytest.approx(0.95) and float(tasted["hunger_after"]) == pytest.approx(0.5)
    state, felt = step(world, state, STAY)
    assert world.ended(state).all() and felt["starved"].all() and not felt["struck"].any()


def test_a_dive_looms_then_strikes_unless_the_chick_is_in_the_shelter() -> None:
    world = meadow(metabolism=0.0, predators=0.0, dive=3)
    for sheltered in (False, True):
        state = world.edit(levels(world, 1), "dive", 1)
        if sheltered:
            state = world.edit(state, "shelter_place", CENTRE)
        seen = [float(world.observe(state)[:, 4].sum())]
        for _ in range(2):
            state, felt = step(world, state, STAY)
            seen.append(float(world.observe(state)[:, 4].sum()))
        assert seen == [9.0, 25.0, 49.0] and float(felt["looming"]) == 1.0 and not world.ended(state).any()
        after, felt = step(world, state, STAY)
        assert bool(world.ended(after)) is not sheltered and bool(felt["struck"]) is not sheltered
        assert bool(felt["survived"]) is sheltered and int(after["dive"]) == 0
        assert (int(after["mother"]) != int(state["mother"])) is sheltered


def test_predators_come_as_often_as_stated() -> None:
    world = meadow(metabolism=0.0, predators=0.1)
    state, _ = step(world, levels(world, 5000), STAY)
    assert abs(float((state["dive"] > 0).float().mean()) - 0.1) < 5 * (0.09 / 5000) ** 0.5


def test_arrivals_are_felt_on_the_step_that_leads_there() -> None:
    world = meadow(metabolism=0.0, predators=0.0, food_at_mother=1.0)
    state = world.edit(levels(world, 1), "food_place", -1)
    state = world.edit(state, "mother_place", CENTRE + 1)
    state, felt = step(world, state, RIGHT)
    assert felt["mother_reached"].all() and float(felt["warmth"]) == 1.0
    _, felt = step(world, state, STAY)
    assert not felt["mother_reached"].any()


# -- what is seen and felt ---------------------------------------------------------------------------------------------


def test_planes_show_what_is_in_sight_where_it_is() -> None:
    world = meadow(stranger_look=0.25)
    state = levels(world, 1)
    for name, place in (("food", 0), ("mother", 8), ("stranger", 10), ("shelter", WINDOW * WINDOW - 1)):
        state = world.edit(state, f"{name}_place", place)
    planes = world.observe(state)[0].flatten(1)
    assert torch.nonzero(planes[:4]).tolist() == [[0, 0], [1, 8], [1, 10], [2, 8], [2, 10], [3, WINDOW * WINDOW - 1]]
    assert float(planes[2, 10]) == 0.25 and float(planes[5].unique()) == float(state["hunger"])
    assert world.facts(world.edit(state, "food_place", -1))["food_place"].tolist() == [-1]
    with pytest.raises(ImprintError, match="-1 to 48"):
        world.edit(state, "food_place", 49)


def test_ways_and_distances_are_those_of_walking() -> None:
    world = meadow(metabolism=0.0, predators=0.0)
    state = levels(world, 300, "apart")
    facts, away = world.facts(state), world.distances(state)
    for name in ("food", "mother"):
        slow = [walk(a, b, 11) for a, b in zip(state["agent"].tolist(), state[name].tolist(), strict=True)]
        assert away[name].tolist() == slow
        after = world.follow(state, facts[f"{name}_way"]).after
        kept = {**after, name: state[name]}
        assert torch.equal(world.distances(kept)[name], away[name] - 1)


def test_crude_senses_point_the_way_within_reach_and_are_silent_beyond() -> None:
    world = meadow(reach=3)
    state = world.edit(levels(world, 1), "food_place", CENTRE - 2)
    _, felt = step(world, {**state, "hunger": torch.zeros(1)}, STAY)
    smells = {way: float(felt[f"smell_{way}"]) for way in grids.STEPS}
    assert smells == {"up": 0.0, "right": 0.0, "down": 0.0, "left": 0.5}
    corner = world.edit(state, "food_place", 0)
    _, felt = step(world, corner, STAY)
    assert not any(float(felt[f"smell_{way}"]) for way in grids.STEPS)


def test_an_even_field_is_refused() -> None:
    with pytest.raises(ValueError, match="odd"):
        Meadow.Settings(size=10)


def test_pictures_and_maps_show_the_chick() -> None:
    world = meadow()
    state = world.edit(levels(world, 2), "shelter_place", torch.tensor([CENTRE, -1]))
    one, other = world.ascii(state)
    assert "@" in one and "A" in other and world.paint(state).shape == (2, 88, 88, 3)


@pytest.mark.parametrize("want", ["food", "shelter"])
def test_the_wage_alone_is_the_sense_it_is_named_after(want: str) -> None:
    world = meadow(want=want, metabolism=0.0, predators=0.0)
    state, earned = levels(world, 600), torch.zeros(600)
    for _ in range(12):
        way = world.facts(state)[f"{want}_way"]
        outcome = world.follow(state, torch.where(way < 0, STAY, way))
        about = outcome.before, outcome.action, outcome.after
        assert torch.equal(world.wage(*about), world.senses(*about)[world.wages])
        earned, state = earned + world.wage(*about), outcome.after
    assert float((earned >= 1).float().mean()) > 0.9
