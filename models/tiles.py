"""Feature maps over the tiles of an image, by numbers that go from a convolution to a fully connected layer.

    h_jc = b_{k(j) c} + sum over tiles i within ``reach`` of j, pixels p of i  v_{k(j), i - j, p, c} x_ip

k(j) is the kernel of tile j: tiles are divided into ``kernels`` runs of equal length, row by row. One kernel that sees
its own tile is a convolution whose windows tile the image, one with a ``reach`` a convolution with windows of 2 reach +
1 tiles a side and zeros beyond the border (LeCun et al. 1989, doi:10.1162/neco.1989.1.4.541). As many kernels as tiles
share nothing (local connections), and if they also reach everywhere, the layer is fully connected.

Letters: J tiles, P numbers per tile, C channels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from imprint.models.errors import ImprintError


def wiring_of(rows: int, columns: int, *, kernels: int, reach: int) -> Tensor:
    """Which block of weights joins tile i to tile j, ``[J, J]`` (j first), counted from 0; -1: there is none.

    Raises :class:`ImprintError` for more kernels than tiles, and for a reach beyond the image.
    """
    count, far = rows * columns, max(rows, columns) - 1
    if kernels > count:
        raise ImprintError(f"learner.kernels is {kernels}, but frames have {count} tiles; expected at most so many.")
    if reach > far:
        raise ImprintError(
            f"learner.reach is {reach}; expected at most {far}, which sees all {rows} x {columns} tiles."
        )
    tile = torch.arange(count)
    down, right = ((at[None] - at[:, None]) for at in (tile // columns, tile % columns))
    side = 2 * reach + 1
    block = ((tile * kernels // count)[:, None] * side + down + reach) * side + right + reach
    seen = (down.abs() <= reach) & (right.abs() <= reach)
    numbered = torch.unique(block[seen], return_inverse=True)[1]
    return torch.full_like(block, -1).masked_scatter_(seen, numbered)


class Tiles(nn.Module):
    """``channels`` feature maps of tiles of ``inputs`` numbers each."""

    def __init__(self, wiring: Tensor, kernels: int, inputs: int, channels: int) -> None:
        """``wiring``: of :func:`wiring_of`. Weights and biases are uniform, +- 1 / root of a unit's connections."""
        super().__init__()
        count = len(wiring)
        number = wiring[..., None] * inputs + torch.arange(inputs)
        self.index = number.clamp_min(0).flatten()  # no buffers, so that learners stack
        self.connected = (wiring >= 0)[..., None].expand_as(number).flatten()[:, None].float()
        self.kernel = torch.arange(count) * kernels // count
        bound = (int((wiring >= 0).sum(1).max()) * inputs) ** -0.5
        self.weight = nn.Parameter(torch.empty((int(wiring.max()) + 1) * inputs, channels).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(kernels, channels).uniform_(-bound, bound))

    def forward(self, tiles: Tensor) -> Tensor:
        """Feature maps ``[..., J, C]`` of tiles ``[..., J, P]``."""
        count, inputs = tiles.shape[-2:]
        weight = self.weight.index_select(0, self.index) * self.connected
        whole = weight.reshape(count, count * inputs, -1).transpose(0, 1).flatten(1)
        driven: Tensor = (tiles.flatten(-2) @ whole).unflatten(-1, (count, -1))
        return driven + self.bias.index_select(0, self.kernel)
