"""When one curve overtakes another, and how deep a curve dips."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def crossing(ages: Sequence[Any], goal: Sequence[Any], rival: Sequence[Any]) -> float:
    """Age from which ``goal`` stays above ``rival``, linear between ages; NaN when it is not above at the end.

    The first age when it is above all along.
    """
    lead = np.asarray(goal, dtype=float) - np.asarray(rival, dtype=float)
    if not len(lead) or not lead[-1] > 0:
        return float("nan")
    behind = np.flatnonzero(lead <= 0)
    if not len(behind):
        return float(ages[0])
    i = int(behind[-1])
    return float(ages[i] + (ages[i + 1] - ages[i]) * -lead[i] / (lead[i + 1] - lead[i]))


def dip(capability: Sequence[Any]) -> float:
    """How far capability falls between its first peak and its end, at its lowest; 0 when it only rises."""
    x = np.asarray(capability, dtype=float)
    if len(x) < 3:
        return 0.0
    return float(max(0.0, max((x[: i + 1].max() - x[i] for i in range(1, len(x))), default=0.0)))
