"""Layers some of whose weights are missing, and some of which are one and the same: from convolution to dense.

    W_ij = v[index_ij]                 one number v for all places with the same index; no connection where it is -1
    change of v_k = sum of the changes of W_ij over index_ij = k, divided by the root of their number

A convolution is such a layer (LeCun et al. 1989): units look at a window of pixels, and units at different places have
the same weights. Since the change of a shared number comes from what is asked for its places, any learning rule that
asks for a change of every weight can teach it. By backpropagation the sum alone is the gradient; the root keeps steps
of one size however many places share a number, so that one rate serves the convolution and the dense layer.

Letters: S networks, d units, p inputs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from imprint.models.rules.base import Changes


@dataclass(frozen=True)
class TiedLayer:
    """The wiring of one layer."""

    index: Tensor
    """Which number each weight is, ``[d, p]``; -1: there is no connection."""
    bias: Tensor
    """Which number each bias is, ``[d]``."""

    def born(self, rngs: Sequence[torch.Generator]) -> Tensor:
        """Initial weights ``[S, d, p]``, normal with variance 1 / (connections of a unit)."""
        drawn = torch.stack([torch.randn(int(self.index.max()) + 1, generator=rng) for rng in rngs])
        connected = self.index >= 0
        return drawn[:, self.index.clamp_min(0)] * connected / connected.sum(1, keepdim=True).clamp_min(1).sqrt()

    def tied(self, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
        """Changes ``[S, d, p]`` and ``[S, d]`` of all weights as changes of the numbers that they share."""
        place = torch.where(self.index < 0, self.index.max() + 1, self.index)
        shared, tied = _summed(weight, place), _summed(bias, self.bias)
        return torch.where(self.index < 0, 0.0, shared[:, place]), tied[:, self.bias]


def _summed(change: Tensor, place: Tensor) -> Tensor:
    """Sum of changes over the places of each number, divided by the root of their number, ``[S, numbers]``."""
    total = torch.zeros(len(change), int(place.max()) + 1)
    return total.index_add_(1, place.flatten(), change.flatten(1)) / place.flatten().bincount().clamp_min(1).sqrt()


def tied(wirings: Sequence[TiedLayer], changes: Changes) -> Changes:
    """Changes of a network whose layers are wired so."""
    pairs = zip(wirings, changes.weights, changes.biases, strict=True)
    found = [wiring.tied(weight, bias) for wiring, weight, bias in pairs]
    return Changes(changes.loss, [weight for weight, _ in found], [bias for _, bias in found])


def windows(side: int, channels: int, kernel: int, blocks: int) -> TiedLayer:
    """``channels`` units at every pixel of a square image, each of which sees ``kernel`` x ``kernel`` pixels around it.

    Units of one channel share weights within each of ``blocks`` x ``blocks`` equal parts of the image: 1 is a
    convolution, ``side`` gives every unit weights of its own. Pixels beyond the border are not there. Units are
    ordered by channel, then row, then column.
    """
    row, column = (torch.arange(side * side) // side, torch.arange(side * side) % side)
    down, right = row[None] - row[:, None] + kernel // 2, column[None] - column[:, None] + kernel // 2
    seen = (down >= 0) & (down < kernel) & (right >= 0) & (right < kernel)
    block = (row * blocks // side) * blocks + column * blocks // side
    offset = block[:, None] * kernel**2 + down * kernel + right
    each = torch.where(seen, offset, -1)
    channel = torch.arange(channels).repeat_interleave(side * side)
    index = each.repeat(channels, 1)
    size = blocks * blocks * kernel**2
    return TiedLayer(
        torch.where(index < 0, -1, index + channel[:, None] * size), channel * blocks**2 + block.repeat(channels)
    )


def pooled(side: int, channels: int, outputs: int, pool: int) -> TiedLayer:
    """An output layer that has one weight for all units of a channel within ``pool`` x ``pool`` pixels; 1: its own."""
    row, column = torch.arange(side * side) // side // pool, torch.arange(side * side) % side // pool
    parts = -(-side // pool)
    place = (torch.arange(channels)[:, None] * parts**2 + row * parts + column).flatten()
    index = torch.arange(outputs)[:, None] * channels * parts**2 + place
    return TiedLayer(index, torch.arange(outputs))
