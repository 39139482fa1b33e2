"""The multiverse: a clear verdict stands everywhere, one near a threshold turns where the threshold is moved."""

from __future__ import annotations

import numpy as np
import pandas as pd

from imprint.analyses.latch.multiverse import EVERY, agreement, multiverse
from imprint.analyses.latch.shares import design_of
from imprint.models.setup.learner import Decision
from tests.known.latched import NAMES, profiles, table


def judged(dominance: float, *, seeds: int = 4, numbers: list[int] | None = None) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    found = profiles(dominance, rng, seeds=seeds, n=1200, spread=0.05)
    concepts = table(1200, rng)
    designs = {name: design_of(concepts, NAMES, equal=name == "equal")[0] for name in ("equal", "prevalence")}
    return multiverse(found, designs, np.zeros(3), Decision(), rng=rng, seeds=numbers)


def test_a_clear_verdict_stands_in_every_analysis() -> None:
    found = judged(0.97)
    assert set(found["seeds"]) == {"all", *(f"without seed {i}" for i in range(4))}
    assert len(found) == 2 * 5 * 5 * 3 * 3 and set(found["verdict"]) == {"intended"}
    assert (agreement(found, "intended")["agreement"] == 1).all()


def test_a_verdict_near_a_threshold_turns_where_the_threshold_is_moved() -> None:
    stands = agreement(judged(0.75), "intended").set_index("choice")["agreement"]
    by_threshold = [stands[f"dominates: {at:g}"] for at in (0.65, 0.7, 0.75, 0.8, 0.85)]
    assert by_threshold == sorted(by_threshold, reverse=True)
    assert by_threshold[0] > 0.5 and by_threshold[-1] == 0.0
    assert 0.0 < stands[EVERY] < 1.0


def test_a_seed_that_is_left_out_goes_by_its_own_number() -> None:
    assert set(judged(0.9, seeds=3, numbers=[7, 8, 12])["seeds"]) == {"all", *(f"without seed {s}" for s in (7, 8, 12))}


def test_two_seeds_are_not_left_out() -> None:
    assert set(judged(0.9, seeds=2)["seeds"]) == {"all"}
