"""Predictions: numbers with intervals over training seeds, held against bounds that were written down beforehand.

    held    the whole interval lies inside the bounds
    failed  the whole interval lies outside
    open    neither: the seeds do not settle it

All held: confirmed. Any failed: refuted. Otherwise undetermined. Intervals are Student's, 95 %, over seeds; a number
that is missing in a seed makes the whole number missing, and a missing number leaves its prediction open.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from imprint.analyses.statistics import Estimate
from imprint.analyses.verdicts import Conclusion


@dataclass(frozen=True)
class Prediction:
    """One number and where it was said to lie."""

    what: str
    measured: Estimate
    least: float = -np.inf
    most: float = np.inf

    @property
    def outcome(self) -> Literal["held", "failed", "open"]:
        """See the module docstring."""
        low, high = self.measured.low, self.measured.high
        if self.least <= low and high <= self.most:
            return "held"
        return "failed" if high < self.least or low > self.most else "open"

    def __str__(self) -> str:
        bounds = [f"at least {self.least:.3g}"] if np.isfinite(self.least) else []
        bounds += [f"at most {self.most:.3g}"] if np.isfinite(self.most) else []
        return f"{self.what} {self.measured} ({' and '.join(bounds)}: {self.outcome})"


def judged(predictions: Sequence[Prediction]) -> tuple[Conclusion, str]:
    """The verdict and a sentence with every number."""
    outcomes = {p.outcome for p in predictions}
    said = "; ".join(map(str, predictions))
    if not predictions:
        return "undetermined", "nothing was measured"
    if "failed" in outcomes:
        return "refuted", said
    return ("undetermined" if "open" in outcomes else "confirmed"), said
