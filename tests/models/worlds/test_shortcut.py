"""The mark goes along with even digits as its dial says, each can be changed alone, and no pixel tells what is even."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import RidgeClassifier
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import GroupKFold, cross_val_predict

from imprint.models.constants import draw_worlds
from imprint.models.errors import ImprintError
from imprint.models.handwriting import Handwriting
from imprint.models.worlds.shortcut import MARKS, Shortcut

WORLD = Shortcut()


def rng(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("rho", [-0.5, 0.0, 0.8, 1.0])
def test_rho_is_the_correlation_of_mark_and_evenness(rho: float) -> None:
    facts = Shortcut(Shortcut.Settings(rho=rho)).draw_factors(40_000, rng(1))
    even = facts["digit"] % 2 == 0
    assert abs(np.corrcoef(even, facts["mark"])[0, 1] - rho) < 0.02
    assert abs(np.corrcoef(even, facts["speck"])[0, 1]) < 0.02 and abs(even.mean() - 0.5) < 0.02


@pytest.mark.parametrize("concept", ["even", "mark", "speck"])
def test_a_counterfactual_changes_the_pixels_of_its_mask_in_every_frame_and_no_other(concept: str) -> None:
    batch = WORLD.sample(64, rng=rng(0), design="balanced")
    one, other = (WORLD.counterfactual(batch, concept, value) for value in (False, True))
    moved = (one.observation - other.observation).abs() > 1e-6
    assert not bool((moved & ~WORLD.masks(batch)[concept]).any()) and bool(moved.flatten(2).any(2).all())
    back = WORLD.counterfactual(other, concept, batch.concepts[concept].to_numpy())
    assert torch.equal(back.observation, batch.observation) and back.concepts.equals(batch.concepts)


def test_the_mark_is_given_by_the_pixels_and_evenness_is_not() -> None:
    batch = WORLD.sample(1200, rng=rng(2), design="balanced")
    pixels = batch.observation[:, :2].flatten(1).numpy()
    for concept, low, high in (("mark", 0.99, 1.0), ("even", 0.40, 0.60)):
        truth = batch.concepts[concept].to_numpy()
        guess = cross_val_predict(RidgeClassifier(1e3), pixels, truth, groups=batch.groups, cv=GroupKFold(5))
        assert low <= balanced_accuracy_score(truth, guess) <= high, concept
    felt = WORLD.senses(batch)
    assert torch.equal(felt["feedback"][:, 0] > 0.5, torch.tensor(batch.concepts["even"].to_numpy()))
    for sense, concept in (("glare", "mark"), ("glint", "speck")):
        assert torch.equal(felt[sense][:, 0] > 0.4, torch.tensor(batch.concepts[concept].to_numpy())), concept


def test_a_mark_that_flickers_is_drawn_anew_in_every_frame_and_each_can_be_changed_alone() -> None:
    world = Shortcut(Shortcut.Settings(flicker=True, rho=0.6))
    facts = world.draw_factors(40_000, rng(1))
    even, marks = facts["digit"] % 2 == 0, facts[list(MARKS)].astype(float)
    assert all(abs(np.corrcoef(even, marks[name])[0, 1] - 0.6) < 0.02 for name in MARKS)
    assert np.abs(np.corrcoef(marks[even].T) - np.eye(4)).max() < 0.03, "nothing but the digit joins them"
    batch = world.sample(64, rng=rng(0), design="balanced")
    lit = world.senses(batch, ["glare"])["glare"] > 0.4
    assert torch.equal(lit, torch.tensor(batch.concepts[list(MARKS)].to_numpy(dtype=bool)))
    for step, name in enumerate(MARKS):
        one, other = (world.counterfactual(batch, name, value).observation for value in (False, True))
        moved = (one - other).abs() > 1e-6
        assert torch.equal(moved, world.masks(batch)[name])
        assert moved.flatten(2).any(2).any(0).tolist() == [frame == step for frame in range(4)]


def test_even_digits_and_specks_can_be_rare_or_never_occur_and_digits_can_be_taken_out_of_sight() -> None:
    for rate in (0.0, 0.3, 1.0):
        facts = Shortcut(Shortcut.Settings(even_rate=rate)).sample(8_000, rng=rng(1)).concepts
        assert abs(facts["even"].mean() - rate) < 0.02
        facts = Shortcut(Shortcut.Settings(speck_rate=rate)).sample(8_000, rng=rng(1)).concepts
        assert abs(facts["speck"].mean() - rate) < 0.02 and abs(facts["even"].mean() - 0.5) < 0.02
    blind = Shortcut(Shortcut.Settings(ink=0.0))
    batch = blind.sample(16, rng=rng(1), design="balanced")
    assert torch.equal(blind.counterfactual(batch, "even", True).observation, batch.observation)


def test_other_worlds_have_other_digits_half_of_them_even_and_bad_ones_are_refused() -> None:
    for constants in draw_worlds(Shortcut, WORLD.settings, 4):
        digits = WORLD.with_settings(**constants).factors["digit"]
        assert len(set(digits)) == 4 and sum(digit % 2 for digit in digits) == 2
    for digits in ((0, 1, 2), (0, 2), (0, 0, 1, 3), (0, 11)):
        with pytest.raises(ValueError, match="as many even as odd"):
            Shortcut.Settings(digits=digits)
    with pytest.raises(ImprintError, match="give larger blocks"):
        Handwriting(range(10), block=20, held_out=False, least=9)
