"""The world of keys and chests against a slow one in plain Python."""

from __future__ import annotations

from collections import deque

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from imprint.models.environments.keys import Keys
from imprint.models.errors import ImprintError
from imprint.models.states import State

STEPS = ((-1, 0), (0, 1), (1, 0), (0, -1))
DESIGNS = Keys.designs


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def levels(n: int, design: str = "apart", seed: int = 0, **settings: object) -> tuple[Keys, State]:
    world = Keys(Keys.Settings(**{"few": 2, "many": 4, "limit": 80, **settings}))
    return world, world.levels(n, rng=rng(seed), design=design)


def cells(things: Tensor) -> list[int]:
    return torch.nonzero(things.flatten()).flatten().tolist()


def step_from(walls: list[int], cell: int, action: int) -> int:
    row, column = cell // 7 + STEPS[action][0], cell % 7 + STEPS[action][1]
    inside = 0 <= row < 7 and 0 <= column < 7
    return row * 7 + column if inside and row * 7 + column not in walls else cell


def distances_from(walls: list[int], start: int) -> dict[int, int]:
    """Breadth-first search with a queue."""
    found, queue = {start: 0}, deque([start])
    while queue:
        cell = queue.popleft()
        for action in range(4):
            after = step_from(walls, cell, action)
            if after not in found:
                found[after] = found[cell] + 1
                queue.append(after)
    return found


def wandered(design: str, n: int = 40, steps: int = 25, **settings: object) -> tuple[Keys, State]:
    world, state = levels(n, design, **settings)
    for step in range(steps):
        outcome = world.follow(state, torch.randint(0, 4, (n,), generator=rng(step)))
        state = {k: torch.where(outcome.done.reshape(-1, *(1,) * (v.ndim - 1)), state[k], v)
                 for k, v in outcome.after.items()}  # fmt: skip
    return world, state


@pytest.mark.parametrize("design", DESIGNS)
def test_it_plays_like_a_plain_game_of_keys_and_chests(design: str) -> None:
    world, state = levels(30, design)
    games = [
        (cells(w), cells(k), cells(c), int(a), int(h))
        for w, k, c, a, h in zip(
            state["walls"], state["keys"], state["chests"], state["agent"], state["held"], strict=True
        )
    ]
    over, opened_ever = [False] * 30, [0] * 30
    for step in range(60):
        action = torch.randint(0, 4, (30,), generator=rng(step))
        outcome = world.follow(state, action)
        senses = world.senses(state, action, outcome.after)
        for i, (walls, keys, chests, agent, held) in enumerate(games):
            if over[i]:
                continue
            agent = step_from(walls, agent, int(action[i]))
            took, opened = agent in keys, agent in chests and held > 0
            keys, chests = [k for k in keys if k != agent], [c for c in chests if c != agent or not opened]
            held += took - opened
            opened_ever[i] += opened
            games[i] = (walls, keys, chests, agent, held)
            assert cells(outcome.after["keys"][i]) == keys and cells(outcome.after["chests"][i]) == chests
            assert int(outcome.after["agent"][i]) == agent and int(outcome.after["held"][i]) == held
            assert int(outcome.after["opened"][i]) == opened_ever[i]
            assert float(senses["key_taken"][i]) == took and float(senses["chest_opened"][i]) == opened
            nothing_to_open = not chests or (not keys and not held)
            over[i] = not keys if design == "only_proxy" else nothing_to_open
            assert bool(outcome.terminated[i]) == over[i]
        state = outcome.after
    assert any(over) and any(opened_ever) == (design != "only_proxy")


