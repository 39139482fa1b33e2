"""A row of cells: what is seen, when it ends, what pays, and chances that come out as stated."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from imprint.models.environments.chain import FORWARD, OFF, ON, STAY, UNSEEN, Chain
from imprint.models.errors import ImprintError
from imprint.models.states import State


def chain(**settings: object) -> Chain:
    return Chain(Chain.Settings(**settings), copies=1)


def levels(world: Chain, n: int, design: str = "train") -> State:
    return world.levels(n, rng=torch.Generator().manual_seed(0), design=design)


def walk(world: Chain, state: State, steps: int, action: int = FORWARD) -> list[State]:
    states = [state]
    for _ in range(steps):
        states.append(world.follow(states[-1], torch.full((len(state["cell"]),), action)).after)
    return states


def test_the_table_has_one_cell_in_the_row_of_what_was_seen() -> None:
    world = chain(cells=5, cue_at=2)
    states = walk(world, levels(world, 50), 4)
    for step, state in enumerate(states):
        table = world.observe(state)
        assert table.shape == (50, 3, 1, 5) and torch.equal(table.sum((1, 2, 3)), torch.ones(50))
        row, cell = table[:, :, 0].flatten(1).argmax(1) // 5, table[:, :, 0].flatten(1).argmax(1) % 5
        assert (cell == step).all()
        expected = torch.where(state["cue"], ON, OFF) if step >= 2 else torch.full((50,), UNSEEN)
        assert torch.equal(row, expected)
    assert 10 < int(states[0]["cue"].sum()) < 40


def test_a_cue_that_is_not_kept_is_seen_in_its_own_cell_alone() -> None:
    world = chain(cells=5, cue_at=1, kept=False)
    status = [set(world.facts(s)["status"].tolist()) for s in walk(world, levels(world, 50), 4)]
    assert status == [{UNSEEN}, {ON, OFF}, {UNSEEN}, {UNSEEN}, {UNSEEN}]


def test_the_outcome_is_felt_once_on_arrival_and_only_if_it_is_there() -> None:
    world = chain(cells=4)
    states = walk(world, levels(world, 40), 3)
    forward = torch.full((40,), FORWARD)
    felt = [world.senses(a, forward, b)["outcome"] for a, b in pairwise(states)]
    assert torch.equal(felt[2], states[0]["cue"].float()) and not felt[0].any() and not felt[1].any()
    assert world.ended(states[3]).all() and not world.ended(states[2]).any()


def test_cue_alone_never_pays_and_always_shows_the_cue() -> None:
    state = levels(chain(), 30, "cue_alone")
    assert state["cue"].all() and not state["pays"].any()


def test_staying_stays_and_slips_come_at_the_stated_rate() -> None:
    world = chain(cells=40, slip=0.2, limit=1000)
    state = world.edit(levels(world, 4000), "cell", 20)
    (_, after) = walk(world, state, 1)
    back = float((after["cell"] == 19).float().mean())
    assert abs(back - 0.2) < 5 * (0.16 / 4000) ** 0.5 and set(after["cell"].tolist()) == {19, 21}
    (_, still) = walk(world, state, 1, STAY)
    assert (still["cell"] == 20).all()


def test_the_cue_is_right_as_often_as_it_is_reliable() -> None:
    state = levels(chain(reliable=0.8, odds=0.3), 8000)
    assert abs(float((state["cue"] == state["pays"]).float().mean()) - 0.8) < 5 * (0.16 / 8000) ** 0.5
    assert abs(float(state["cue"].float().mean()) - 0.3) < 5 * (0.21 / 8000) ** 0.5


def test_an_edit_changes_one_fact_and_what_follows_from_it() -> None:
    world = chain(cells=6, cue_at=2)
    state = levels(world, 20)
    flipped = world.edit(state, "pays", ~state["pays"])
    assert torch.equal(flipped["pays"], ~state["pays"]) and torch.equal(flipped["cue"], state["cue"])
    assert torch.equal(world.put(state, torch.tensor([[0, 4]]).expand(20, 2))["cell"], torch.full((20,), 4))
    with pytest.raises(ImprintError, match="0 to 5"):
        world.edit(state, "cell", 6)
    with pytest.raises(ImprintError, match="Did you mean 'cue'"):
        world.edit(state, "cues", True)
    with pytest.raises(ValueError, match="before the last cell"):
        Chain.Settings(cells=4, cue_at=3)


def test_pictures_and_maps_show_the_walker() -> None:
    world = chain(cells=4)
    state = world.edit(world.edit(levels(world, 2), "cue", True), "pays", torch.tensor([True, False]))
    assert world.ascii(state) == ["+..$", "+.._"]
    assert world.paint(state).shape == (2, 8, 32, 3) and world.paint(state).dtype == torch.uint8
