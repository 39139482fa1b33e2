"""How many examples newborn networks need, by the size of what is to be learned, for kinds of tasks of different size.

One recipe (Adam, fresh examples in batches of ``BATCH``, ReLU units) learns functions of n bits that are -1 or 1:

    threshold    sign(w . x), w normal: the n weights are all there is to know
    teacher      sign of a random tanh network with ``TEACHERS`` hidden units
    bumps        sign(sum_i a_i x_i x_{i+1}), a normal: neighbours matter together, and where they are is fixed
    table        any function whatever of n bits, n small: 2 to the n answers have to be known (positive control: no
                 learner can do it with polynomially many examples)

by two learners: ``dense`` (two dense hidden layers) and ``conv`` (a convolution of 5 bits over the line of bits, then a
dense hidden layer). An example count is that at which ``ENOUGH`` of fresh test examples are answered rightly, seen at
checkpoints that lie a factor of 2^(1/4) apart.

For each seed two curves are fitted to the logarithm of the counts: a power of n and an exponential in n, with two
numbers each; the difference of their Bayesian information criteria, m log(RSS_exponential / RSS_power) for m sizes, is
above 0 where the power fits better (Schwarz 1978; 2 is called positive evidence, Raftery 1995).

Letters: S seeds, n bits, B examples.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from imprint.analyses.engine import Say
from imprint.models.chance import generator

BATCH, TESTS, ENOUGH, RATE, HIDDEN, CHANNELS, REACH, TEACHERS = 32, 500, 0.9, 0.003, 96, 8, 5, 4
"""Examples of a step and of the test, part that must be right, step size, units, channels, bits that a unit of the
convolution sees, and hidden units of a teacher."""
SIZES = (8, 16, 32, 64, 128)
TABLES = (4, 5, 6, 7, 8, 9, 10, 11)
TASKS = {"threshold": SIZES, "teacher": SIZES, "bumps": SIZES, "table": TABLES}
"""Numbers of bits by kind of task."""
LEARNERS = ("dense", "conv")
Answers = Callable[[Tensor], Tensor]


def task(kind: str, bits: int, rngs: Sequence[torch.Generator]) -> Answers:
    """A function of each seed: ``[S, B, n]`` of -1 and 1 to whether the answer is yes, ``[S, B]``."""

    def drawn(*shape: int) -> Tensor:
        return torch.stack([torch.randn(*shape, generator=rng) for rng in rngs])

    if kind == "table":
        answers = torch.stack([torch.randperm(2**bits, generator=rng) % 2 for rng in rngs]).bool()
        place = 2 ** torch.arange(bits)
        return lambda x: answers.gather(1, ((x > 0) * place).sum(2))
    if kind == "bumps":
        pair = drawn(bits)[:, None]
        return lambda x: (pair * x * x.roll(1, 2)).sum(2) > 0
    first, last = (
        (drawn(bits, TEACHERS) / bits**0.5, drawn(TEACHERS, 1)) if kind == "teacher" else (drawn(bits, 1), None)
    )
    if last is None:
        return lambda x: (x @ first).squeeze(2) > 0
    return lambda x: (torch.tanh(3 * x @ first) @ last).squeeze(2) > 0


class Nets:
    """S networks of one kind for n bits; ``[S, B, n]`` to log-odds ``[S, B]``."""

    def __init__(self, kind: str, bits: int, rngs: Sequence[torch.Generator]) -> None:
        def drawn(up: int, low: int) -> Tensor:
            normal = torch.stack([torch.randn(low, up, generator=rng) for rng in rngs])
            return normal.mul((2 / low) ** 0.5).requires_grad_(True)

        self.conv, self.seeds = kind == "conv", len(rngs)
        self.first = drawn(CHANNELS if self.conv else HIDDEN, REACH if self.conv else bits)
        middle = drawn(HIDDEN, CHANNELS * bits if self.conv else HIDDEN)
        self.weights = [self.first, middle, drawn(1, HIDDEN)]
        self.biases = [torch.zeros(len(rngs), 1, each.shape[2], requires_grad=True) for each in self.weights]

    def __call__(self, x: Tensor) -> Tensor:
        """Log-odds that the answer is yes."""
        seen = x
        if self.conv:
            around = F.pad(x, (REACH // 2, REACH // 2)).unfold(2, REACH, 1).flatten(1, 2)
            seen = torch.baddbmm(self.biases[0], around, self.first).unflatten(1, x.shape[1:]).flatten(2)
        else:
            seen = torch.baddbmm(self.biases[0], x, self.first)
        h = F.relu(torch.baddbmm(self.biases[1], F.relu(seen), self.weights[1]))
        return torch.baddbmm(self.biases[2], h, self.weights[2]).squeeze(2)


def checkpoints(most: int) -> list[int]:
    """Steps after which a test is due, a factor of 2^(1/4) apart, up to ``most``."""
    steps = {round(2 ** (k / 4)) for k in range(8, 4 * math.ceil(math.log2(most)) + 1)}
    return sorted(step for step in steps if step <= most)


def needed(kind: str, learner: str, bits: int, seeds: Sequence[int], most: int) -> Tensor:
    """Examples until a task of each seed is known, ``[S]``; NaN where ``most`` steps do not do."""
    about = (kind, bits)
    answers = task(kind, bits, [generator("task", *about, seed) for seed in seeds])
    nets = Nets(learner, bits, [generator("net", learner, *about, seed) for seed in seeds])
    rngs = [generator("examples", learner, *about, seed) for seed in seeds]
    optimiser = torch.optim.Adam([*nets.weights, *nets.biases], lr=RATE)

    def examples(count: int) -> Tensor:
        return torch.stack([torch.randint(0, 2, (count, bits), generator=rng) for rng in rngs]).float() * 2 - 1

    tests, found, due = examples(TESTS), torch.full((len(seeds),), torch.nan), set(checkpoints(most))
    wanted = answers(tests)
    for step in range(1, most + 1):
        x = examples(BATCH)
        optimiser.zero_grad()
        F.binary_cross_entropy_with_logits(nets(x), answers(x).float(), reduction="none").mean(1).sum().backward()
        optimiser.step()
        if step in due:
            with torch.no_grad():
                right = ((nets(tests) > 0) == wanted).float().mean(1)
            found = torch.where(found.isnan() & (right >= ENOUGH), float(step * BATCH), found)
            if not bool(found.isnan().any()):
                break
    return found


def measure_counts(*, kind: str, learner: str, seeds: Sequence[int], most: int, say: Say) -> pd.DataFrame:
    """Rows of kind, learner, bits, seed and value: examples that were needed."""
    rows: list[dict[str, Any]] = []
    for done, bits in enumerate(TASKS[kind]):
        about = {"kind": kind, "learner": learner, "bits": bits}
        counts = needed(kind, learner, bits, seeds, most).tolist()
        rows += [{**about, "seed": seed, "value": value} for seed, value in zip(seeds, counts, strict=True)]
        say(done, len(TASKS[kind]), f"{learner} learns {kind} of {bits} bits")
    return pd.DataFrame(rows)


def fitted(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[float, float]:
    """Slope of a least-squares line, and sum of the squares that it leaves."""
    slope, cut = np.polyfit(x, y, 1)
    return float(slope), float(np.square(y - slope * x - cut).sum())


def growth(bits: NDArray[np.float64], counts: NDArray[np.float64]) -> tuple[float, float]:
    """Exponent of the power of n, and by how much its information criterion is better than the exponential's.

    NaN where a count is missing.
    """
    if not np.isfinite(counts).all():
        return float("nan"), float("nan")
    exponent, power = fitted(np.log(bits), np.log(counts))
    _, exponential = fitted(bits, np.log(counts))
    tiny = np.finfo(float).tiny
    return exponent, len(bits) * float(np.log((exponential + tiny) / (power + tiny)))