@pytest.mark.parametrize("design", DESIGNS)
def test_distances_cells_and_ways_agree_with_a_search_in_plain_python(design: str) -> None:
    world, state = wandered(design)
    facts, away = world.facts(state), world.distances(state)
    for i in range(40):
        walls, agent = cells(state["walls"][i]), int(state["agent"][i])
        steps = distances_from(walls, agent)
        for thing, plural in (("key", "keys"), ("chest", "chests")):
            near = sorted((steps[c], c) for c in cells(state[plural][i]) if c in steps)
            distance, cell = near[0] if near else (-1, -1)
            assert int(away[thing][i]) == distance and int(facts[f"{thing}_cell"][i]) == cell
            known = float(facts[f"{thing}_distance"][i])
            assert known == distance if near else known != known
            ways = [
                a for a in range(4)
                if any(distances_from(walls, step_from(walls, agent, a)).get(c) == distance - 1 for _, c in near)
            ]  # fmt: skip
            assert int(facts[f"{thing}_way"][i]) == (ways[0] if distance > 0 else -1)
        assert float(facts["keys_left"][i]) == len(cells(state["keys"][i]))
        assert bool(facts["keys_suffice"][i]) == (int(state["held"][i]) >= len(cells(state["chests"][i])))


def test_designs_lay_out_what_they_say() -> None:
    few, many = 2, 4
    expected = {
        "train": (few, many, 0), "together": (few, many, 0), "many_keys": (many, few, 0), "apart": (few, few, few),
        "only_intended": (0, few, few), "only_proxy": (few, 0, 0),
    }  # fmt: skip
    assert set(expected) == set(DESIGNS)
    for design, counts in expected.items():
        _, state = levels(500, design)
        numbers = [state[name].flatten(1).sum(1) for name in ("keys", "chests")]
        assert all(bool((number == count).all()) for number, count in zip(numbers, counts, strict=False))
        assert bool((state["held"] == counts[2]).all())
        overlap = state["walls"].long() + state["keys"].long() + state["chests"].long()
        overlap.flatten(1).scatter_add_(1, state["agent"][:, None], torch.ones(500, 1, dtype=torch.int64))
        assert int(overlap.max()) == 1
        steps = [distances_from(cells(w), int(a)) for w, a in zip(state["walls"][:60], state["agent"], strict=False)]
        for i, reached in enumerate(steps):
            assert all(c in reached for c in cells(state["keys"][i]) + cells(state["chests"][i]))


def test_where_the_hand_is_full_a_wanderer_meets_keys_and_chests_equally_often() -> None:
    world, state = levels(4000, "apart")
    first = torch.zeros(4000)
    for step in range(60):
        action = torch.randint(0, 4, (4000,), generator=rng(step))
        outcome = world.follow(state, action)
        senses = world.senses(state, action, outcome.after)
        first = torch.where(first == 0, senses["chest_opened"] - senses["key_taken"], first)
        state = outcome.after
    chest = float((first > 0).sum() / (first != 0).sum())
    assert int((first != 0).sum()) > 3000 and chest == pytest.approx(0.5, abs=0.03)


def test_the_dial_sets_the_share_of_levels_with_many_keys() -> None:
    for varied in (0.0, 0.1, 1.0):
        _, state = levels(8000, "train", varied=varied)
        assert float((state["keys"].flatten(1).sum(1) == 4).float().mean()) == pytest.approx(varied, abs=0.015)


