"""Every world keeps the contract of ``imprint.models.worlds.base``; a new file is tested because it exists."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pytest
import torch

from imprint.models.constants import draw_worlds
from imprint.models.errors import ImprintError, UnknownNameError
from imprint.models.worlds.base import WORLDS, Batch, World

SMALLER: dict[str, dict[str, Any]] = {"doorkey": {"pool": 400, "held_out_pool": 200}}
"""Settings that make a world cheap enough for tests; worlds not named here run with their defaults."""


@pytest.fixture(scope="module", params=WORLDS.names())
def world(request: pytest.FixtureRequest) -> World:
    cls = WORLDS.load(request.param)
    made: World = cls(cls.Settings(**SMALLER.get(request.param, {})))
    return made


@pytest.fixture(scope="module")
def batch(world: World) -> Batch:
    return world.sample(48, rng=rng(1), design="balanced")


def rng(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def settable(world: World, batch: Batch) -> dict[str, list[Batch]]:
    """Concept -> the batch with it set to each of its values, for the concepts that can be intervened on."""
    out: dict[str, list[Batch]] = {}
    for concept in world.concepts:
        try:
            out[concept] = [world.counterfactual(batch, concept, value) for value in world.values(concept)]
        except ImprintError as refusal:
            assert "cannot intervene" in str(refusal)
    return out


@pytest.mark.parametrize("design", ["train", "balanced"])
def test_the_same_generator_gives_the_same_bytes(world: World, design: Any) -> None:
    one, same, other = (world.sample(32, rng=rng(seed), design=design) for seed in (3, 3, 4))
    assert torch.equal(one.observation, same.observation)
    assert one.concepts.equals(same.concepts)
    assert not torch.equal(one.observation, other.observation)


def test_a_batch_has_the_promised_shape(world: World, batch: Batch) -> None:
    assert batch.observation.dtype == torch.float32 and bool(torch.isfinite(batch.observation).all())
    assert len(batch.concepts) == len(batch.groups) == len(batch) == 48
    assert tuple(batch.concepts.columns) == world.concepts
    assert all(len(value) == 48 for value in batch.noise.values())
    assert len(np.unique(batch.groups)) >= 2
    assert batch.observation.shape[1] > max(world.moments.values())
    assert world.decision in world.moments


def test_values_are_among_the_allowed(world: World) -> None:
    for design in ("train", "balanced"):
        facts = world.sample(200, rng=rng(2), design=design).concepts
        for concept in world.concepts:
            assert set(facts[concept].tolist()) <= set(world.values(concept)), concept


def test_rows_keep_everything_together(batch: Batch) -> None:
    part = batch.rows(np.array([5, 3]))
    assert torch.equal(part.observation, batch.observation[[5, 3]])
    assert part.concepts.equals(batch.concepts.iloc[[5, 3]].reset_index(drop=True))


def test_rendering_again_gives_the_same_frames(world: World, batch: Batch) -> None:
    assert torch.equal(world.render(batch.concepts[list(world.factors)], batch.noise), batch.observation)


def test_counterfactuals_change_what_they_must_and_nothing_else(world: World, batch: Batch) -> None:
    made = settable(world, batch)
    assert made, "no concept can be intervened on"
    for concept, twins in made.items():
        for value, twin in zip(world.values(concept), twins, strict=True):
            assert (twin.concepts[concept] == value).all(), concept
            assert np.array_equal(twin.groups, batch.groups)
            assert all(torch.equal(twin.noise[name], batch.noise[name]) for name in batch.noise)
            already = torch.from_numpy((batch.concepts[concept] == value).to_numpy().copy())
            assert torch.equal(twin.observation[already], batch.observation[already]), concept
            if concept in world.factors:
                others = [factor for factor in world.factors if factor != concept]
                assert twin.concepts[others].equals(batch.concepts[others]), concept


def test_some_counterfactual_is_seen(world: World, batch: Batch) -> None:
    for concept in (c for c in settable(world, batch) if c in world.factors):
        a, b = (world.counterfactual(batch, concept, value) for value in world.values(concept)[:2])
        assert not torch.equal(a.observation, b.observation), concept


def test_the_balanced_design_decorrelates(world: World) -> None:
    names = getattr(world.settings, "balance", tuple(world.factors))
    facts = world.sample(1600, rng=rng(5), design="balanced").concepts
    for one, two in combinations(names, 2):
        for a in world.values(one)[:-1]:
            for b in world.values(two)[:-1]:
                r = np.corrcoef(facts[one] == a, facts[two] == b)[0, 1]
                assert abs(r) < 0.1, f"{one}={a} goes with {two}={b}: {r:.2f}"  # 4 sd of independent columns
    for name in names:
        assert facts[name].value_counts().min() / len(facts) > 0.8 / len(world.values(name))


def test_constants_can_be_drawn_and_make_a_world(world: World) -> None:
    assert world.constants is not None, "write `constants` and, unless it is empty, `draw_constants`"
    assert set(world.constants) <= type(world.settings).model_fields.keys() and set(world.literal) <= set(
        world.concepts
    )
    assert set(world.literal.values()) <= set(world.concepts)
    if not world.constants:
        return
    own, other = (world.with_settings(**constants) for constants in draw_worlds(type(world), world.settings, 2))
    assert own.concepts == other.concepts == world.concepts, "concepts are roles, named alike in every world"
    shown, same, others = (made.sample(16, rng=rng(7)).observation for made in (world, own, other))
    assert torch.equal(shown, same) and not torch.equal(shown, others)
    for literal, role in world.literal.items():
        facts = world.sample(64, rng=rng(8)).concepts
        assert (facts[literal] == facts[role]).all(), f"{literal} is not {role} in the world of default settings"


def test_unknown_names_and_values_suggest_the_near_miss(world: World, batch: Batch) -> None:
    known = next(iter(world.factors))
    with pytest.raises(UnknownNameError, match=f"Did you mean '{known}'"):
        world.counterfactual(batch, known + "x", True)
    with pytest.raises(ImprintError, match="allowed"):
        world.counterfactual(batch, known, "no such value")
    with pytest.raises(ImprintError, match="at least 1"):
        world.sample(0, rng=rng(0))


def test_do_fixes_a_factor_or_says_why_not(world: World) -> None:
    factor, values = next(iter(world.factors.items()))
    try:
        done = world.sample(16, rng=rng(0), do={factor: values[0]})
    except ImprintError as refusal:
        assert "counterfactual" in str(refusal)
    else:
        assert (done.concepts[factor] == values[0]).all()
    with pytest.raises(UnknownNameError):
        world.sample(4, rng=rng(0), do={factor + "x": values[0]})


def test_senses_and_body_are_raw(world: World, batch: Batch) -> None:
    senses = world.senses(batch).values
    assert senses
    for value in senses.values():
        assert value.shape == batch.observation.shape[:2] and not value.requires_grad
    assert all(value.shape == (len(batch),) for value in world.body(batch).values.values())


def test_masks_cover_the_observation(world: World, batch: Batch) -> None:
    for concept, mask in world.masks(batch).items():
        world.require(concept)
        assert mask.dtype == torch.bool and mask.shape == batch.observation.shape
        assert 0 < int(mask.sum()) < mask.numel() / 2, concept


def test_held_out_groups_are_other_groups(world: World) -> None:
    twin = world.held_out()
    if twin is world:
        pytest.skip("rendering is independent: no originals to hold out")
    groups = [set(w.sample(600, rng=rng(6)).groups.tolist()) for w in (world, twin)]
    assert groups[0] and groups[1] and groups[0].isdisjoint(groups[1])
    assert twin.held_out().concepts == world.concepts
