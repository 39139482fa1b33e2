"""Networks that are made smaller bit by bit, on a task that no linear readout can do.

Two handwritten digits are shown side by side; is their sum even or odd? The parity of a sum is the exclusive or of two
parities, so that a linear readout of the pixels is at chance. The network is residual (He et al. 2016):

    h_0 = tanh(W x + c),   h_l = h_{l-1} + V_l tanh(U_l h_{l-1} + b_l),   answer = sign(w . h_L + a)

and has two dials: the width of its blocks, from 64 units down to none, and the number of blocks, from 6 down to 3.
Pairs are drawn anew for every step from a seed's training images, for the test once from those that are held out.

Letters: S seeds, B pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

from imprint.analyses.engine import Say
from imprint.models.chance import generator
from imprint.models.handwriting import FIGURE, Split, splits

STREAM, BATCH, RATE, TRIALS = 48, 64, 0.003, 2000
"""Width of h, pairs of a step, rate of Adam, and pairs of the test."""
WIDTHS, BLOCKS = (64, 32, 16, 8, 4, 2, 1, 0), (6, 5, 4, 3)
"""Places of the two dials; the width is dialled with the most blocks, and the number of blocks with ``KEPT`` units."""
KEPT, LINEAR = 16, -1


def pairs(x: Tensor, y: Tensor, count: int, rngs: Sequence[torch.Generator]) -> tuple[Tensor, Tensor]:
    """``count`` random pairs of images ``[S, n, 64]``, ``[S, count, 128]``, and whether their sum is odd."""
    drawn = torch.stack([torch.randint(x.shape[1], (2, count), generator=rng) for rng in rngs])
    seeds = torch.arange(len(x))[:, None]
    left, right = drawn.unbind(1)
    return torch.cat([x[seeds, left], x[seeds, right]], 2), ((y[seeds, left] + y[seeds, right]) % 2).float()


class Residual:
    """S residual networks; a ``width`` of :data:`LINEAR` is a linear readout of the pixels."""

    def __init__(self, width: int, blocks: int, rngs: Sequence[torch.Generator]) -> None:
        def drawn(*shape: int) -> Tensor:
            scaled = [torch.randn(*shape, generator=rng) / shape[-1] ** 0.5 for rng in rngs]
            return torch.stack(scaled).requires_grad_(True)

        def zeros(*shape: int) -> Tensor:
            return torch.zeros(len(rngs), *shape, requires_grad=True)

        seen = 2 * FIGURE**2
        self.linear = width == LINEAR
        self.first = [] if self.linear else [drawn(STREAM, seen), zeros(1, STREAM)]
        self.blocks = [
            [drawn(width, STREAM), zeros(1, width), zeros(STREAM, width)] for _ in range(blocks * (width > 0))
        ]
        self.last = [drawn(1, seen if self.linear else STREAM), zeros(1, 1)]

    @property
    def parameters(self) -> list[Tensor]:
        """All that is learned."""
        return [*self.first, *(each for block in self.blocks for each in block), *self.last]

    def __call__(self, x: Tensor) -> Tensor:
        """Log-odds ``[S, B]`` of an odd sum."""
        h = x if self.linear else torch.tanh(torch.baddbmm(self.first[1], x, self.first[0].mT))
        for inner, bias, outer in self.blocks:
            h = torch.baddbmm(h, torch.tanh(torch.baddbmm(bias, h, inner.mT)), outer.mT)
        return torch.baddbmm(self.last[1], h, self.last[0].mT).squeeze(2)


def measure_smooth(*, width: int, blocks: int, seeds: Sequence[int], steps: int, say: Say) -> pd.DataFrame:
    """Rows of part, arm, measure, seed and value: accuracy at birth and in the end."""
    split: Split = splits(seeds)
    network = Residual(width, blocks, [generator("residual", seed) for seed in seeds])
    optimiser, rngs = torch.optim.Adam(network.parameters, lr=RATE), [generator("pairs", seed) for seed in seeds]
    tests, odd = pairs(split.tests, split.answers, TRIALS, [generator("trials", seed) for seed in seeds])

    def right() -> list[float]:
        with torch.no_grad():
            found: list[float] = ((network(tests) > 0) == odd.bool()).float().mean(1).tolist()
        return found

    born = right()
    for step in range(steps):
        x, y = pairs(split.x, split.y, BATCH, rngs)
        optimiser.param_groups[0]["lr"] = RATE * (1 - step / steps)
        optimiser.zero_grad()
        F.binary_cross_entropy_with_logits(network(x), y, reduction="none").mean(1).sum().backward()
        optimiser.step()
        say(step, steps, f"{blocks} blocks of {width}")
    arm = "linear" if width == LINEAR else f"{blocks} blocks of {width}"
    rows: list[dict[str, Any]] = []
    for name, values in (("at birth", born), ("accuracy", right())):
        about = {"part": "smooth", "arm": arm, "width": width, "blocks": blocks, "measure": name}
        rows += [{**about, "seed": seed, "value": value} for seed, value in zip(seeds, values, strict=True)]
    return pd.DataFrame(rows)
