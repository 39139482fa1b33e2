"""floor: how large a share untrained networks give a concept, so that structure of the input is not called a latch.

A random network's value depends on whatever its input shows: of random readouts of a picture some will follow the
colour of a figure. For a concept that nothing has taught, the signed effect on a random value is symmetric about 0 and
roughly normal, so the share (its square) over its expectation is chi-square with one degree of freedom. With the mean
share t over m untrained twins, the mean over S seeds that learned nothing lies below

    bound = F^-1(1 - level / (C + 1); S, m)  x  t            (level .05 over all C concepts and their interaction)

A concept counts as carried only above its bound.

Letters: m twins, S seeds, C concepts.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import stats

from imprint.analyses.latch.shares import CellSums
from imprint.analyses.statistics import Floats

LEVEL = 0.05
"""Chance that any concept of an untrained subject lies above its bound."""


def twin_shares(twins: Sequence[CellSums], concepts: int) -> Floats:
    """Shares ``[m, C + 2]`` of untrained twins; those whose value is constant hold none of anything."""
    shares = [np.zeros(concepts + 2) if twin.constant else twin.shares for twin in twins]
    return np.stack(shares) if shares else np.zeros((0, concepts + 2))


def bounds(shares: Floats, seeds: int) -> Floats:
    """``[C + 1]`` shares of every concept and of the interaction that ``seeds`` untrained subjects stay below.

    ``shares [m, C + 2]`` of the twins; without twins everything above 0 counts.
    """
    twins, columns = shares.shape
    if not twins:
        return np.zeros(columns - 1)
    factor = stats.f.ppf(1 - LEVEL / (columns - 1), seeds, twins)
    return np.asarray(factor * np.maximum(shares[:, :-1].mean(0), 0.0))
