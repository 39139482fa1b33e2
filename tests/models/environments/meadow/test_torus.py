"""Tables of the torus beside plain arithmetic, cell by cell."""

from __future__ import annotations

from itertools import product

import pytest
import torch

from imprint.models import grids
from imprint.models.environments.meadow.torus import far, first_way, longer_leg, nearness, places, scent, torus

SIZES = (9, 11)


def leg(a: int, b: int, size: int) -> int:
    """Cells from ``a`` to ``b`` on a ring by the shorter way round."""
    return min((b - a, b - a + size, b - a - size), key=abs)


@pytest.mark.parametrize("size", SIZES)
def test_offsets_lead_from_any_cell_to_any_other_and_know_the_legs(size: int) -> None:
    field, cells = torus(size), torch.arange(size * size)
    offset = field.between(cells, cells[:, None].expand(-1, len(cells)))
    assert torch.equal(field.beyond[cells, offset], cells[:, None].expand(-1, len(cells)))
    for a, b in product((0, size - 1, size * size // 2, size * size - 1), range(size * size)):
        down, right = leg(a // size, b // size, size), leg(a % size, b % size, size)
        o = int(offset[b, a])
        assert (int(field.down[o]), int(field.right[o]), int(field.steps[o])) == (down, right, abs(down) + abs(right))


@pytest.mark.parametrize("size", SIZES)
def test_what_is_not_there_has_an_offset_of_its_own_that_is_nowhere(size: int) -> None:
    field, none = torus(size), size * size
    assert field.between(torch.arange(none), torch.full((1, none), -1)).eq(none).all()
    assert int(field.steps[none]) == -1 and int(places(size, 3)[none]) == -1
    assert float(nearness(size, 4)[none]) == 0 and not scent(size, 4)[:, none].any()


@pytest.mark.parametrize("size", SIZES)
def test_actions_lead_to_neighbours_around_the_edge_and_staying_stays(size: int) -> None:
    ways = torus(size).ways
    for cell in range(size * size):
        for way, (down, right) in enumerate(grids.OFFSETS):
            assert int(ways[cell, way]) == (cell // size + down) % size * size + (cell % size + right) % size
    assert torch.equal(ways[:, 4], torch.arange(size * size))


def test_far_offsets_are_all_those_and_no_others() -> None:
    steps = torus(11).steps[:-1]
    assert far(11, 3).tolist() == [o for o, away in enumerate(steps.tolist()) if away >= 3]


def test_the_window_and_the_scent_are_those_of_the_legs() -> None:
    field, place = torus(11), places(11, 3)
    seen = place >= 0
    assert int(seen.sum()) == 49 and sorted(place[seen].tolist()) == list(range(49))
    assert torch.equal(place[seen] // 7 - 3, field.down[seen]) and torch.equal(place[seen] % 7 - 3, field.right[seen])
    smell, steps = scent(11, 4), field.steps
    assert torch.allclose(smell.sum(0), nearness(11, 4) * (steps > 0))
    assert bool((nearness(11, 4)[steps >= 4] == 0).all()) and float(nearness(11, 4)[0]) == 1.0


def test_ways_by_hand() -> None:
    down, right = torch.tensor([0, -1, -1, 2, 0, -2]), torch.tensor([0, 1, 3, -1, -2, 2])
    assert first_way(down, right).tolist() == [-1, 0, 0, 2, 3, 0]
    assert longer_leg(down, right).tolist() == [-1, 0, 1, 2, 3, 0]
