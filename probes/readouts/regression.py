"""regression: ridge regression of a continuous concept on standardised activations, solved exactly from moments.

:mod:`imprint.probes.fitting.least_squares` has the equations and the choice of the penalty.
"""

from __future__ import annotations

from collections.abc import Sequence

from imprint.probes.fitting.least_squares import PENALTIES
from imprint.probes.readouts.base import Penalised, ReadsNumbers


class Regression(ReadsNumbers, Penalised):
    """Ridge regression of numbers."""

    def __init__(self, penalties: Sequence[float] = PENALTIES, standardise: bool = True, seed: int = 0) -> None:
        self.penalties = penalties
        self.standardise = standardise
        self.seed = seed
