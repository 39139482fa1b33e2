"""Small layered networks that learn handwritten digits, many seeds side by side, by any rule, whole or masked.

The 1,797 images of 8 x 8 are split for every seed on its own: three quarters to learn from, the rest to examine. Steps
are plain (weights less rate times what the rule asks for), so that rules differ in nothing else.

Letters: S seeds, n images, L layers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from imprint.models.chance import generator
from imprint.models.handwriting import CLASSES, digits
from imprint.models.learning import plain_steps
from imprint.models.rules.base import Changes, Network

LEARNED = 0.75
"""Part of the images that are learned from."""


class Images(NamedTuple):
    """Images of every seed, flat, and their digits."""

    x: Tensor
    """``[S, n, 64]``, 0 to 1."""
    digit: Tensor
    """``[S, n]``."""


def split(seeds: Sequence[int]) -> tuple[Images, Images]:
    """Images to learn from and images to examine, drawn for every seed on its own."""
    images, digit = digits()
    flat, answers = images.flatten(1), torch.from_numpy(digit).long()
    cut = int(len(flat) * LEARNED)
    order = torch.stack([torch.randperm(len(flat), generator=generator("split", seed)) for seed in seeds])
    learned, examined = order[:, :cut], order[:, cut:]
    return Images(flat[learned], answers[learned]), Images(flat[examined], answers[examined])


def newborn(widths: Sequence[int], seeds: Sequence[int], name: str = "birth") -> Network:
    """Untrained networks with a softmax, of every seed from its generator called ``name``."""
    return plain_steps.newborn(widths, [generator(name, seed) for seed in seeds])


def batches(count: int, size: int, seeds: Sequence[int]) -> Iterator[Tensor]:
    """Rows ``[S, size]`` of one batch after another without end, every seed in an order of its own."""
    orders = [generator("order", seed) for seed in seeds]
    while True:
        order = torch.stack([torch.randperm(count, generator=rng) for rng in orders])
        yield from (rows for rows in order.split(size, dim=1) if rows.shape[1] == size)


def stepped(network: Network, asked: Changes, rate: float, learns: Sequence[Tensor | float] | None = None) -> Network:
    """The network after one plain step.

    ``learns``: of every layer, what the change of its weights is multiplied by (a mask ``[S, d_l, d_{l-1}]``, or one
    number, which holds for its biases too).
    """
    scales = [1.0] * len(network.weights) if learns is None else learns
    weights = [w - rate * s * c for w, c, s in zip(network.weights, asked.weights, scales, strict=True)]
    both = zip(network.biases, asked.biases, scales, strict=True)
    biases = [b - rate * (s if isinstance(s, float) else 1.0) * c for b, c, s in both]
    return replace(network, weights=weights, biases=biases)


def one_hot(classes: Tensor, count: int = CLASSES) -> Tensor:
    """Targets of a softmax, float ``[..., count]``."""
    return F.one_hot(classes, count).float()


def of_seeds(network: Network, seeds: Tensor, other: Network) -> Network:
    """``network`` with the weights of ``other`` in the seeds that are marked, bool ``[S]``."""

    def chosen(mine: Sequence[Tensor], theirs: Sequence[Tensor]) -> list[Tensor]:
        pairs = zip(mine, theirs, strict=True)
        return [torch.where(seeds.reshape(-1, *[1] * (own.dim() - 1)), new, own) for own, new in pairs]

    return replace(network, weights=chosen(network.weights, other.weights), biases=chosen(network.biases, other.biases))
