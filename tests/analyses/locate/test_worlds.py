"""Seeds of different worlds are compared with floors of all their worlds, on equally many groups."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from imprint.analyses import statistics
from imprint.analyses.locate.evidence import Evidence
from imprint.analyses.locate.reading import Reading
from imprint.analyses.locate.worlds import comparable, highest_floor


def evidence(groups: int, correct: float, floor: float) -> Evidence:
    """Two classes of ten rows in every group; parts of them that a seed, its two twins and the input get right."""
    sums = np.tile([10 * correct, 10 * correct, 10.0, 10.0], (groups, 1))
    low = np.tile([10 * floor, 10 * floor, 10.0, 10.0], (groups, 1))
    return Evidence(Reading(sums, np.full(5, 0.5), False), np.stack([low, low]), low)


def test_groups_are_merged_down_and_floors_are_those_of_all_worlds() -> None:
    seeds = {0: evidence(6, 0.9, 0.6), 1: evidence(4, 0.8, 0.8)}
    made = comparable(seeds)
    assert {len(e.reading.sums) for e in made.values()} == {4}
    for seed, e in made.items():
        assert e.reading.score == seeds[seed].reading.score and e.reading.rows == seeds[seed].reading.rows
        assert e.untrained is made[0].untrained and e.untrained is not None and e.untrained.shape == (2, 4, 4)
        assert e.inputs is not None and e.inputs.shape == (4, 4)
        floor = statistics.score(e.inputs.sum(0), regression=False)
        np.testing.assert_allclose(floor, (6 * 0.6 + 4 * 0.8) / 10)
    np.testing.assert_allclose([highest_floor(e) for e in seeds.values()], [0.6, 0.8])


def test_twins_of_one_world_each_are_as_many_twins_together() -> None:
    seeds = {0: replace(evidence(4, 0.9, 0.6), twins=(0, 1)), 1: replace(evidence(4, 0.8, 0.7), twins=(2, 3))}
    seeds[2] = replace(seeds[1], untrained=evidence(4, 0.8, 0.9).untrained, twins=(3, 4))
    made = comparable(seeds)[0]
    assert made.twins == (0, 1, 2, 3, 4) and made.untrained is not None
    floors = statistics.score(made.untrained.sum(1), regression=False)
    np.testing.assert_allclose(floors, [0.6, 0.6, 0.7, 0.8, 0.9])


def test_a_floor_that_one_world_lacks_is_missing() -> None:
    bare = Evidence(evidence(4, 0.9, 0.6).reading, None, None)
    made = comparable({0: bare, 1: evidence(4, 0.8, 0.7)})
    assert made[1].untrained is None and made[1].inputs is None and highest_floor(bare) == 0.5
