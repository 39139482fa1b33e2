"""online_code: the number of bits that encode the labels given the activations, and a linear probe.

Minimum description length by the online (prequential) code: labels are transmitted in blocks, the first with a uniform
code, each later one with the probabilities of a logistic regression fitted on all blocks before it,

    code_length = t_1 log2 C - sum_b sum_{i in block b} log2 p_{b-1}(y_i | x_i)
    compression = n log2 C / code_length

with blocks that end at 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.25, 12.5, 25, 50 and 100 % of the rows, in random order, whole
groups together (Voita & Titov, EMNLP 2020, arXiv 2003.12298). Unlike accuracy, the code length shows how many rows a
probe needs. Compression of balanced labels is below 1 when there is nothing to read; unbalanced labels compress even
then. It grows with n, so compare it at equal n, and with the compression of shuffled labels.

Choices: columns are standardised over all rows, since sender and receiver both know them (``standardise=False`` only
centres them). The prior over weights is the same for every block. Class weights are equal in the probe (``weight``,
``bias``), which is fitted on all rows, but not in the code. A class without a row among the first t has probability
1 / (t + number of such classes). When all rows are one group there is no second block, and the code is NaN.

Letters: n rows, D width, C classes, t rows transmitted so far, b blocks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from imprint.models.errors import ImprintError
from imprint.probes.fitting.logistic_regression import class_models
from imprint.probes.readouts.base import FittedReadout, ReadsClasses, standard_scale
from imprint.probes.samples.controls import Ints

ENDS = (0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.0625, 0.125, 0.25, 0.5, 1.0)
"""Ends of the blocks, as parts of the rows."""


@dataclass(frozen=True)
class FittedOnlineCode(FittedReadout):
    """A linear probe, and the code length of the labels it was fitted on."""

    block_rows: Tensor
    """``[b]`` int64: labels per block."""
    block_bits: Tensor
    """``[b]`` code lengths of the blocks in bits; that of the first is uniform."""
    uniform_code: Tensor
    """``[]`` n log2 C bits."""

    @property
    def code_length(self) -> float:
        """Code length of all labels in bits."""
        return float(self.block_bits.sum())

    @property
    def compression(self) -> float:
        """Length of the uniform code over the code length: below 1 when the activations do not help."""
        return float(self.uniform_code) / self.code_length


class OnlineCode(ReadsClasses):
    """Logistic regression under a fixed Gaussian prior, with the online code of its labels."""

    def __init__(self, prior_variance: float = 0.01, standardise: bool = True, seed: int = 0) -> None:
        self.prior_variance = prior_variance
        self.standardise = standardise
        self.seed = seed

    def fit_rows(self, x: Tensor, y: Tensor, classes: int, *, groups: Ints | None, seed: int) -> FittedOnlineCode:
        """See :meth:`Readout.fit_rows`; ``seed`` draws the order of the rows."""
        if not self.prior_variance > 0:
            raise ImprintError(f"prior_variance is {self.prior_variance}; expected a number above 0.")
        mean, scale = standard_scale(x)
        if not self.standardise:
            scale = torch.ones_like(scale)
        z = (x - mean) * scale
        order, ends = _blocks(len(z), groups, np.random.default_rng(seed))
        bits = self._bits(z[order], y[order], classes, ends)
        (model,) = class_models(z, y, classes, [self.prior_variance], balanced=True)
        uniform = torch.tensor(len(z) * math.log2(classes), dtype=torch.float64)
        rows = torch.tensor(ends).diff(prepend=torch.zeros(1, dtype=torch.long))
        return FittedOnlineCode(*model.unscaled(mean, scale), rows, bits, uniform)

    def _bits(self, z: Tensor, y: Tensor, classes: int, ends: list[int]) -> Tensor:
        """Code lengths ``[b]`` of the blocks that end at ``ends``, of rows in the order of transmission."""
        bits = [ends[0] * math.log2(classes) if len(ends) > 1 else math.nan]
        for start, end in pairwise(ends):
            log_p = self._log_probabilities(z[:start], y[:start], z[start:end], classes)
            bits.append(-float(log_p.gather(1, y[start:end, None]).sum()) / math.log(2))
        return torch.tensor(bits, dtype=torch.float64)

    def _log_probabilities(self, known: Tensor, labels: Tensor, new: Tensor, classes: int) -> Tensor:
        """Natural logarithms ``[rows, C]`` of the class probabilities of new rows, all of them finite."""
        occurring = labels.unique()
        log_p = torch.full((len(new), classes), -torch.inf, dtype=torch.float64)
        log_p[:, occurring] = 0.0
        if len(occurring) > 1:
            (model,) = class_models(known, labels, classes, [self.prior_variance], balanced=False)
            log_p = model.log_probabilities(new)
        missing = classes - len(occurring)
        seen_classes = math.log(len(known) / (len(known) + missing))
        return torch.where(log_p.isinf(), -math.log(len(known) + missing), log_p + seen_classes)


def _blocks(n: int, groups: Ints | None, rng: np.random.Generator) -> tuple[Tensor, list[int]]:
    """A random order of the rows that keeps groups together, and the ends of the blocks.

    A block ends where a group does, as near as possible to :data:`ENDS`.
    """
    group_of = np.arange(n) if groups is None else np.unique(groups, return_inverse=True)[1]
    sizes = np.bincount(group_of)
    group_order = rng.permutation(len(sizes))
    order = np.argsort(np.argsort(group_order)[group_of], kind="stable")
    possible = np.cumsum(sizes[group_order])
    planned = np.maximum(1, np.round(np.array(ENDS) * n))
    ends = possible[np.abs(possible[:, None] - planned).argmin(0)]
    return torch.from_numpy(order), [int(end) for end in np.unique(ends)]
