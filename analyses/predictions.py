"""Predictions: numbers with intervals over training seeds, compared with bounds that were written down beforehand.

    held    the whole interval lies inside the bounds
    failed  the whole interval lies outside
    open    neither: the seeds do not settle it

All held: confirmed. Any failed: refuted. Otherwise undetermined. A number that is missing leaves its prediction open.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from imprint.analyses.statistics import Estimate
from imprint.analyses.verdicts import Conclusion


@dataclass(frozen=True)
class Prediction:
    """One number and the bounds between which it was predicted to lie."""

    name: str
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

    def row(self) -> dict[str, Any]:
        """Columns of a row of findings."""
        return {**self.measured.row(), "why": str(self)}

    def __str__(self) -> str:
        bounds = [f"at least {self.least:.3g}"] if np.isfinite(self.least) else []
        bounds += [f"at most {self.most:.3g}"] if np.isfinite(self.most) else []
        return f"{self.name} {self.measured} ({' and '.join(bounds)}: {self.outcome})"


def judged(
    predictions: Sequence[Prediction],
    *,
    controls: Sequence[Prediction] = (),
    blind: str = "",
    failed: Sequence[str] = (),
) -> tuple[Conclusion, str]:
    """The verdict by ``predictions``, and a sentence with every number and its bounds.

    All ``controls`` must be held, or else the verdict is undetermined; ``blind`` is a sentence that says what one that
    is not held means. ``failed``: pieces of work that failed; any leaves the verdict undetermined.
    """
    outcomes = {prediction.outcome for prediction in predictions}
    why = "; ".join(map(str, (*predictions, *controls))) or "nothing was measured"
    if failed:
        return "undetermined", f"{', '.join(failed)} failed. {why}."
    if any(control.outcome != "held" for control in controls):
        return "undetermined", f"{blind} {why}."
    if "failed" in outcomes:
        return "refuted", f"{why}."
    return ("confirmed" if outcomes == {"held"} else "undetermined"), f"{why}."
