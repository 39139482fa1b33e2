"""The exact interval of a rate, Student's t, and how many groups a bootstrap draws at most."""

from __future__ import annotations

import scipy

from imprint.models.errors import ImprintError

LARGEST = 200
"""More groups than this are merged at random before they are drawn; merged independent groups stay exchangeable."""


def t_quantile(probability: float, freedom: int | float) -> float:
    """The quantile of Student's t; that of ``scipy.stats``, which takes a hundred times as long for one number."""
    return float(scipy.special.stdtrit(freedom, probability))


def t_above(x: float, freedom: int | float) -> float:
    """Probability that Student's t is above ``x``; equal to ``scipy.stats.t.sf``."""
    return float(scipy.special.stdtr(freedom, -x))


def exact_interval(hits: float, trials: float, level: float = 0.95) -> tuple[float, float]:
    """Exact interval of the rate of ``hits`` in independent ``trials`` (Clopper & Pearson 1934); NaN without trials.

    It covers at least as often as it says. Raises :class:`ImprintError` unless 0 <= hits <= trials.
    """
    if not 0 <= hits <= trials:
        raise ImprintError(f"{hits:g} hits of {trials:g} trials; expected 0 <= hits <= trials.")
    if trials == 0:
        return (float("nan"), float("nan"))
    tail = (1 - level) / 2
    low = scipy.stats.beta.ppf(tail, hits, trials - hits + 1) if hits else 0.0
    high = scipy.stats.beta.isf(tail, hits + 1, trials - hits) if hits < trials else 1.0
    return (float(low), float(high))
