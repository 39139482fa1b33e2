"""A fact of a room is changed alone, is shown where its mask says, and the best way is the best."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from imprint.analyses.organisms.worlds.facts import FACTS
from imprint.analyses.organisms.worlds.rooms import DISCOUNT, Rooms
from imprint.models.errors import ImprintError, UnknownNameError

WORLD = Rooms(Rooms.Settings(seed=5))


def test_an_edit_changes_one_fact_and_what_shows_it() -> None:
    state = WORLD.levels(300, rng=torch.Generator().manual_seed(0), design="balanced")
    before, masks = WORLD.table(state), WORLD.masks(state)
    for index, fact in enumerate(WORLD.arrangement.names):
        wanted = torch.from_numpy(~before[:, index])
        edited = WORLD.edit(state, fact, wanted)
        assert np.array_equal(np.flatnonzero((WORLD.table(edited) != before).any(0)), [index])
        assert np.array_equal(WORLD.table(edited)[:, index], ~before[:, index])
        changed = WORLD.observe(edited) != WORLD.observe(state)
        assert not (changed & ~masks[fact]).any()
    with pytest.raises(UnknownNameError, match="fact_1"):
        WORLD.edit(state, "fact_9", True)
    with pytest.raises(ImprintError, match="expected True or False"):
        WORLD.edit(state, "fact_0", 3)


def test_who_follows_the_teaching_gets_what_it_says() -> None:
    for latch in [(), *((i,) for i in range(FACTS)), (WORLD.arrangement.things[0], WORLD.arrangement.things[2])]:
        state = WORLD.levels(200, rng=torch.Generator().manual_seed(1), design="balanced")
        _, value = WORLD.taught(state, latch)
        steps = torch.full_like(value, torch.inf)
        for step in range(9):
            target, paid = WORLD.target(state, latch)
            arrived = paid & (state["agent"] == target)
            steps = torch.where(arrived & steps.isinf(), float(step), steps)
            action, _ = WORLD.taught(state, latch)
            state = {**WORLD.follow(state, action).after, "hour": state["hour"]}  # the clock stands still
        assert torch.allclose(value, torch.where(steps.isinf(), 0.0, DISCOUNT**steps)), latch
