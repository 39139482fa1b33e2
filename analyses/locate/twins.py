"""How much randomly initialised twins differ, from few of them: the spread of every cell, moderated over the grid.

The variance of a handful of scores is hardly known. Empirical Bayes (Smyth 2004, Statistical Applications in Genetics
and Molecular Biology 3, equations 5 to 10) takes the variances of all cells for draws around a common one, s_0^2 with
d_0 degrees of freedom, and gives each cell

    s~^2 = (d_0 s_0^2 + d s^2) / (d_0 + d)          with d_0 + d degrees of freedom, d = twins - 1

Deviations from the source: cells of one grid are read from the same twins, so d_0 is at most :data:`MOST`; and s_0^2 is
drawn towards :data:`USUAL`, which counts as a quarter of one more twin does. So one twin is enough for a test, if a
weak one.

Letters: T twins, C cells.
"""

from __future__ import annotations

import numpy as np
from scipy import optimize, special

from imprint.analyses.statistics import Floats

USUAL = 0.05
"""Standard deviation of twins' scores that is expected before any twin was seen."""
MORE = 4.0
"""How much more each twin beyond the first counts than what was expected before."""
LEAST, MOST = 4.0, 10.0
"""Bounds of d_0."""


def moderated(variances: Floats, twins: int) -> tuple[Floats, float]:
    """Moderated variance ``[C]`` of single twins' scores, and its degrees of freedom.

    ``variances``: sample variances ``[C]`` over ``twins`` twins; not looked at when there is one.
    """
    freedom, prior = twins - 1, LEAST
    common = USUAL**2
    known = variances[np.isfinite(variances)]
    if freedom and len(known) > 2:
        fitted, prior = _common(np.maximum(known, (USUAL / 100) ** 2), freedom)
        common = (common + MORE * freedom * fitted) / (1 + MORE * freedom)
    own = np.where(np.isfinite(variances), variances, common) if freedom else np.full(len(variances), common)
    return (prior * common + freedom * own) / (prior + freedom), prior + freedom


def _common(variances: Floats, freedom: int) -> tuple[float, float]:
    """s_0^2 and d_0 of variances ``[C]`` with equal degrees of freedom."""
    e = np.log(variances) - special.digamma(freedom / 2) + np.log(freedom / 2)
    excess = float(e.var(ddof=1)) - float(special.polygamma(1, freedom / 2))

    def beyond(d: float) -> float:
        return float(special.polygamma(1, d / 2)) - excess

    if beyond(MOST) >= 0:
        d = MOST
    elif beyond(LEAST) <= 0:
        d = LEAST
    else:
        d = float(optimize.brentq(beyond, LEAST, MOST))
    return float(np.exp(e.mean() + special.digamma(d / 2) - np.log(d / 2))), d
