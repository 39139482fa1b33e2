"""The nest is hidden from every frame and from a linear eye over all of them, and follows from the walk."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.linear_model import RidgeClassifier
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import cross_val_predict
from torch import Tensor

from imprint.models.worlds.base import Batch
from imprint.models.worlds.nest import COLOURS, DECISION, GLOW, MOVES, STEPS, Nest

WORLD = Nest()


def rng(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def worked_out(world: Nest, batch: Batch) -> Tensor:
    """P(place) ``[n, side^2]`` after all frames up to the decision, by Bayes's rule on the frames alone."""
    side = world.settings.side
    planes = batch.observation[..., 0, 0]
    belief = torch.full((len(batch), side, side), 1.0 / side**2)
    for t in range(DECISION + 1):
        seen = planes[:, t, :COLOURS]
        likely = seen @ torch.nn.functional.one_hot(world.tiles, COLOURS).float().T
        likely = torch.where(seen.sum(1, keepdim=True) > 0, likely, 1.0).view_as(belief)
        belief = belief * likely
        moved = torch.stack([belief.roll(step, (1, 2)) for step in MOVES.values()], 1)
        belief = (planes[:, t, GLOW + 1 :, None, None] * moved).sum(1)
    return belief.flatten(1) / belief.flatten(1).sum(1, keepdim=True)


def test_a_walk_goes_tile_by_tile_to_its_place() -> None:
    batch = WORLD.sample(300, rng=rng(0))
    tiles, moves = WORLD.walk(batch.concepts, batch.noise)
    steps = torch.tensor(list(MOVES.values()))[moves]
    side = WORLD.settings.side
    row, column = (tiles // side + steps[..., 0]) % side, (tiles % side + steps[..., 1]) % side
    assert torch.equal((row * side + column)[:, :-1], tiles[:, 1:])
    assert torch.equal(tiles[:, DECISION + 1], torch.tensor(batch.concepts["place"].to_numpy()))
    assert [list(MOVES)[m] for m in moves[:, DECISION]] == batch.concepts["move"].tolist()
    felt = WORLD.senses(batch)
    near = torch.tensor(batch.concepts["near_nest"].to_numpy())
    assert torch.equal(felt["warmth"][:, DECISION + 1] > 0, near)
    lit = torch.tensor(batch.concepts["glow"].to_numpy())
    assert torch.equal(felt["glimmer"].sum(1), 2.0 * lit) and felt["warmth"].shape == (300, STEPS)


def test_every_colour_is_as_frequent_around_the_nest_as_elsewhere() -> None:
    for seed in range(5):
        world = Nest(Nest.Settings(field_seed=seed))
        inside, outside = (torch.bincount(world.tiles[part], minlength=COLOURS) for part in (world.near, ~world.near))
        assert inside.tolist() == [1] * COLOURS and outside.tolist() == [4] * COLOURS


def test_the_place_follows_from_the_walk_and_not_from_a_linear_eye() -> None:
    batch = WORLD.sample(1500, rng=rng(1), design="balanced")
    place, near = (batch.concepts[name].to_numpy() for name in ("place", "near_nest"))
    belief = worked_out(WORLD, batch)
    assert float((belief.argmax(1).numpy() == place).mean()) > 0.97
    assert balanced_accuracy_score(near, (belief @ WORLD.near.float() > 0.5).numpy()) > 0.97
    history = batch.observation[:, : DECISION + 1].flatten(1).numpy()
    guess = cross_val_predict(RidgeClassifier(10.0, class_weight="balanced"), history, near, cv=5)
    assert balanced_accuracy_score(near, guess) < 0.66
    dark = Nest(Nest.Settings(dark_rate=1.0))
    blind = worked_out(dark, dark.sample(50, rng=rng(2)))
    assert np.allclose(blind, 1 / 25), "where nothing is seen nothing follows"


def test_training_correlations_are_those_of_the_settings() -> None:
    facts = WORLD.derive(WORLD.draw_factors(30_000, rng(3)))
    near = facts["near_nest"].to_numpy()
    rates = [near.mean(), *(facts[c][part].mean() for c in ("glow", "homeward") for part in (near, ~near))]
    assert np.allclose(rates, [0.35, 0.8, 0.2, 0.5, 0.5 / 3], atol=0.02)
    assert facts.loc[near, "place"].value_counts(normalize=True).between(0.17, 0.23).all()
