"""Values whose dependence on two concepts is known: tables, and profiles of several training seeds."""

from __future__ import annotations

import numpy as np
import pandas as pd

from imprint.analyses.latch.profile import Profile
from imprint.analyses.latch.shares import measure

NAMES = ("a", "b")


def table(n: int, rng: np.random.Generator, *, together: float = 0.5) -> pd.DataFrame:
    """Two binary concepts that agree with probability ``together``."""
    a = rng.random(n) < 0.5
    return pd.DataFrame({"a": a, "b": np.where(rng.random(n) < together, a, ~a)})


def value(
    concepts: pd.DataFrame, rng: np.random.Generator, a: float = 0.0, b: float = 0.0, *, both: float = 0.0
) -> np.ndarray:
    """Unit noise, and effects of two concepts coded -1 and 1."""
    x, y = (2.0 * concepts[c].to_numpy(dtype=float) - 1 for c in NAMES)
    return a * x + b * y + both * x * y + rng.standard_normal(len(x))


def profiles(
    dominance: float, rng: np.random.Generator, *, seeds: int, n: int, groups: int = 100, spread: float = 0.15
) -> list[Profile]:
    """Seeds whose value holds .4 of its variance on average in ``a`` and ``b``, in parts that vary by seed.

    ``dominance``: mean part of ``a``; ``spread``: standard deviation over seeds of the logarithm of each weight.
    """
    concepts, of = table(n, rng), np.arange(n) % groups
    scale = 0.4 / 0.6
    profiles = []
    for _ in range(seeds):
        jitter = np.exp(spread * rng.standard_normal(2) - spread**2)
        a, b = np.sqrt(scale * dominance) * jitter[0], np.sqrt(scale * (1 - dominance)) * jitter[1]
        profiles.append(Profile(measure(value(concepts, rng, a, b), concepts, of, NAMES), {}))
    return profiles
