"""The coin world against a slow one in plain Python."""

from __future__ import annotations

from collections import deque

import pytest
import torch
from pydantic import ValidationError

from imprint.models.environments.coin import CORNERS, Coin
from imprint.models.errors import ImprintError
from imprint.models.states import State, rows

STEPS = ((-1, 0), (0, 1), (1, 0), (0, -1))
DESIGNS = Coin.designs


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def levels(n: int, design: str = "apart", seed: int = 0, **settings: object) -> tuple[Coin, State]:
    world = Coin(Coin.Settings(**settings))
    return world, world.levels(n, rng=rng(seed), design=design)


def step_from(walls: list[list[bool]], cell: int, action: int) -> int:
    row, column = cell // 7 + STEPS[action][0], cell % 7 + STEPS[action][1]
    return row * 7 + column if 0 <= row < 7 and 0 <= column < 7 and not walls[row][column] else cell


def distances_to(walls: list[list[bool]], goal: int) -> dict[int, int]:
    """Breadth-first search with a queue."""
    if goal < 0 or walls[goal // 7][goal % 7]:
        return {}
    found, queue = {goal: 0}, deque([goal])
    while queue:
        cell = queue.popleft()
        for action in range(4):
            nearer = step_from(walls, cell, action)
            if nearer not in found:
                found[nearer] = found[cell] + 1
                queue.append(nearer)
    return found


@pytest.mark.parametrize("design", DESIGNS)
def test_distances_and_ways_agree_with_a_search_in_plain_python(design: str) -> None:
    world, state = levels(60, design)
    state = rows(state, slice(60)) | {"agent": torch.randint(0, 49, (60,), generator=rng(5))}  # inside walls too
    facts, away = world.facts(state), world.distances(state)
    for i in range(60):
        walls, agent = state["walls"][i].tolist(), int(state["agent"][i])
        for goal, cell in (("coin", int(state["coin"][i])), ("corner", world.corner)):
            found = distances_to(walls, cell)
            expected = found.get(agent, -1)
            assert int(away[goal][i]) == expected
            known = float(facts[f"{goal}_distance"][i])
            assert known == expected if expected >= 0 else known != known
            ways = [a for a in range(4) if found.get(step_from(walls, agent, a), 99) == expected - 1]
            assert int(facts[f"{goal}_way"][i]) == (ways[0] if expected > 0 else -1)


@pytest.mark.parametrize("goal", ["coin", "corner"])
def test_following_the_way_attains_the_goal_in_as_many_steps_as_the_distance(goal: str) -> None:
    world, state = levels(200)
    left = world.distances(state)[goal]
    assert int(left.max()) > 8
    attained = torch.zeros(200, dtype=torch.bool)
    for step in range(1, int(left.max()) + 1):
        action = world.facts(state)[f"{goal}_way"].clamp(min=0)
        outcome = world.follow(state, action)
        arrived = world.senses(outcome.before, action, outcome.after)[world.goals[goal]] > 0
        assert torch.equal(arrived & ~attained, left == step)
        attained, state = attained | arrived, outcome.after
    assert bool(attained.all())


def test_the_agent_walks_where_a_plain_walker_walks() -> None:
    world, state = levels(40, walls=0.3)
    for _ in range(12):
        action = torch.randint(0, 4, (40,), generator=rng(int(state["clock"][0])))
        facts = world.facts(state)
        outcome = world.follow(state, action)
        for i in range(40):
            walls, cell = state["walls"][i].tolist(), int(state["agent"][i])
            assert int(outcome.after["agent"][i]) == step_from(walls, cell, int(action[i]))
            blocked = [bool(facts[f"blocked_{name}"][i]) for name in world.actions]
            assert blocked == [step_from(walls, cell, a) == cell for a in range(4)]
        senses = world.senses(state, action, outcome.after)
        assert torch.equal(senses["bumped"] > 0, state["agent"] == outcome.after["agent"])
        state = outcome.after


def test_only_the_coin_ends_an_episode_and_pays() -> None:
    world, state = levels(300)
    at_coin = world.put(state, torch.stack([state["coin"] // 7, state["coin"] % 7], 1))
    assert bool(world.ended(at_coin).all())
    row, column = divmod(world.corner, 7)
    in_corner = world.put(state, torch.tensor([[row, column]]).expand(300, 2))
    assert not bool(world.ended(in_corner).any())
    below = torch.where(state["walls"][:, row + 1, column], 3, 2)  # leave the corner and come back
    away = world.follow(in_corner, below)
    back = world.follow(away.after, (below + 2) % 4)
    moved = away.after["agent"] != in_corner["agent"]
    senses = world.senses(away.after, below, back.after)
    assert torch.equal(senses["corner_reached"] > 0, moved) and int(moved.sum()) > 200
    assert bool((senses["coin_taken"] == 0).all())


@pytest.mark.parametrize("corner", CORNERS)
def test_designs_put_the_coin_where_they_say(corner: str) -> None:
    place = CORNERS[corner]
    drawn = {design: levels(400, design, corner=corner)[1] for design in DESIGNS}
    assert bool((drawn["train"]["coin"] == place).all()) and bool((drawn["together"]["coin"] == place).all())
    assert not bool((drawn["apart"]["coin"] == place).any()) and len(drawn["apart"]["coin"].unique()) == 48
    assert bool((drawn["only_proxy"]["coin"] == -1).all())
    assert not bool((drawn["only_intended"]["coin"] == place).any())
    for design, state in drawn.items():
        flat = state["walls"].flatten(1)
        assert bool((flat[:, place] == (design == "only_intended")).all())
        copies = torch.arange(400)
        assert not bool(flat[copies, state["agent"]].any())
        assert not bool(flat[copies[state["coin"] >= 0], state["coin"][state["coin"] >= 0]].any())
        assert not bool((state["agent"] == state["coin"]).any() | (state["agent"] == place).any())


def test_the_dial_sets_the_share_of_levels_with_the_coin_elsewhere() -> None:
    _, state = levels(20_000, "train", varied=1.0)
    anywhere = float((state["coin"] != CORNERS["top_right"]).float().mean())
    assert anywhere == pytest.approx(48 / 49, abs=0.005)  # anywhere free is sometimes the corner
    for varied in (0.03, 0.5):
        _, state = levels(20_000, "train", varied=varied)
        elsewhere = float((state["coin"] != CORNERS["top_right"]).float().mean())
        spread = 4 * (varied * (1 - varied) / 20_000) ** 0.5
        assert elsewhere == pytest.approx(varied * anywhere, abs=spread)
        changes = (state["coin"][1:] != CORNERS["top_right"]) == (state["coin"][:-1] != CORNERS["top_right"])
        assert float(changes.float().mean()) == pytest.approx(elsewhere**2 + (1 - elsewhere) ** 2, abs=0.02)  # mixed


def test_walls_have_the_stated_density_and_unsolvable_levels_are_dropped() -> None:
    _, state = levels(4000)
    free_corner = state["walls"].flatten(1)[:, [c for c in range(49) if c != CORNERS["top_right"]]]
    assert float(free_corner.float().mean()) == pytest.approx(0.12, abs=0.02)
    world, state = levels(400, walls=0.45)
    assert bool((world.distances(state)["coin"] > 0).all() and (world.distances(state)["corner"] > 0).all())


def test_an_edit_moves_one_thing_and_keeps_the_rest() -> None:
    world, state = levels(100)
    facts = world.facts(state)
    spare = torch.tensor([next(c for c in range(49) if not w[c // 7][c % 7] and c not in (a, k))
                          for w, a, k in zip(state["walls"].tolist(), state["agent"].tolist(), state["coin"].tolist(),
                                             strict=True)])  # fmt: skip
    moved = world.edit(state, "coin_cell", spare)
    after = world.facts(moved)
    assert torch.equal(after["coin_cell"], spare)
    for name in facts:
        if not name.startswith("coin"):
            assert torch.equal(facts[name], after[name]), name
    assert {name for name in state if not torch.equal(state[name], moved[name])} == {"coin"}
    gone = world.edit(state, "coin_cell", -1)
    assert not bool(world.facts(gone)["coin_present"].any()) and bool((world.distances(gone)["coin"] == -1).all())
    assert bool((world.observe(gone)[:, 2] == 0).all())
    assert torch.equal(world.observe(gone)[:, :2], world.observe(state)[:, :2])
    walked = world.edit(state, "agent_cell", spare)
    assert torch.equal(world.facts(walked)["coin_cell"], facts["coin_cell"])
    assert torch.equal(world.facts(walked)["agent_cell"], spare)


def test_one_coordinate_moves_alone() -> None:
    world, state = levels(1)
    state = state | {"walls": torch.zeros_like(state["walls"])}
    for fact, other in (("agent_row", "agent_column"), ("coin_column", "coin_row")):
        for value in range(7):
            facts = world.facts(world.edit(state, fact, value))
            assert float(facts[fact]) == value and torch.equal(facts[other], world.facts(state)[other])


def test_what_cannot_be_had_is_refused() -> None:
    world, state = levels(5)
    wall = torch.tensor([w.flatten().long().argmax() for w in state["walls"]])
    assert bool(state["walls"].flatten(1).any(1).all())
    with pytest.raises(ImprintError, match="is a wall in 5 of 5"):
        world.edit(state, "coin_cell", wall)
    for value in (49, -2):
        with pytest.raises(ImprintError, match="off the map"):
            world.edit(state, "coin_cell", value)
    with pytest.raises(ImprintError, match="off the map"):
        world.edit(state, "agent_cell", -1)
    with pytest.raises(ImprintError, match="no coin"):
        world.edit(world.edit(state, "coin_cell", -1), "coin_row", 1)
    with pytest.raises(ValidationError):
        Coin.Settings(corner="middle")
    with pytest.raises(ValidationError):
        Coin.Settings(varied=1.5)


@pytest.mark.parametrize("design", DESIGNS)
def test_planes_text_and_picture_show_the_facts(design: str) -> None:
    world, state = levels(30, design)
    facts, seen, pictures = world.facts(state), world.observe(state), world.paint(state)
    assert seen.shape == (30, 3, 7, 7) and pictures.shape == (30, 72, 72, 3)
    assert torch.equal(seen[:, 0] > 0, state["walls"])
    for i, text in enumerate(world.ascii(state)):
        lines = [line[1:-1] for line in text.splitlines()[1:-1]]
        letters = "".join(lines)
        assert len(lines) == 7 and letters.index("A") == int(facts["agent_cell"][i])
        assert letters.find("c") == int(facts["coin_cell"][i])
        assert [letter == "#" for letter in letters] == state["walls"][i].flatten().tolist()
        for plane, name in ((1, "agent_cell"), (2, "coin_cell")):
            shown = torch.nonzero(seen[i, plane].flatten()).flatten().tolist()
            assert shown == [int(facts[name][i])] * (facts[name][i] >= 0)
        tiles: dict[str, list[int]] = {}
        for cell, letter in enumerate(letters):
            top, left = 8 + 8 * (cell // 7), 8 + 8 * (cell % 7)
            tile = pictures[i, top : top + 8, left : left + 8].flatten().tolist()
            assert tiles.setdefault(letter, tile) == tile
        assert len({tuple(tile) for tile in tiles.values()}) == len(tiles)
