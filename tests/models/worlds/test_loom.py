"""The sky: what looms grows and nothing else does, and a cloud hides the disc but not its shadow."""

from __future__ import annotations

import pytest
import torch

from imprint.models.steering.looming import Looming
from imprint.models.worlds.loom import FIRST, GROUND, Loom


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_only_what_looms_grows() -> None:
    world = Loom(Loom.Settings(pixel_noise=0.0))
    batch = world.sample(1200, rng=rng(), design="balanced", do={"tone": "dark", "place": "overhead", "cloud": False})
    growth = world.senses(batch)["expansion"][:, FIRST:].sum(1)
    motion = batch.concepts["motion"]
    by = {name: growth[torch.from_numpy((motion == name).to_numpy().copy())] for name in world.values("motion")}
    assert float(by["loom"].min()) > 0.3 and float(by["recede"].max()) < 0.0
    assert abs(float(by["sweep"].mean())) < 0.15


def test_a_cloud_hides_the_disc_and_leaves_the_shadow() -> None:
    world = Loom(Loom.Settings(pixel_noise=0.0))
    batch = world.sample(200, rng=rng(), design="balanced", do={"cloud": True, "shadow": True})
    for tone in ("dark", "bright"):
        assert torch.equal(world.counterfactual(batch, "tone", tone).observation, batch.observation)
    assert float(world.senses(batch)["shade"].min()) > 0.2
    clear = world.counterfactual(batch, "shadow", False)
    assert torch.equal(clear.observation[:, :, :, : GROUND.start], batch.observation[:, :, :, : GROUND.start])
    assert float(world.senses(clear)["shade"].mean()) < 0.1


def test_the_shadow_goes_along_with_danger_as_often_as_is_said() -> None:
    facts = Loom().sample(4000, rng=rng()).concepts
    danger = facts["danger"]
    assert danger.mean() == pytest.approx(0.3, abs=0.04)
    assert facts["shadow"][danger].mean() == pytest.approx(0.9, abs=0.04)
    assert facts["shadow"][~danger].mean() == pytest.approx(0.05, abs=0.02)


def test_the_innate_detector_flees_from_danger_alone() -> None:
    world = Loom()
    batch = world.sample(2400, rng=rng(), design="balanced", do={"cloud": False})
    settings = Looming.Settings(name="escape", expansion="expansion", darkness="darkness", overhead="overhead")
    flight = Looming(settings)(world.senses(batch), world.body(batch), rng=rng(1))
    danger = torch.from_numpy(batch.concepts["danger"].to_numpy().copy())
    fled = flight.amax(1) > 0
    assert float(fled[danger].float().mean()) > 0.9 and float(fled[~danger].float().mean()) < 0.1
