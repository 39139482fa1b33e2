"""ablate: replace the activations at a site by some that carry nothing about the row.

    zero        x' = 0                          off the distribution, unless the site is often silent
    mean        x' = mean of x over rows        keeps what all rows share
    resample    x'_i = x_j, j of another group  keeps the distribution at this site, breaks the tie to the row

Resample ablation is the interventional reading of causal scrubbing (Chan et al. 2022); mean ablation is the usual
compromise (Wang et al. 2022, arXiv 2211.00593, section 2). They disagree: zero ablation can be large where only a
constant was taken away, so they are computed side by side (:func:`imprint.probes.causal.experiments.ablations`).

Letters: n rows, d width.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from imprint.models.errors import ImprintError, NotMeasurableError
from imprint.probes.interventions.base import Intervention
from imprint.probes.samples.controls import compact_groups


@dataclass(frozen=True)
class Ablation(Intervention):
    """``x' = replacement``."""

    replacement: Tensor
    """``[d]`` the same for every row, or ``[n, d]`` one for each."""

    def change(self, activations: Tensor) -> Tensor:
        """Replacement ``[n, d]``; the activations that came are forgotten."""
        wanted = activations.shape[-1:] if self.replacement.dim() == 1 else activations.shape
        if self.replacement.shape != wanted:
            raise ImprintError(
                f"the replacement is {list(self.replacement.shape)} and the activations are {list(activations.shape)}; "
                "expected as many columns, and one row in all or one for each row."
            )
        return self.replacement.to(activations).expand_as(activations).clone()

    def rows(self, rows: slice) -> Ablation:
        """The replacements of some of the rows."""
        return self if self.replacement.dim() == 1 else Ablation(self.replacement[rows])


def zero(activations: Tensor) -> Ablation:
    """Replace by zeros; ``activations [n, d]`` say how many."""
    return Ablation(torch.zeros_like(activations[0]))


def mean(activations: Tensor) -> Ablation:
    """Replace by the mean over the rows of ``activations [n, d]``."""
    return Ablation(activations.detach().double().mean(0))


def resample(activations: Tensor, *, groups: object | None = None, rng: torch.Generator) -> Ablation:
    """Replace each row of ``activations [n, d]`` by a row of another group; for exactly those rows, in that order."""
    return Ablation(activations.detach()[derangement(len(activations), groups, rng=rng)])


def derangement(n: int, groups: object | None = None, *, rng: torch.Generator) -> Tensor:
    """A permutation ``[n]`` of the rows in which every row gets one of another group.

    Groups are laid out one after the other in random order and the line is turned by at least the largest group's size
    and at most n minus that, so nobody meets its own group. Raises :class:`NotMeasurableError` when one group holds
    more than half of the rows, where no such permutation exists.
    """
    codes = torch.from_numpy(compact_groups(groups, n))
    sizes = torch.from_numpy(np.bincount(codes.numpy()))
    largest = int(sizes.max())
    if n < 2 * largest:
        raise NotMeasurableError(
            f"one group holds {largest} of {n} rows; expected half at most, to swap between groups"
        )
    rank_of_group = torch.randperm(len(sizes), generator=rng)
    shuffled = torch.randperm(n, generator=rng)
    line = shuffled[rank_of_group[codes[shuffled]].argsort(stable=True)]
    turn = int(torch.randint(largest, n - largest + 1, (1,), generator=rng))
    source = torch.empty_like(line)
    source[line] = line.roll(-turn)
    return source
