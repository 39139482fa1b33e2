"""scikit-learn's handwritten digits, and perceptrons trained on them.

1,797 pictures of 8 x 8 grey levels, scaled to 0..1, in the order in which the writers wrote them.

Letters: n pictures, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional

PASSES, BATCH, RATE = 60, 64, 1e-3
"""Adam, constant step size."""


@dataclass(frozen=True)
class Digits:
    """The pictures and their labels."""

    x: Tensor
    """``[n, 64]`` float32, 0..1"""
    digit: Tensor
    """``[n]`` 0..9"""

    @classmethod
    def loaded(cls) -> Digits:
        """The pictures that come with scikit-learn."""
        x, digit = load_digits(return_X_y=True)
        return cls(torch.from_numpy(x / 16).float(), torch.from_numpy(digit).long())

    def split(self, *, rng: torch.Generator, part: float = 0.7) -> tuple[Tensor, Tensor]:
        """Indices of training and of test pictures."""
        order = torch.randperm(len(self.x), generator=rng)
        cut = round(part * len(order))
        return order[:cut], order[cut:]

    def perceptron(self, widths: Sequence[int], x: Tensor, y: Tensor, *, rng: torch.Generator) -> nn.Sequential:
        """A ReLU perceptron of these widths, trained on ``x [n, 64]`` with classes ``y [n]``."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(torch.randint(2**31 - 1, (1,), generator=rng)))
            layers = [part for a, b in pairwise(widths) for part in (nn.Linear(a, b), nn.ReLU())]
        network = nn.Sequential(*layers[:-1])
        optimizer = torch.optim.Adam(network.parameters(), lr=RATE)
        for _ in range(PASSES):
            for rows in torch.randperm(len(x), generator=rng).split(BATCH):
                loss = functional.cross_entropy(network(x[rows]), y[rows])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        return network.eval()
