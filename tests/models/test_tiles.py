"""Feature maps over tiles: against torch's convolution, against a fully connected layer, and what does not fit."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from imprint.models.errors import ImprintError
from imprint.models.learners.base import Frame, tiles_of
from imprint.models.learners.conv import Conv
from imprint.models.learning.cohort import Cohort
from imprint.models.tiles import Tiles, wiring_of

ROWS, COLUMNS, PATCH, CHANNELS, MAPS = 3, 4, 2, 2, 5
SEEN = CHANNELS * PATCH**2


def rng(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def tiles(kernels: int, reach: int) -> Tiles:
    wiring = wiring_of(ROWS, COLUMNS, kernels=kernels, reach=reach)
    made = Tiles(wiring, kernels, SEEN, MAPS)
    draw = rng(1)
    for parameter in made.parameters():
        parameter.data = torch.randn(parameter.shape, generator=draw)
    return made


def test_a_tile_is_a_square_of_its_frame_and_takes_a_gradient_whoever_asked_first() -> None:
    frames = torch.randn(2, 3, 2, 6, 9, generator=rng(0))
    with torch.inference_mode():
        found = tiles_of(frames, 3)
    assert found.shape == (2, 3, 6, 18)
    for tile in range(6):
        row, column = 3 * (tile // 3), 3 * (tile % 3)
        assert torch.equal(found[:, :, tile], frames[..., row : row + 3, column : column + 3].flatten(2))
    frames.requires_grad_()
    (tiles_of(frames, 3) * found.clone()).sum().backward()
    assert frames.grad is not None and torch.equal(frames.grad, frames)


@pytest.mark.parametrize("reach", [0, 1, 2])
def test_one_kernel_is_the_convolution_of_torch(reach: int) -> None:
    made, side = tiles(1, reach), 2 * reach + 1
    frames = torch.randn(3, 1, CHANNELS, ROWS * PATCH, COLUMNS * PATCH, generator=rng(0))
    kernel = torch.zeros(side, side, SEEN, MAPS)
    used = (torch.arange(side) - reach).abs()
    seen = (used[:, None] < ROWS) & (used[None] < COLUMNS)
    kernel[seen] = made.weight.detach().unflatten(0, (-1, SEEN))
    kernel = kernel.unflatten(2, (CHANNELS, PATCH, PATCH)).permute(5, 2, 0, 3, 1, 4)
    kernel = kernel.reshape(MAPS, CHANNELS, side * PATCH, side * PATCH)
    expected = F.conv2d(frames[:, 0], kernel, made.bias[0], stride=PATCH, padding=reach * PATCH)
    torch.testing.assert_close(made(tiles_of(frames, PATCH))[:, 0], expected.flatten(2).mT, rtol=1e-4, atol=1e-4)


def test_a_kernel_for_every_tile_that_reaches_everywhere_is_fully_connected() -> None:
    count = ROWS * COLUMNS
    made, frames = tiles(count, COLUMNS - 1), torch.randn(4, count, SEEN, generator=rng(2))
    assert made.weight.numel() == count * MAPS * count * SEEN and bool(made.connected.all())
    assert sorted(made.index.tolist()) == list(range(count * count * SEEN))
    dense = torch.func.jacrev(made)(frames[0]).reshape(count * MAPS, count * SEEN)
    expected = frames.flatten(1) @ dense.T + made.bias.flatten()
    torch.testing.assert_close(made(frames).flatten(1), expected, rtol=1e-4, atol=1e-4)
    assert torch.linalg.matrix_rank(dense) == count * MAPS  # no two units share weights


def test_without_reach_a_tile_sees_itself_alone_and_kernels_are_shared_in_runs() -> None:
    made = tiles(3, 0)
    turned = torch.func.jacrev(made)(torch.zeros(ROWS * COLUMNS, SEEN))
    blocks = [turned[j, :, j] for j in range(ROWS * COLUMNS)]
    assert not turned[0, :, 1:].any()
    assert all(torch.equal(blocks[j], blocks[j // COLUMNS * COLUMNS]) for j in range(ROWS * COLUMNS))
    assert not torch.equal(blocks[0], blocks[COLUMNS])


def test_what_does_not_fit_says_what_would() -> None:
    with pytest.raises(ImprintError, match="frames have 12 tiles; expected at most so many"):
        wiring_of(ROWS, COLUMNS, kernels=13, reach=0)
    with pytest.raises(ImprintError, match="reach is 4; expected at most 3, which sees all 3 x 4 tiles"):
        wiring_of(ROWS, COLUMNS, kernels=1, reach=4)


@pytest.mark.parametrize(("kernels", "reach"), [(1, 1), (8, 0), (8, 3)])
def test_a_learner_with_dials_learns_and_stacks_over_seeds(kernels: int, reach: int) -> None:
    frame, pictures = Frame(5, 2, 4, 8), torch.rand(2, 12, 1, 2, 4, 8, generator=rng(0))
    settings = Conv.Settings(patch=2, channels=8, hidden=32, width=16, kernels=kernels, reach=reach)
    cohorts = [Cohort([Conv.born(settings, frame, rng=rng(s)) for s in seeds], 0.003) for seeds in ((0, 1), (1,))]
    shown = pictures.expand(-1, -1, frame.steps, -1, -1, -1)
    losses = [[cohort.learn(shown[2 - len(cohort.modules) :]).loss for _ in range(40)] for cohort in cohorts]
    torch.testing.assert_close(losses[0][0][1:], losses[1][0])
    assert bool((losses[0][-1] < losses[0][0] - 1).all())
