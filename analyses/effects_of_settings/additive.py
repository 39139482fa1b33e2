"""Whether means differ, and whether they add up: least squares with known errors, or with errors from what is left.

With errors s_i of the means known from seeds, the weighted sum of squares around the best fit of a linear model,

    Q = min_b sum_i (y_i - x_i b)^2 / s_i^2,      Q ~ chi^2 with (means - rank) degrees of freedom if the model holds,

tests the model. Without known errors (a cell has no interval) an effect is compared with what is left over when main
effects and interactions of two have been fitted, as in any factorial experiment without repetitions (Yates 1937):

    F = ((RSS without the effect - RSS) / effect's degrees of freedom) / (RSS / residual degrees of freedom).

What is left over then are interactions of three and more beside noise, and both are bounds on what can be seen.
"""

from __future__ import annotations

from itertools import combinations
from typing import NamedTuple

import numpy as np
import scipy
from numpy.typing import NDArray

from imprint.analyses.statistics import NAN

Floats = NDArray[np.float64]
SMALLEST_RESIDUAL = 3
"""Degrees of freedom below which what is left over says too little to test against."""


class Test(NamedTuple):
    """A test of one effect."""

    statistic: float
    freedom: int
    p_value: float


def indicators(codes: NDArray[np.int64]) -> Floats:
    """A column per value but the first ``[n, values - 1]``."""
    return np.asarray(codes[:, None] == np.unique(codes)[None, 1:], dtype=np.float64)


def crossed(a: Floats, b: Floats) -> Floats:
    """Products of every column of one with every column of the other ``[n, columns of a x columns of b]``."""
    return np.asarray((a[:, :, None] * b[:, None, :]).reshape(len(a), -1))


def fitted(y: Floats, *parts: Floats) -> tuple[Floats, int]:
    """What a linear model with a constant leaves of ``y`` ``[n]``, and its rank."""
    x = np.concatenate([np.ones((len(y), 1)), *parts], axis=1)
    b, _, rank, _ = np.linalg.lstsq(x, y, rcond=None)
    return y - x @ b, int(rank)


def misfit(y: Floats, errors: Floats, *parts: Floats) -> Test:
    """Whether means ``y`` ``[n]`` with standard ``errors`` ``[n]`` are a constant plus what ``parts`` can give."""
    x = np.concatenate([np.ones((len(y), 1)), *parts], axis=1) / errors[:, None]
    b, _, rank, _ = np.linalg.lstsq(x, y / errors, rcond=None)
    freedom = len(y) - int(rank)
    statistic = float(((y / errors - x @ b) ** 2).sum())
    return Test(statistic, freedom, float(scipy.stats.chi2.sf(statistic, freedom)) if freedom else NAN)


def effect_test(y: Floats, codes: NDArray[np.int64], effect: tuple[int, ...]) -> Test:
    """A test of a main effect ``(j,)`` or of an interaction of two keys ``(j, k)`` against what is left over.

    ``y`` ``[n]`` and ``codes`` ``[n, keys]``. A main effect is tested among main effects alone, so that an interaction
    counts as left over there; an interaction, among all of two. The p-value is NaN where fewer than three degrees of
    freedom are left.
    """
    mains = [indicators(column) for column in codes.T]
    if len(effect) == 1:
        return _against(y, mains[effect[0]], [main for j, main in enumerate(mains) if j != effect[0]])
    pairs: dict[tuple[int, ...], Floats] = {
        (j, k): crossed(mains[j], mains[k]) for j, k in combinations(range(len(mains)), 2)
    }
    return _against(y, pairs.pop(effect), [*mains, *pairs.values()])


def _against(y: Floats, effect: Floats, rest: list[Floats]) -> Test:
    without, lower = fitted(y, *rest)
    left, rank = fitted(y, *rest, effect)
    freedom, residual = rank - lower, len(y) - rank
    if freedom < 1 or residual < SMALLEST_RESIDUAL:
        return Test(NAN, max(freedom, 0), NAN)
    gained, noise = max(float(without @ without - left @ left), 0.0), float(left @ left)
    if noise <= 1e-20 * max(float(((y - y.mean()) ** 2).sum()), 1e-300):  # nothing is left over, to rounding
        return Test(NAN, freedom, NAN)
    statistic = gained / freedom / (noise / residual)
    return Test(statistic, freedom, float(scipy.stats.f.sf(statistic, freedom, residual)))
