"""Bars travel as their factors say, each control takes away one kind of structure, photographs are split by place."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from imprint.models.photographs import NAMES, photograph
from imprint.models.worlds.base import Batch
from imprint.models.worlds.waves import SIDE, STEPS, WAYS, Waves


def rng(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def seen(n: int = 400, **settings: Any) -> Batch:
    return Waves(Waves.Settings(**{"pixel_noise": 0.0, **settings})).sample(n, rng=rng(0))


def moved(frame: Tensor, rows: int, columns: int) -> Tensor:
    """The part of a frame that is still seen when the picture has moved by so much, in the middle of the frame."""
    return frame.roll((rows, columns), (-2, -1))[..., 2:-2, 2:-2]


@pytest.mark.parametrize("scene", ["waves", *NAMES])
def test_each_frame_is_the_one_before_moved_by_direction_and_speed(scene: str) -> None:
    batch = seen(scene=scene)
    for (direction, speed), rows in batch.concepts.groupby(["direction", "speed"]).groups.items():
        rows_, columns = (speed * step for step in WAYS[direction])
        frames = batch.observation[np.asarray(rows), :, 0]
        assert torch.allclose(moved(frames[:, :-1], rows_, columns), frames[:, 1:, 2:-2, 2:-2], atol=2e-5)


def correlation(frames: Tensor, rows: int, columns: int) -> float:
    """Of pixels that lie so far apart, in frames ``[n, H, W]``."""
    one, other = frames[:, : SIDE - rows, : SIDE - columns], frames[:, rows:, columns:]
    return float(np.corrcoef(one.flatten(), other.flatten())[0, 1])


def test_each_control_takes_away_its_structure_and_keeps_the_values() -> None:
    bars, pixels, frames, noise = (
        seen(scrambled=kind).observation[:, :, 0] for kind in ("none", "pixels", "frames", "noise")
    )
    for scrambled in (pixels, frames):
        assert torch.equal(scrambled.flatten(1).sort(1)[0], bars.flatten(1).sort(1)[0])
    for every in (bars, pixels, frames, noise):
        assert abs(float(every.mean())) < 0.1 and abs(float(every.std()) - 1) < 0.1
    assert correlation(bars[:, 0], 0, 1) > 0.7 and correlation(frames[:, 0], 0, 1) > 0.7
    assert abs(correlation(pixels[:, 0], 0, 1)) < 0.3 and abs(correlation(noise[:, 0], 0, 1)) < 0.03
    still = [float((x[:, 1:] - x[:, :-1]).square().mean()) for x in (bars, pixels, frames, noise)]
    assert still[0] == pytest.approx(still[1], rel=1e-4) and still[2] > 1.3 * still[0] and still[3] > 1.8


def test_jitter_weakens_what_goes_together_along_one_axis_alone() -> None:
    strong, weak = (seen(2000, jitter=jitter).observation[:, 1, 0] for jitter in (0.0, 4.0))
    assert correlation(strong, 1, 0) == pytest.approx(correlation(strong, 0, 1), abs=0.08)
    assert correlation(weak, 0, 1) < correlation(weak, 1, 0) - 0.3
    assert correlation(weak, 1, 0) > 0.7


def test_closed_lids_blur_and_dim() -> None:
    open_, closed = seen(scene="china"), seen(scene="china", blur=6.0, contrast=0.1)
    assert closed.observation.std() < 0.1 * open_.observation.std()
    fine = [float(b.observation.diff(dim=-1).std() / b.observation.std()) for b in (open_, closed)]
    assert fine[1] < 0.3 * fine[0]


def test_photographs_are_standardised_and_the_other_one_is_held_out() -> None:
    for name in NAMES:
        photo = photograph(name)
        assert photo.shape == (213, 320) and abs(float(photo.mean())) < 1e-4 and abs(float(photo.std()) - 1) < 1e-2
    world = Waves(Waves.Settings(scene="china"))
    groups = [set(w.sample(500, rng=rng(1)).groups.tolist()) for w in (world, world.held_out())]
    assert groups[0].isdisjoint(groups[1]) and min(map(len, groups)) > 20
    assert world.held_out().held_out().settings == world.settings
    assert Waves().held_out().settings.scene == "waves"


def test_senses_are_those_of_the_frames() -> None:
    world = Waves()
    batch = world.sample(8, rng=rng(3))
    frames, felt = batch.observation[:, :, 0].numpy(), world.senses(batch)
    assert np.allclose(felt["brightness"], frames.mean((2, 3)), atol=1e-6)
    assert np.allclose(felt["motion"][:, 1:], np.abs(np.diff(frames, axis=1)).mean((2, 3)), atol=1e-6)
    assert not felt["motion"][:, 0].any() and felt["motion"].shape == (8, STEPS)


def test_turning_a_bar_round_keeps_everything_else() -> None:
    world = Waves(Waves.Settings(pixel_noise=0.0))
    batch = world.sample(2, rng=rng(4), do={"direction": 0})
    turned = world.counterfactual(batch, "direction", 4)
    assert torch.allclose(turned.observation, batch.observation.flip(-1), atol=1e-5)
