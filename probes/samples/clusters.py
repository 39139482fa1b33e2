"""Clusters: intervals of statistics of rows that come in groups, by how much each group moves the statistic.

Rows of one group (an episode, a writer, a map) are not independent, so the unit is the group. Three cases:

    ratio      R = sum a / sum b of fixed rows. With e_i = (a_i - R b_i) / sum b, by linearisation (Cochran 1977, 6.5),
               Var R = G / (G - 1)  sum over groups ( sum of e_i in the group )^2
    pairs      the same, when a_i also depends on a second row, its donor d. Groups that share a pair are then dependent
               (Aronow, Samii & Assenova 2015, Political Analysis 23). With e_i = (a_i - R (b_i + b_d) / 2) / sum b,
               which leaves R as it is since each row gives once,
               Var R = G / (G - 3)  ( sum over groups (e of the pairs in which it gives or takes)^2
                                      -  sum over pairs of groups (e of what they share)^2 )
               G - 3: the e add up to 0, each is in two groups, so that 4 / G of the first sum is lost and 1 / G of the
               second. The difference of two noisy sums is itself noisy: its degrees of freedom are G - 1 times the
               part of the first sum that is left (with G - 1 alone, 15 groups cover .91)
    refitted   anything that must be fitted again without some rows (an eraser, a direction, a mean): the jackknife
               that deletes one of J blocks of groups, for blocks of unequal size n_j = n / h_j (Busing, Meijer & van
               der Leeden 1999, Statistics and Computing 9). With pseudo-values p_j = h_j T - (h_j - 1) T_(j),
               T_J = J T - sum (1 - 1/h_j) T_(j),     Var T_J = 1/J  sum (p_j - T_J)^2 / (h_j - 1)

The jackknife also removes the part of the bias that falls as 1/n, which fitting and judging on the same rows brings.
Intervals are Student's t; with fewer than two groups (pairs: four) they are NaN. The degrees of freedom are the number
of groups (of blocks) less one, where groups of unequal size n_g count as ``n^2 / sum n_g^2``.

Letters: n rows, G groups, J blocks, q statistics.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from scipy import stats
from torch import Tensor

from imprint.probes.samples.controls import compact_groups, folds_of

BLOCKS = 20
"""Number of blocks of the jackknife; fewer when there are fewer groups."""
Interval = tuple[float, float]
NO_INTERVAL = (float("nan"), float("nan"))


@dataclass(frozen=True)
class Clusters:
    """The groups of some rows, dealt to blocks."""

    codes: Tensor
    """``[n]`` group of each row, 0..G-1."""
    block: Tensor
    """``[n]`` block of each row, 0..J-1; blocks are unions of groups of about equal size."""

    @classmethod
    def of(cls, n: int, groups: object = None, *, blocks: int = BLOCKS, rng: torch.Generator) -> Clusters:
        """Groups of ``n`` rows, dealt to blocks at random; every row is its own group when ``groups`` is ``None``.

        Raises :class:`NotMeasurableError` for groups that cannot be told apart, or that are not one per row.
        """
        codes = compact_groups(groups, n)
        draw = np.random.default_rng(int(torch.randint(2**31, (1,), generator=rng)))
        block = folds_of(codes, blocks, draw) if n and codes.max() else np.zeros(n, dtype=np.int64)
        return cls(torch.from_numpy(codes), torch.from_numpy(block))

    @property
    def blocks(self) -> range:
        """The blocks 0..J-1."""
        return range(int(self.block.max()) + 1)

    def kept(self, without: int | None) -> Tensor:
        """Which rows (bool ``[n]``) are left without a block; all, without none."""
        return torch.ones_like(self.block, dtype=torch.bool) if without is None else self.block != without

    def ratio(self, above: Tensor, below: Tensor, *, donor: Tensor | None = None) -> Interval:
        """Interval of ``above.sum() / below.sum()``, both ``[n]``.

        ``donor`` ``[n]`` names the second row on which ``above`` depends, one for each row and each row once.
        """
        a, b = above.double(), below.double()
        estimate, size = float(a.sum() / b.sum()), int(self.codes.max()) + 1
        if size < (2 if donor is None else 4):
            return NO_INTERVAL
        rows = (a - estimate * (b if donor is None else (b + b[donor]) / 2)) / b.sum()
        moved, freedom = self._sums(rows), self._freedom(self.codes)
        if donor is None:
            return _around(estimate, float(moved.square().sum()) * size / (size - 1), freedom)
        giver = self.codes[donor]
        whole = float(moved.index_add(0, giver, rows).square().sum())
        pair = torch.minimum(self.codes, giver) * size + torch.maximum(self.codes, giver)
        _, pair = torch.unique(pair, return_inverse=True)
        common = float(rows.new_zeros(int(pair.max()) + 1).index_add(0, pair, rows).square().sum())
        left = 1 - common / whole if common < whole else 1.0
        return _around(estimate, whole * left * size / (size - 3), max(freedom * left, 1.0))

    def mean(self, rows: Tensor) -> Interval:
        """Interval of the mean of ``rows [n]``."""
        return self.ratio(rows, torch.ones_like(rows))

    def refitted(self, statistic: Callable[[int | None], Tensor]) -> tuple[Tensor, list[Interval]]:
        """Estimates ``[q]``, freed of bias, and intervals, of statistics that depend on something that is fitted.

        ``statistic`` gives ``[q]`` numbers, fitted and computed without the rows of a block (None: with all rows).
        """
        whole = statistic(None).double()
        if len(self.blocks) < 2:
            return whole, [NO_INTERVAL] * len(whole)
        parts = torch.stack([statistic(block).double() for block in self.blocks])
        times = (len(self.block) / torch.bincount(self.block).double())[:, None]
        estimate = len(parts) * whole - ((1 - 1 / times) * parts).sum(0)
        pseudo = times * whole - (times - 1) * parts
        variance = ((pseudo - estimate).square() / (times - 1)).mean(0)
        freedom = self._freedom(self.block)
        return estimate, [
            _around(each, spread, freedom) for each, spread in zip(estimate.tolist(), variance.tolist(), strict=True)
        ]

    def _sums(self, rows: Tensor) -> Tensor:
        """Sum ``[G]`` over the rows ``[n]`` of each group."""
        return rows.new_zeros(int(self.codes.max()) + 1).index_add(0, self.codes, rows)

    @staticmethod
    def _freedom(codes: Tensor) -> float:
        sizes = torch.bincount(codes).double()
        return max(float(sizes.sum().square() / sizes.square().sum()) - 1, 1.0)


def _around(estimate: float, variance: float, freedom: float) -> Interval:
    """Student's t interval; NaN when the variance is not known."""
    if not math.isfinite(estimate) or not math.isfinite(variance):
        return NO_INTERVAL
    half = float(stats.t.ppf(0.975, freedom)) * math.sqrt(max(variance, 0.0))
    return estimate - half, estimate + half
