"""Means over training seeds with their interval: the seed is what is replicated.

    mean +- t quantile (S - 1 degrees of freedom) x sd / sqrt(S)

Letters: S seeds.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy import stats


@dataclass(frozen=True)
class Mean:
    """A mean over seeds and its 95 % interval."""

    value: float
    low: float
    high: float
    seeds: int
    """Seeds in which it could be measured."""

    def __str__(self) -> str:
        return f"{self.value:.3g} [{self.low:.3g}, {self.high:.3g}]"

    def above(self, level: float) -> bool:
        """Whether the whole interval lies above ``level``; never without an interval."""
        return bool(self.low > level)

    def below(self, level: float) -> bool:
        """Whether the whole interval lies below ``level``; never without an interval."""
        return bool(self.high < level)


def over_seeds(values: Iterable[float]) -> Mean:
    """Mean of one number per seed; NaN are not counted, and fewer than two numbers have no interval."""
    every = np.asarray(list(values), dtype=np.float64)
    known = every[np.isfinite(every)]
    if len(known) < 2:
        return Mean(float(known.mean()) if len(known) else float("nan"), float("nan"), float("nan"), len(known))
    reach = float(stats.t.ppf(0.975, len(known) - 1) * known.std(ddof=1) / np.sqrt(len(known)))
    return Mean(float(known.mean()), float(known.mean() - reach), float(known.mean() + reach), len(known))
