"""regression: ridge regression of a continuous concept on standardised activations, solved exactly from moments.

:mod:`imprint.probes.fitting.least_squares` has the equations and the choice of the penalty.
"""

from __future__ import annotations

from collections.abc import Sequence

from imprint.probes.fitting.least_squares import PENALTIES, LeastSquares
from imprint.probes.fitting.moments import Moments
from imprint.probes.readouts.base import Columns, FittedReadout, FromMoments, ReadsNumbers


class Regression(ReadsNumbers, FromMoments):
    """Ridge regression of numbers."""

    def __init__(self, penalties: Sequence[float] = PENALTIES, standardise: bool = True, seed: int = 0) -> None:
        self.penalties = penalties
        self.standardise = standardise
        self.seed = seed

    def solve(self, moments: Moments, columns: Columns, held: Sequence[int | None]) -> list[FittedReadout]:
        """One probe per held-out fold; see :meth:`FromMoments.solve`."""
        engine = LeastSquares(self.penalties, self.standardise)
        return [FittedReadout(weight, bias) for weight, bias, _ in engine.solve(moments, columns.choose, held)]
