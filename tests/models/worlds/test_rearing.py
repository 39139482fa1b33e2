"""An object is seen face by face, each of its features can be changed alone, and crude senses tell what they must."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from imprint.models.worlds.rearing import HUES, STEPS, Rearing

WORLD = Rearing()


def rng(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_only_the_own_object_is_ever_seen_in_training_and_it_is_the_same_whichever_face_is_called_the_front() -> None:
    facts = WORLD.sample(400, rng=rng(0)).concepts
    assert facts["own"].all() and 0.65 < facts["shown"].mean() < 0.85
    turned = {"colour_front": "yellow", "shape_front": "triangle", "colour_back": "purple", "shape_back": "disc"}
    assert WORLD.sample(4, rng=rng(0), do=turned).concepts["own"].all()
    exchanged = turned | {"shape_front": "disc", "shape_back": "triangle"}
    assert not WORLD.sample(4, rng=rng(0), do=exchanged).concepts["own"].any()
    stranger = WORLD.sample(4, rng=rng(0), do={"own": False}).concepts
    assert not any((stranger[name] == feature).any() for name, feature in WORLD.own.items())


@pytest.mark.parametrize("concept", ["own", "crest"])
def test_a_counterfactual_changes_the_pixels_of_its_mask_and_no_other(concept: str) -> None:
    batch = WORLD.sample(64, rng=rng(1), design="balanced", do={"shown": True})
    one, other = (WORLD.counterfactual(batch, concept, value) for value in (False, True))
    moved = (one.observation - other.observation).abs() > 1e-6
    assert not bool((moved & ~WORLD.masks(batch)[concept]).any()) and bool(moved.any())


def test_both_faces_of_a_moving_object_come_into_view_and_only_one_of_a_still_one() -> None:
    clean = WORLD.with_settings(pixel_noise=0.0)
    for moves, counts in ((True, {2}), (False, {1})):
        frames = clean.sample(32, rng=rng(2), do={"moves": moves, "crest": False, "shown": True}).observation
        lit = frames.flatten(3).amax(3)
        faces = [(lit - HUES[k]).abs().amax(2) < 1e-6 for k in (5, 1)]
        assert {int(a.any()) + int(b.any()) for a, b in zip(*faces, strict=True)} == counts
        assert bool((faces[0] ^ faces[1]).all())


def test_senses_tell_matter_motion_and_heads() -> None:
    batch = WORLD.sample(600, rng=rng(3), design="balanced")
    senses, facts = WORLD.senses(batch), batch.concepts
    shown = facts["shown"].to_numpy()
    for sense, expected in (("matter", shown), ("motion", shown & facts["moves"]), ("head", shown & facts["crest"])):
        felt = (senses[sense][:, 1:] > 0.5).float().mean(1).numpy() > 0.5
        assert (felt == np.asarray(expected)).mean() > 0.98, sense


def test_a_scrambled_object_has_its_colours_and_no_shape() -> None:
    world = WORLD.with_settings(scrambled=True, pixel_noise=0.0)
    noise = dict(world.draw_noise(8, rng(4)))
    facts = world.draw_factors(8, rng(4)).assign(shown=True, moves=False, crest=False)
    mixed, whole = (made.render(facts, noise if made is world else _still(noise)) for made in (world, WORLD))
    assert torch.allclose(mixed.sum((3, 4)), (whole - 0.05 * noise["grain"]).sum((3, 4)), atol=1e-3)
    assert not torch.equal(mixed[:, 0], mixed[:, STEPS - 1])


def _still(noise: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: value for name, value in noise.items() if name != "disorder"}


def test_an_object_needs_two_colours_and_two_shapes() -> None:
    with pytest.raises(ValidationError, match="two different ones"):
        Rearing.Settings(colours=("red", "red"))
    with pytest.raises(ValidationError, match="two different ones"):
        Rearing.Settings(shapes=("disc", "red"))
