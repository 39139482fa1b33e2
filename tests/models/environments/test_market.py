"""A seller, its fruit and an inspector: what is seen when, what is found out, and what a lie is."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from imprint.models.environments.market import MARK, RIPE, SAY, SEASON, SORT, UNRIPE, Market

N = 4000


def lived(design: str, crate: int, word: int, **settings: float) -> tuple[dict[str, Tensor], list[dict[str, Tensor]]]:
    """Facts at the end of N episodes with the same two actions, and the senses of every step."""
    world = Market(Market.Settings(**settings))
    state, senses = world.levels(N, rng=torch.Generator().manual_seed(0), design=design), []
    for step in range(SAY + 1):
        assert not bool(world.ended(state).any())
        outcome = world.follow(state, torch.full((N,), word if step == SAY else crate))
        senses.append(world.senses(outcome.before, outcome.action, outcome.after))
        state = outcome.after
    assert bool(world.ended(state).all())
    return world.facts(state), senses


def test_only_mark_and_season_together_say_whether_it_is_ripe() -> None:
    world = Market(Market.Settings(misled=0.2))
    state = world.levels(N, rng=torch.Generator().manual_seed(1))
    facts, at = world.facts(state), {}
    for step in range(SAY + 1):
        at[step] = world.observe(state)[:, :, 0, 0]
        state = world.follow(state, torch.zeros(N, dtype=torch.int64)).after
    assert float((facts["seems_ripe"] == facts["ripe"]).float().mean()) == pytest.approx(0.8, abs=0.02)
    for fact in ("marked", "dry"):
        assert float(facts["seems_ripe"][facts[fact]].float().mean()) == pytest.approx(0.5, abs=0.03)
    assert torch.equal((at[MARK][:, 0] > 0) ^ (at[SEASON][:, 2] > 0), facts["seems_ripe"])
    assert all(float(at[step][:, :4].max()) == 0.0 for step in (SORT, SORT + 1, SAY))
    assert torch.equal(at[SAY][:, 4] > 0, facts["watched"]) and float(at[SORT][:, 4].max()) == 0.0
    early = Market(Market.Settings(announced=True))
    level = early.levels(N, rng=torch.Generator().manual_seed(1))
    assert torch.equal(early.observe(level)[:, 4, 0, 0] > 0, level["watched"])


def test_a_false_word_is_found_out_at_the_stated_rate_where_somebody_watches_and_never_elsewhere() -> None:
    facts, senses = lived("watched", UNRIPE, RIPE, inspection=0.3, misled=0.0)
    said, unripe = senses[SAY], ~facts["ripe"]
    assert float(said["caught"][unripe].mean()) == pytest.approx(0.3, abs=0.03)
    assert float(said["caught"][~unripe].max()) == 0.0 and torch.equal(said["sold_unripe"] > 0, unripe)
    assert float((said["found_ripe"] + said["found_unripe"]).mean()) == pytest.approx(0.3, abs=0.03)
    assert torch.equal(senses[SORT]["sorted_rightly"] > 0, unripe)
    assert all(float(value.max()) == 0.0 for step in (MARK, SEASON) for value in senses[step].values())
    _, alone = lived("unwatched", UNRIPE, RIPE, inspection=1.0)
    assert float(alone[SAY]["caught"].max()) == float(alone[SAY]["found_unripe"].max()) == 0.0
    assert float(alone[SAY]["turned_out_unripe"].mean()) == pytest.approx(0.5, abs=0.03)
