"""How uncertain a mean over cells is when cells were judged on the same training runs.

Each cell has an interval over seeds, of half width h. Cells that share their lives share the luck of these lives: their
errors may go together wholly or not at all, which a table of cells does not tell. The mean over a set of cells gets

    H^2 = sum_l (sum_{cells c of lives l} h_c)^2 / n^2,

that is: errors are added within the same lives (as if they went together wholly) and squared between different lives.
This is the largest value that any non-negative correlation within lives can give. A difference of two means gets
``H_a^2 + H_b^2``, again an upper bound: what both sides share cancels. The bound is tight for a key that has lives of
its own per value, and wide for one that is judged on shared lives.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
TWO_SIDED = 1.959963984540054
"""Half width of a 95 % interval, in standard errors."""


@dataclass(frozen=True)
class Means:
    """Means over groups of cells."""

    value: Floats
    """``[groups]``; NaN for a group without cells."""
    half: Floats
    """Half widths of their 95 % intervals over seeds ``[groups]``; NaN where cells have none."""
    count: NDArray[np.int64]
    """Cells ``[groups]``."""


def means_of(values: Floats, halves: Floats | None, group: NDArray[np.int64], lives: NDArray[np.int64]) -> Means:
    """Mean of ``values`` ``[cells]`` in each ``group``, numbered 0, 1, ...; all values must be known."""
    groups = int(group.max()) + 1 if len(group) else 0
    count = np.bincount(group, minlength=groups)
    filled = np.where(count > 0, count, np.nan)
    value = np.bincount(group, values, minlength=groups) / filled
    if halves is None:
        return Means(value, np.full(groups, np.nan), count)
    together = np.zeros((groups, int(lives.max()) + 1 if len(lives) else 0))
    np.add.at(together, (group, lives), halves)
    return Means(value, np.sqrt((together**2).sum(1)) / filled, count)
