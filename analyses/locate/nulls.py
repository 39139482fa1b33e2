"""How improbable a score is among its own label shuffles, and how many shuffles that takes.

Most scores are far among their shuffles or far above them, which a few shuffles show. The others get more, stage by
stage (Besag & Clifford 1991, Biometrika 78): once enough shuffles score as high, p is their share; beyond all but a
few, it is extrapolated (:func:`imprint.analyses.statistics.tail_p`). Fewer than :data:`FEW` shuffles of a score to
which many rows of every class contribute, which is nearly normal, are compared by Student's t instead.

Letters: J shuffles.
"""

from __future__ import annotations

import numpy as np

from imprint.analyses.statistics import NAN, Floats, tail_p
from imprint.probes.samples.intervals import t_above

FEWEST = 10
"""Rows of the rarest class below which there is neither an interval nor a verdict of presence."""
COMMON = 50
"""Rows of the rarest class from which a score is taken to be nearly normal among few shuffles."""
FEW = 100
"""Shuffles below which their tail is not looked at when the score is nearly normal."""
STAGES = (200, 400)
"""Shuffles of a cell that fewer could not decide, and of one that 200 could not."""
SURE = 1e-2
"""Part of the level that has to be reached at which p from a normal distribution ends the shuffling."""


def p_among(score: float, nulls: Floats, *, rarest: float) -> float:
    """One-sided p of a score among shuffles ``[J]`` of its labels; ``rarest``: rows of the rarest class."""
    if len(nulls) >= FEW or rarest < COMMON:
        return tail_p(score, nulls)
    error = nulls.std(ddof=1) * np.sqrt(1 + 1 / len(nulls))
    if not np.isfinite(score) or not np.isfinite(error):
        return NAN
    if error <= 0:
        return 1 / (1 + len(nulls)) if score > nulls.mean() else 1.0
    return t_above((score - nulls.mean()) / error, len(nulls) - 1)


def is_among(score: float, nulls: Floats) -> bool:
    """Whether so many shuffles score as high that more of them would not change what p says."""
    return bool((nulls >= score).sum() >= max(5, len(nulls) // 10))


def undecided(score: float, nulls: Floats, *, rarest: float, stage: int, enough: float) -> bool:
    """Whether a score needs the ``stage`` shuffles; ``enough``: the p-value below which it can be called present."""
    if len(nulls) >= stage or not np.isfinite(score):
        return False
    p = p_among(score, nulls, rarest=rarest)
    if len(nulls) < FEW:
        return not p < enough * (SURE if rarest >= COMMON else 1.0)
    return enough < p < 2 / FEW