@pytest.mark.parametrize("design", DESIGNS)
def test_planes_text_and_picture_show_the_facts(design: str) -> None:
    world, state = wandered(design, n=20, steps=9)
    seen, pictures = world.observe(state), world.paint(state)
    assert seen.shape == (20, 5, 7, 7) and pictures.shape == (20, 72, 72, 3)
    assert float(seen.min()) >= 0 and float(seen.max()) <= 1
    for plane, name in ((0, "walls"), (2, "keys"), (3, "chests")):
        assert torch.equal(seen[:, plane] > 0, state[name])
    assert torch.equal(seen[:, 1].flatten(1).argmax(1), state["agent"]) and bool((seen[:, 1].sum((1, 2)) == 1).all())
    assert torch.equal((seen[:, 4] * world.most).amax((1, 2)), state["held"].float())
    for i, text in enumerate(world.ascii(state)):
        lines = text.splitlines()
        letters = "".join(line[1:-1] for line in lines[1:-1])
        assert lines[0].count("k") == int(state["held"][i])
        assert letters[int(state["agent"][i])] in "A@"
        assert [c for c, x in enumerate(letters) if x == "k"] == cells(state["keys"][i])
        assert [c for c, x in enumerate(letters) if x in "c@"] == cells(state["chests"][i])
        tiles: dict[str, list[int]] = {}
        for cell, letter in enumerate(letters):
            top, left = 8 + 8 * (cell // 7), 8 + 8 * (cell % 7)
            tile = pictures[i, top : top + 8, left : left + 8].flatten().tolist()
            assert tiles.setdefault(letter, tile) == tile
        assert len({tuple(tile) for tile in tiles.values()}) == len(tiles)


def empty_cells(state: State) -> Tensor:
    busy = (state["walls"] | state["keys"] | state["chests"]).flatten(1)
    busy = busy.scatter(1, state["agent"][:, None], True)
    return (~busy).long().argmax(1)


@pytest.mark.parametrize("thing", ["key", "chest"])
def test_an_edit_moves_the_nearest_and_keeps_the_rest(thing: str) -> None:
    world, state = levels(60, few=1, many=2)
    other = {"key": "chest", "chest": "key"}[thing]
    facts, target = world.facts(state), empty_cells(state)
    moved = world.edit(state, f"{thing}_cell", target)
    after = world.facts(moved)
    assert torch.equal(after[f"{thing}_cell"], target)
    kept = [
        f for f in facts if not f.startswith(thing) or f in ("keys_held", "keys_left", "keys_suffice", "key_in_hand")
    ]
    for name in set(kept) - {"key_nearer"}:
        assert torch.equal(facts[name].nan_to_num(-1), after[name].nan_to_num(-1)), name
    assert f"{other}_cell" in kept
    gone = world.facts(world.edit(state, f"{thing}_cell", -1))
    assert bool((gone[f"{thing}s_left"] == 0).all() and (gone[f"{thing}_cell"] == -1).all())
    assert torch.equal(gone[f"{other}_cell"], facts[f"{other}_cell"])


def test_the_hand_can_be_refilled_as_far_as_the_plane_can_show() -> None:
    world, state = levels(10, "many_keys")
    with pytest.raises(ImprintError, match="at most 4"):
        world.edit(state, "keys_held", 1)
    world, state = levels(10, "apart")
    for held in (0, 1, 2):
        edited = world.edit(state, "keys_held", held)
        assert bool((world.facts(edited)["keys_held"] == held).all())
        assert {name for name in state if not torch.equal(state[name], edited[name])} <= {"held"}
    for wrong in (-1, 3):
        with pytest.raises(ImprintError, match="keys_held"):
            world.edit(state, "keys_held", wrong)


def test_what_cannot_be_had_is_refused() -> None:
    world, state = levels(30, "apart")
    facts = world.facts(state)
    for cell, why in ((facts["agent_cell"], "something else"), (facts["key_cell"], "something else")):
        with pytest.raises(ImprintError, match=why):
            world.edit(state, "chest_cell", cell)
    wall = state["walls"].flatten(1).long().argmax(1)
    assert bool(state["walls"].flatten(1).any(1).all())
    with pytest.raises(ImprintError, match="is a wall"):
        world.edit(state, "key_cell", wall)
    with pytest.raises(ImprintError, match="reach none"):
        world.edit(world.edit(state, "key_cell", -1), "key_cell", empty_cells(state))
    farthest = []
    for i in range(30):
        steps = distances_from(cells(state["walls"][i]), int(state["agent"][i]))
        empty = sorted(set(steps) - set(cells(state["keys"][i])) - set(cells(state["chests"][i])))
        farthest.append(max(empty, key=lambda cell, steps=steps: steps[cell]))
    with pytest.raises(ImprintError, match="farther away"):
        world.edit(state, "key_cell", torch.tensor(farthest))
    with pytest.raises(ValidationError, match="few must be below many"):
        Keys.Settings(few=3, many=3)
