"""Activity travels over the sheet where lateral weights hand it on, and stays where it is without them."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from imprint.models.errors import ImprintError
from imprint.models.learners.base import Frame
from imprint.models.learners.wave import Wave
from imprint.models.learning.cohort import Cohort

FRAME = Frame(5, 2, 12, 20, action_channels=1)
"""A sheet of 3 x 5 places."""


def rng(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def born(frame: Frame = FRAME, seed: int = 0, **settings: int) -> Wave:
    return Wave.born(Wave.Settings(**settings), frame, rng=rng(seed))


def test_the_sheet_is_a_recurrent_convolution() -> None:
    learner, observation = born(reach=1), torch.rand(3, 5, 2, 12, 20, generator=rng(1))
    with torch.no_grad():
        learner.lateral.weight.normal_(std=0.1, generator=rng(2))
        learner.lateral.bias.normal_(generator=rng(3))
    kernel = learner.lateral.weight.unflatten(0, (3, 3, 12)).permute(3, 2, 0, 1)
    filters = learner.seen.weight.unflatten(1, (2, 4, 4))
    activity, steps = torch.zeros(3, 12, 3, 5), []
    for frame in observation.unbind(1):
        driven = F.conv2d(frame, filters, learner.seen.bias, stride=4)
        activity = F.relu(F.conv2d(activity, kernel, learner.lateral.bias[0], padding=1) + driven)
        steps.append(activity.permute(0, 2, 3, 1).flatten(1))
    assert torch.allclose(learner(observation), torch.stack(steps, 1), atol=1e-4)


def flashed(frame: Frame, rows: slice, columns: slice) -> torch.Tensor:
    """One frame with a light, then darkness."""
    observation = torch.zeros(8, frame.steps, frame.channels, frame.height, frame.width)
    shape = observation[:, 0, :, rows, columns].shape
    observation[:, 0, :, rows, columns] = torch.rand(shape, generator=rng(4))
    return observation


def test_at_birth_activity_travels_one_place_a_step_and_without_lateral_weights_it_does_not() -> None:
    frame = Frame(3, 1, 20, 20)
    light = flashed(frame, slice(8, 12), slice(8, 12))
    travels, stays = born(frame), born(frame, reach=0)
    for learner in (travels, stays):
        learner.seen.bias.data.zero_()
    assert torch.allclose(travels.spread(light, row=2, column=2), torch.arange(3.0).expand(8, -1), atol=1e-6)
    assert not stays.spread(light, row=2, column=2).any()
    places = travels(light).unflatten(2, (5, 5, 12))[:, 2].sum((0, 3)).nonzero().tolist()
    assert places == [[0, 2], [2, 0], [2, 4], [4, 2]], "after two steps it is two places away, in four directions"


@pytest.mark.parametrize("reach", [0, 1])
def test_after_learning_it_still_travels_only_where_there_are_lateral_weights(reach: int) -> None:
    frame = Frame(6, 1, 12, 20)
    cohort = Cohort([born(frame, seed, reach=reach) for seed in range(2)], 0.003)
    at = torch.arange(6)
    seen = torch.zeros(2, 16, 6, 1, 12, 20)
    start = torch.randint(0, 20, (2, 16), generator=rng(5))
    columns = (start[..., None] + 4 * at) % 20  # a bar that moves on by one place a step
    seen.scatter_(5, columns[..., None, None, None].expand(-1, -1, -1, 1, 12, 1), 1.0)
    losses = torch.stack([cohort.learn(seen).loss for _ in range(80)])
    assert bool((losses[-1] < 0.7 * losses[0]).all())
    light = flashed(frame, slice(4, 8), slice(8, 12))
    for learner in cohort.unstack():
        away = learner.spread(light, row=1, column=2)
        speed = (away[:, 2] - away[:, 0]).nanmean() / 2
        assert (float(speed) > 0.3) if reach else (abs(float(speed)) < 1e-6)


def test_a_reach_or_patch_that_does_not_fit_says_what_would() -> None:
    with pytest.raises(ImprintError, match=r"reach is 5; expected at most 4"):
        born(reach=5)
    with pytest.raises(ImprintError, match=r"patch is 3.*1, 2, 4"):
        born(patch=3)
