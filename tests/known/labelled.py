"""Labelled rows: classes with correlated noise, and one direction of known effect."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def rows(classes: int = 2, n: int = 500, d: int = 10, seed: int = 0) -> tuple[Array, Array]:
    """Rows ``[n, d]`` about one random centre per class, with correlated noise, and their classes ``[n]``."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, classes, n)
    centres = rng.normal(size=(classes, d))
    return rng.normal(size=(n, d)) @ (np.eye(d) + 0.5 * rng.normal(size=(d, d))) + centres[y] + 3.0, y


def planted(n: int, effect: float, *, seed: int, width: int = 64) -> tuple[Array, Array]:
    """Rows ``[n, width]`` of white noise, two classes ``effect`` standard deviations apart along a random direction.

    Seeds 2 k and 2 k + 1 share the direction.
    """
    rng = np.random.default_rng(seed)
    direction = np.random.default_rng([seed // 2, 7]).normal(size=width)
    y = rng.integers(0, 2, n)
    return rng.normal(size=(n, width)) + np.outer((y - 0.5) * effect, direction / np.linalg.norm(direction)), y
