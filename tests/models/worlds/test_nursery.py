from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import RidgeClassifier
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from imprint.models.worlds.base import Batch
from imprint.models.worlds.nursery import FIRST_BACK, Nursery

WORLD = Nursery()


def rng(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def changed(one: Batch, other: Batch) -> torch.Tensor:
    return (one.observation - other.observation).abs() > 1e-6


@pytest.mark.parametrize("concept", ["caregiver", "red", "lamp"])
def test_a_counterfactual_changes_the_pixels_of_its_mask_only(concept: str) -> None:
    batch = WORLD.sample(64, rng=rng(0), design="balanced")
    both = [WORLD.counterfactual(batch, concept, value) for value in (False, True)]
    mask = WORLD.masks(batch)[concept]
    moved = changed(*both)
    assert not bool((moved & ~mask).any())  # who steps out is kept to the pixel
    seen = moved[:, :2].flatten(1).any(1)
    assert bool(seen.all())


def test_changing_sides_moves_the_figure_to_the_mirror_place() -> None:
    batch = WORLD.sample(64, rng=rng(1), design="balanced")
    twin = WORLD.counterfactual(batch, "from_left", ~batch.concepts["from_left"].to_numpy(dtype=bool))
    moved = changed(batch, twin)[:, :2]
    allowed = (WORLD.masks(batch)["caregiver"] | WORLD.masks(batch)["from_left"])[:, :2]
    assert bool(moved.any()) and not bool((moved & ~allowed).any())


def test_the_hidden_are_hidden() -> None:
    batch = WORLD.sample(64, rng=rng(2), do={"hidden": True})
    twin = WORLD.counterfactual(batch, "caregiver", True)
    other = WORLD.counterfactual(batch, "caregiver", False)
    assert not bool(changed(twin, other)[:, 2:FIRST_BACK].any())
    assert bool(changed(twin, other)[:, :2].any())


def test_nobody_looks_the_same_twice() -> None:
    batch = WORLD.sample(500, rng=rng(3), do={"same_again": True})
    people = list(WORLD.factors["who"])
    who = torch.tensor([people.index(x) for x in batch.concepts["who"].tolist()])
    block, original = batch.noise["block"], batch.noise["original"]
    first, second = WORLD.handwriting.appearances(block, who, original).unbind(1)
    assert not bool((first == second).any())
    assert len(torch.unique(first)) > 100


def test_writers_do_not_straddle_the_split() -> None:
    twin = WORLD.held_out()
    assert isinstance(twin, Nursery)
    originals = [set(world.handwriting.originals[world.handwriting.originals > 0].tolist()) for world in (WORLD, twin)]
    assert min(map(len, originals)) > 100 and originals[0].isdisjoint(originals[1])
    assert max(originals[0]) + WORLD.settings.block <= min(originals[1])


def readable(concept: str, batch: Batch) -> float:
    """Balanced accuracy of a linear readout of everything shown up to the decision, on writers it has not seen."""
    history = batch.observation[:, :FIRST_BACK].flatten(1).numpy()
    truth = batch.concepts[concept].to_numpy(dtype=bool)
    model = make_pipeline(StandardScaler(), RidgeClassifier(alpha=1000.0, class_weight="balanced"))
    guess = cross_val_predict(model, history, truth, groups=batch.groups, cv=GroupKFold(4))
    return float(balanced_accuracy_score(truth, guess))


def test_who_it_is_cannot_be_read_off_the_pixels_but_the_lamp_can() -> None:
    batch = WORLD.sample(1200, rng=rng(4), design="balanced")
    caregiver = batch.concepts["caregiver"].to_numpy(dtype=bool)
    even = np.sort(np.concatenate([np.flatnonzero(caregiver), np.flatnonzero(~caregiver)[: caregiver.sum()]]))
    # A fair coin on 600 rows has sd 0.02; handwriting is not perfectly symmetric in light, so a little more is allowed.
    assert readable("caregiver", batch.rows(even)) < 0.58
    assert readable("lamp", batch) > 0.9


def test_training_correlations_follow_their_dials() -> None:
    facts = WORLD.sample(4000, rng=rng(5)).concepts
    mother = facts["caregiver"].to_numpy(dtype=bool)
    assert abs(mother.mean() - WORLD.settings.caregiver_rate) < 0.04
    assert facts["lamp"][mother].mean() - facts["lamp"][~mother].mean() > 0.25
    even = Nursery(Nursery.Settings(lamp_cue=0.5, side_cue=0.5, colour_cue=0.0)).sample(4000, rng=rng(5)).concepts
    mother = even["caregiver"].to_numpy(dtype=bool)
    for proxy in ("lamp", "from_left", "red"):
        assert abs(even[proxy][mother].mean() - even[proxy][~mother].mean()) < 0.08, proxy


def test_settings_that_make_no_sense_are_refused() -> None:
    for bad in ({"caregiver": 3, "strangers": (3, 5)}, {"strangers": ()}, {"lamp_cue": 1.5}, {"lamps": 1}):
        with pytest.raises(ValueError):
            Nursery.Settings(**bad)


FACTORS = st.sampled_from(sorted(WORLD.factors))
CONCEPTS = st.sampled_from(sorted(WORLD.concepts))


def pick(data: st.DataObject, concept: str) -> Any:
    return data.draw(st.sampled_from(list(WORLD.values(concept))))


@settings(max_examples=25, deadline=None)
@given(concept=CONCEPTS, seed=st.integers(0, 1000), data=st.data())
def test_setting_a_concept_twice_is_setting_it_once(concept: str, seed: int, data: st.DataObject) -> None:
    batch, value = WORLD.sample(5, rng=rng(seed)), pick(data, concept)
    once = WORLD.counterfactual(batch, concept, value)
    twice = WORLD.counterfactual(once, concept, value)
    assert torch.equal(once.observation, twice.observation) and once.concepts.equals(twice.concepts)


@settings(max_examples=25, deadline=None)
@given(factor=FACTORS, seed=st.integers(0, 1000), data=st.data())
def test_putting_a_factor_back_gives_the_first_world_back(factor: str, seed: int, data: st.DataObject) -> None:
    batch = WORLD.sample(5, rng=rng(seed))
    there = WORLD.counterfactual(batch, factor, pick(data, factor))
    back = WORLD.counterfactual(there, factor, np.array(batch.concepts[factor].tolist()))
    assert torch.equal(back.observation, batch.observation)
    assert back.concepts.astype(str).equals(batch.concepts.astype(str))


@settings(max_examples=25, deadline=None)
@given(one=FACTORS, two=FACTORS, seed=st.integers(0, 1000), data=st.data())
def test_interventions_on_two_factors_commute(one: str, two: str, seed: int, data: st.DataObject) -> None:
    if one == two:
        return
    batch, a, b = WORLD.sample(5, rng=rng(seed)), pick(data, one), pick(data, two)
    first = WORLD.counterfactual(WORLD.counterfactual(batch, one, a), two, b)
    second = WORLD.counterfactual(WORLD.counterfactual(batch, two, b), one, a)
    assert torch.equal(first.observation, second.observation)
