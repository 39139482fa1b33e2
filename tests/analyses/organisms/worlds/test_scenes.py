"""A fact of a scene is shown where its mask says and nowhere else, and goes along with the intended one as drawn."""

from __future__ import annotations

import numpy as np
import torch

from imprint.analyses.organisms.worlds.facts import FACTS, Arrangement
from imprint.analyses.organisms.worlds.scenes import Scenes
from imprint.models.chance import generator


def test_a_counterfactual_changes_the_tiles_of_its_fact_alone() -> None:
    for seed in range(4):
        world = Scenes(Scenes.Settings(seed=seed))
        batch = world.sample(64, rng=torch.Generator().manual_seed(seed), design="balanced")
        for name in world.factors:
            other = world.counterfactual(batch, name, ~batch.concepts[name].to_numpy(dtype=bool))
            changed = other.observation != batch.observation
            assert changed.flatten(1).any(1).all(), (seed, name)
            assert not (changed & ~world.masks(batch)[name]).any()


def test_facts_go_along_with_the_intended_one_as_drawn() -> None:
    arrangement = Arrangement.drawn(generator("test", 3))
    facts = arrangement.watched(20_000, torch.Generator().manual_seed(0)) == np.asarray(arrangement.pays)
    alike = (facts == facts[:, [arrangement.intended]]).mean(0)
    assert np.allclose(alike, (1 + np.asarray(arrangement.together)) / 2, atol=0.02)
    assert len({*arrangement.things}) == 5
    assert len(arrangement.candidates()) == 1 + FACTS + 4
