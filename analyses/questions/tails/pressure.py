"""Choosing the best of many by a proxy: what the choice is worth really, exactly and in theory.

    E[q | best of n]  =  sum_r q_(r) [ (r / N)^n - ((r - 1) / N)^n ]     q_(r): truth of the r-th smallest of N proxies

is the mean over all draws of n, with replacement, from a pool of N, so that no draw is made. In theory, for a truth q
of 0 or 1 with rate p, and a proxy q + e with an independent error of density f and distribution F:

    P(q = 1 | best of n)  =  integral  p f(x - 1) / m(x)  d M(x)^n            m, M: density and distribution of q + e

With a normal error it rises to 1; with one whose tail falls as a power of x it comes back to p (regressional and
extremal Goodhart: Manheim & Garrabrant 2018, arXiv 1803.04585; heavy tails: Kwa et al. 2024, arXiv 2407.14503).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Floats = NDArray[np.float64]
NORMAL, HEAVY = "normal error", "heavy-tailed error"
ERRORS: Mapping[str, Any] = {NORMAL: stats.norm(scale=0.5), HEAVY: stats.t(2, scale=0.2)}
"""Errors that are planted: a tail that falls faster than any power, and one that falls as the square."""
GRID = 4000
"""Points at which the integral is taken."""


def best_of(proxy: Floats, truth: Floats, numbers: Sequence[int], rng: np.random.Generator) -> Floats:
    """Mean truth ``[Q]`` of the best of each of ``numbers``, from a pool of proxies ``[N]`` and truths ``[N, Q]``.

    Returned ``[len(numbers), Q]``. Equal proxies are put in a random order.
    """
    mixed = rng.permutation(len(proxy))
    ordered = truth[mixed][np.argsort(proxy[mixed], kind="stable")]
    share = np.arange(len(proxy) + 1) / len(proxy)
    weights = np.stack([np.diff(share**n) for n in numbers])
    return np.asarray(weights @ ordered)


def in_theory(rate: float, error: Any, n: int) -> float:
    """P(q = 1 | best of n of a pool without end); ``error``: a frozen distribution of scipy."""
    levels = np.linspace(0.0, 1.0, GRID + 1)[1:-1] ** (1 / n)
    grid = np.sort(np.concatenate([error.ppf(levels), 1.0 + error.ppf(levels)]))
    whole = (rate * error.cdf(grid - 1.0) + (1 - rate) * error.cdf(grid)) ** n
    middle = (grid[1:] + grid[:-1]) / 2
    good, bad = rate * error.pdf(middle - 1.0), (1 - rate) * error.pdf(middle)
    mass = np.diff(whole)
    return float((good / (good + bad)) @ mass / mass.sum())
