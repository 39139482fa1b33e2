from __future__ import annotations

import torch
import torch.nn.functional as F

from imprint.models.learning.tied_layers import pooled, tied, windows
from imprint.models.rules.base import Changes


def rngs(*seeds: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def test_one_set_of_weights_is_a_convolution_and_its_tied_change_the_gradient_of_one() -> None:
    wiring, images = windows(8, 2, 3, 1), torch.rand(5, 64, generator=rngs(1)[0])
    weight = wiring.born(rngs(0))
    # unit 27 is that at row 3 and column 3, which sees rows and columns 2 to 4
    kernel = torch.nn.Parameter(weight[0].reshape(2, 64, 8, 8)[:, 27, 2:5, 2:5].clone()[:, None])
    inside = weight[0].reshape(2, 8, 8, 64)
    scale = (wiring.index >= 0).sum(1).reshape(2, 8, 8)
    free = inside * scale[..., None].sqrt() / 3  # the border has fewer connections, and larger weights for it
    dense = torch.einsum("chwp,np->nchw", free, images)
    assert torch.allclose(dense, F.conv2d(images.reshape(5, 1, 8, 8), kernel, padding=1), atol=1e-5)
    F.conv2d(images.reshape(5, 1, 8, 8), kernel, padding=1).square().sum().backward()
    change = 2 * torch.einsum("nchw,np->chwp", dense.detach(), images).reshape(1, 128, 64)
    summed, _ = wiring.tied(change, torch.zeros(1, 128))
    own = summed[0].reshape(2, 64, 8, 8)[:, 27, 2:5, 2:5]
    places = wiring.index.flatten()[wiring.index.flatten() >= 0].bincount().reshape(2, 3, 3)
    assert kernel.grad is not None and torch.allclose(own * places.sqrt(), kernel.grad[:, 0], atol=1e-2)


def test_the_dial_goes_from_few_numbers_to_one_for_each_weight() -> None:
    numbers = [len(windows(8, 2, kernel, blocks).index.unique()) - 1 for kernel, blocks in ((3, 1), (3, 2), (3, 8))]
    assert numbers == [18, 72, 2 * 22 * 22]  # 22 = 8 windows of 3 along a side, two of them cut
    dense = windows(8, 2, 15, 8).index
    assert len(dense.unique()) == dense.numel() and int(dense.min()) >= 0
    assert len(pooled(8, 2, 10, 2).index.unique()) == 10 * 2 * 16 and len(pooled(8, 2, 10, 1).index.unique()) == 1280


def test_what_is_tied_stays_the_same_what_is_missing_stays_missing_and_each_part_has_its_own() -> None:
    wirings = (windows(8, 2, 3, 2), pooled(8, 2, 10, 2))
    rng = torch.Generator().manual_seed(0)
    shapes = [(3, 128, 64), (3, 10, 128)]
    made = Changes(
        torch.zeros(3),
        [torch.randn(s, generator=rng) for s in shapes],
        [torch.randn(s[:2], generator=rng) for s in shapes],
    )
    found = tied(wirings, made)
    for wiring, weight, bias, asked in zip(wirings, found.weights, found.biases, made.weights, strict=True):
        for number in wiring.index.unique()[1:4].tolist():
            place = wiring.index == number
            assert torch.allclose(
                weight[:, place],
                asked[:, place].sum(1, keepdim=True).expand(-1, int(place.sum())) / place.sum().sqrt(),
                atol=1e-4,
            )
        assert not bool(weight[:, wiring.index < 0].any())
        assert all(
            float(bias[:, wiring.bias == k].std(1).max()) < 1e-4
            for k in wiring.bias.unique()[:2]
            if (wiring.bias == k).sum() > 1
        )
    assert torch.allclose(found.biases[1], made.biases[1])
    spread = wirings[0].born([torch.Generator().manual_seed(seed) for seed in range(200)])[:, 27]
    assert abs(float(spread.square().sum(1).mean()) - 1) < 0.1
