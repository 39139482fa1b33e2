"""Bootstrap intervals of means and ratios over rows, by resampling whole groups.

Rows of one group (an episode, a writer, a map) are not independent, so groups are drawn with replacement. Every
statistic is a function of per-group sums, so that all resamples are one matrix product. Intervals are percentile
intervals (Efron & Tibshirani 1993, chapter 13); with fewer than two groups they are NaN.

Letters: n rows, G groups, R resamples.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from imprint.probes.samples.controls import compact_groups
from imprint.probes.samples.intervals import LARGEST

DEFINED = 0.9
"""An interval is NaN when fewer than this part of its resamples are finite."""


@dataclass(frozen=True)
class Resamples:
    """The groups of each resample; shared by all statistics, so that they can be compared."""

    codes: Tensor
    """``[n]`` group of each row, 0..G-1."""
    weights: Tensor
    """``[R, G]`` how often each resample draws each group."""

    @classmethod
    def of(cls, n: int, groups: object = None, *, count: int = 1000, rng: torch.Generator) -> Resamples:
        """``count`` resamples of the groups of ``n`` rows; every row is its own group when ``groups`` is ``None``."""
        codes = torch.from_numpy(compact_groups(groups, n))
        size = int(codes.max()) + 1
        if size > LARGEST:
            codes = (torch.randperm(size, generator=rng) % LARGEST)[codes]
            size = LARGEST
        drawn = torch.randint(size, (count, size), generator=rng)
        weights = torch.zeros(count, size, dtype=torch.float64)
        return cls(codes, weights.scatter_add_(1, drawn, torch.ones_like(drawn, dtype=torch.float64)))

    def mean(self, rows: Tensor) -> tuple[float, float]:
        """Interval of the mean of ``rows [n]``."""
        return self.ratio(rows, torch.ones_like(rows))

    def ratio(self, above: Tensor, below: Tensor) -> tuple[float, float]:
        """Interval of ``above.sum() / below.sum()``, both ``[n]``."""
        return self.interval(self._sums(above) / self._sums(below))

    def interval(self, draws: Tensor, level: float = 0.95) -> tuple[float, float]:
        """Percentile interval of ``draws [R]``; NaN when too few of them are finite, or there is one group only."""
        finite = draws[torch.isfinite(draws)]
        if self.weights.shape[1] < 2 or len(finite) < DEFINED * len(draws):
            return (float("nan"), float("nan"))
        ends = torch.quantile(finite, torch.tensor([(1 - level) / 2, (1 + level) / 2], dtype=finite.dtype))
        return (float(ends[0]), float(ends[1]))

    def _sums(self, rows: Tensor) -> Tensor:
        """Sum over rows of each resample, ``[R]``."""
        of_group = torch.zeros(self.weights.shape[1], dtype=torch.float64)
        return self.weights @ of_group.index_add_(0, self.codes, rows.double())
