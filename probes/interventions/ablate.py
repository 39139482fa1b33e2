"""ablate: replace the activations at a site by activations that do not depend on the row.

    zero        x' = 0                          out of distribution, unless the site is often zero
    mean        x' = mean of x over rows        keeps what all rows have in common
    resample    x'_i = x_j, j of another group  keeps the distribution at this site, but not its relation to the row

Resample ablation is that of causal scrubbing (Chan et al. 2022); mean ablation is the usual compromise (Wang et al.
2022, arXiv 2211.00593, section 2). They disagree: zero ablation can have a large effect where only a constant was
removed. So all three are computed side by side (:func:`imprint.probes.causal.experiments.ablations`).

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
    """``[d]``, the same for every row, or ``[n, d]``."""

    def change(self, activations: Tensor) -> Tensor:
        """The replacement ``[n, d]``, whatever the activations are."""
        expected = activations.shape[-1:] if self.replacement.dim() == 1 else activations.shape
        if self.replacement.shape != expected:
            raise ImprintError(
                f"the replacement is {list(self.replacement.shape)} and the activations are {list(activations.shape)}; "
                "expected as many columns, and one row in all or one for each row."
            )
        return self.replacement.to(activations).expand_as(activations).clone()

    def rows(self, rows: slice) -> Ablation:
        """The replacements of some of the rows."""
        return self if self.replacement.dim() == 1 else Ablation(self.replacement[rows])


def zero(activations: Tensor) -> Ablation:
    """Replace by zeros of the width of ``activations [n, d]``."""
    return Ablation(torch.zeros_like(activations[0]))


def mean(activations: Tensor) -> Ablation:
    """Replace by the mean over the rows of ``activations [n, d]``."""
    return Ablation(activations.detach().double().mean(0))


def resample(activations: Tensor, *, groups: object = None, rng: torch.Generator) -> Ablation:
    """Replace each row of ``activations [n, d]`` by one of another group; only for these rows, in this order."""
    return Ablation(activations.detach()[derangement(len(activations), groups, rng=rng)])


def derangement(n: int, groups: object = None, *, rng: torch.Generator) -> Tensor:
    """A random permutation ``[n]`` of the rows that maps every row to one of another group.

    Groups are laid out one after the other in random order, and this line is rotated by at least the size of the
    largest group and at most n minus that, so that no row meets its own group. Raises :class:`NotMeasurableError` when
    one group holds more than half of the rows: then no such permutation exists.
    """
    codes = torch.from_numpy(compact_groups(groups, n))
    sizes = torch.from_numpy(np.bincount(codes.numpy()))
    largest = int(sizes.max())
    if n < 2 * largest:
        raise NotMeasurableError(f"one group holds {largest} of {n} rows; expected half at most, to swap groups")
    rank_of_group = torch.randperm(len(sizes), generator=rng)
    shuffled = torch.randperm(n, generator=rng)
    line = shuffled[rank_of_group[codes[shuffled]].argsort(stable=True)]
    turn = int(torch.randint(largest, n - largest + 1, (1,), generator=rng))
    source = torch.empty_like(line)
    source[line] = line.roll(-turn)
    return source
