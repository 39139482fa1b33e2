"""From a convolution to a dense layer in small steps, and what is lost when nobody knows which pixels are neighbours.

    64 pixels - 8 units at each pixel, ReLU - the largest of each 2 x 2 pixels - 64 ReLU - 10 classes

How the first layer is wired (:mod:`imprint.models.learning.tied_layers`) goes from a convolution, 3 x 3 pixels and one
set of weights for all places, to a dense layer, all pixels and weights of its own for each unit (:data:`DIAL`); the
number of units is the same throughout. All are taught by the gradient and Adam (Kingma & Ba 2015), with the same step
size.

    permuted   the same pixels, in an order of each seed's own that is the same for all images: nothing is lost but
               which pixels are neighbours
    moved      test images shifted by one pixel, zeros come in; mean over four directions
    few        100 training images, four times as many passes

Letters: S seeds, n images, B images of a batch, d units.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

from imprint.analyses.engine import Say
from imprint.models.chance import birth, generator
from imprint.models.handwriting import CLASSES, FIGURE, Split, splits
from imprint.models.learning.plain_steps import BATCH
from imprint.models.learning.tied_layers import TiedLayer, windows

CHANNELS, HIDDEN, POOL, RATE, FEW = 8, 64, 2, 0.003, 100
"""Units at each pixel, units above, pixels along a side of a pool, rate of Adam, smaller number of training images."""


class Stop(NamedTuple):
    """One place of the dial."""

    name: str
    kernel: int
    """Pixels along a side of the window that a unit sees."""
    blocks: int
    """Parts along a side of the image within which units share weights."""

    @property
    def wiring(self) -> TiedLayer:
        """The wiring of the first layer."""
        return windows(FIGURE, CHANNELS, self.kernel, self.blocks)


DIAL = (
    Stop("convolution", 3, 1),
    Stop("shared in quadrants", 3, 2),
    Stop("shared in 4 x 4 parts", 3, 4),
    Stop("own weights", 3, 8),
    Stop("own weights, 5 x 5", 5, 8),
    Stop("own weights, 9 x 9", 9, 8),
    Stop("dense", 15, 8),
)
ARMS = (("in place", False), ("in place", True), ("permuted", True))
"""Pixels, and whether images are few."""


def permuted(split: Split, seeds: Sequence[int]) -> Split:
    """The same with pixels in an order of each seed's own."""
    orders = torch.stack([torch.randperm(FIGURE**2, generator=generator("permutation", seed)) for seed in seeds])
    x, tests = (part.gather(2, orders[:, None].expand_as(part)) for part in (split.x, split.tests))
    return split._replace(x=x, tests=tests)


def shifted(tests: Tensor) -> Tensor:
    """Each image moved by one pixel, ``[4 directions, S, n, 64]``."""
    image = F.pad(tests.unflatten(2, (FIGURE, FIGURE)), (1, 1, 1, 1))
    corners = [(0, 1), (2, 1), (1, 0), (1, 2)]
    moved = [image[..., i : i + FIGURE, j : j + FIGURE].flatten(2) for i, j in corners]
    return torch.stack(moved)


class Wired:
    """S networks whose first layer is wired in a given way."""

    def __init__(self, wiring: TiedLayer, rngs: Sequence[torch.Generator]) -> None:
        def drawn(*shape: int) -> Tensor:
            normal = torch.stack([torch.randn(*shape, generator=rng) for rng in rngs])
            return normal.mul((2 / shape[-1]) ** 0.5)

        seen, pooled = (wiring.index >= 0), CHANNELS * (FIGURE // POOL) ** 2
        self.place, self.bias_place = wiring.index.clamp_min(0), wiring.bias
        self.scale = seen * (2 / seen.sum(1, keepdim=True)).sqrt()
        count, biases = int(wiring.index.max()) + 1, int(wiring.bias.max()) + 1
        self.shared = torch.stack([torch.randn(count, generator=rng) for rng in rngs])
        zeros = (torch.zeros(len(rngs), 1, width) for width in (biases, HIDDEN, CLASSES))
        self.biases, self.weights = list(zeros), [drawn(HIDDEN, pooled), drawn(CLASSES, HIDDEN)]
        self.parameters = [self.shared, *self.biases, *self.weights]
        for each in self.parameters:
            each.requires_grad_(True)

    def __call__(self, x: Tensor) -> Tensor:
        """Log-probabilities before normalisation ``[S, B, 10]`` of images ``[S, B, 64]``."""
        first = self.shared[:, self.place] * self.scale
        h = F.relu(torch.baddbmm(self.biases[0][:, :, self.bias_place], x, first.mT))
        h = F.max_pool2d(h.unflatten(2, (CHANNELS, FIGURE, FIGURE)).flatten(0, 1), POOL)
        h = h.flatten(1).unflatten(0, x.shape[:2])
        h = F.relu(torch.baddbmm(self.biases[1], h, self.weights[0].mT))
        return torch.baddbmm(self.biases[2], h, self.weights[1].mT)

    def right(self, x: Tensor, classes: Tensor) -> Tensor:
        """Part of the images that are named right, ``[S]``."""
        with torch.no_grad():
            return (self(x).argmax(2) == classes).float().mean(1)

    def learn(self, split: Split, epochs: int, rngs: Sequence[torch.Generator]) -> None:
        """``epochs`` passes over the images, shuffled anew each time; the step size falls to zero on the way."""
        optimiser, seeds = torch.optim.Adam(self.parameters, lr=RATE), torch.arange(len(split.x))[:, None]
        for epoch in range(epochs):
            optimiser.param_groups[0]["lr"] = RATE * (1 - epoch / epochs)
            order = torch.stack([torch.randperm(split.x.shape[1], generator=rng) for rng in rngs])
            for rows in order.split(BATCH, dim=1):
                optimiser.zero_grad()
                answers = self(split.x[seeds, rows]).flatten(0, 1)
                loss = F.cross_entropy(answers, split.y[seeds, rows].flatten(), reduction="sum") / rows.shape[1]
                loss.backward()
                optimiser.step()


def measure_dial(*, stop: int, seeds: Sequence[int], epochs: int, say: Say) -> pd.DataFrame:
    """Rows of part, arm, pixels, images, few, measure, seed and value at one place of the dial."""
    place, whole = DIAL[stop], splits(seeds)
    rows: list[dict[str, Any]] = []
    for done, (pixels, few) in enumerate(ARMS):
        say(done, len(ARMS), f"{place.name}, pixels {pixels}")
        split = whole if pixels == "in place" else permuted(whole, seeds)
        split = split._replace(x=split.x[:, :FEW], y=split.y[:, :FEW]) if few else split
        network = Wired(place.wiring, [birth(seed) for seed in seeds])
        found = {"at birth": network.right(split.tests, split.answers)}
        network.learn(split, epochs * (4 if few else 1), [generator("order", seed) for seed in seeds])
        found["accuracy"] = network.right(split.tests, split.answers)
        if pixels == "in place":
            moved = [network.right(tests, split.answers) for tests in shifted(split.tests)]
            found["moved"] = torch.stack(moved).mean(0)
        about = {"part": "dial", "arm": place.name, "pixels": pixels, "images": split.x.shape[1], "few": few}
        for name, values in found.items():
            each = zip(seeds, values.tolist(), strict=True)
            rows += [{**about, "measure": name, "seed": seed, "value": value} for seed, value in each]
    return pd.DataFrame(rows)
