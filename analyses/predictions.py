"""Predictions: numbers with intervals over training seeds, compared with bounds that were written down beforehand.

    held    the whole interval lies inside the bounds
    failed  the whole interval lies outside
    open    neither: the seeds do not settle it

All held: confirmed. Any failed: refuted. Otherwise undetermined. A number that is missing leaves its prediction open.

Before the run an :class:`Expected` number says how far from its bound it is predicted, and what spread over seeds is
known from earlier runs; :func:`bought` is the sentence that says with what probability the seeds will show it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from imprint.analyses.statistics import Estimate, power_of_mean
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


@dataclass(frozen=True)
class Expected:
    """A number that is predicted, before it is measured."""

    name: str
    distance: float
    """From the predicted value to the bound; to each of the two, where it is predicted to lie between two."""
    spread: float
    """Standard deviation over training seeds, known from earlier runs."""
    between: bool = False
    """Whether it is predicted to lie between two bounds."""

    def power(self, seeds: int) -> float:
        """Probability that the whole interval over ``seeds`` seeds lies within bounds (at least, if ``between``)."""
        one = power_of_mean(self.distance, self.spread, seeds)
        return max(2 * one - 1, 0.0) if self.between else one


def bought(seeds: int, expected: Sequence[Expected], source: str) -> str:
    """A sentence with the power of each expected number; ``source``: where the spreads over seeds are known from."""
    numbers = []
    for each in expected:
        spread = f"{each.distance:.2g} from its bound, spread over seeds {each.spread:.2g}"
        numbers.append(f"{each.name} {_rounded(each.power(seeds))} ({spread})")
    listed = "; ".join(numbers)
    return f"{seeds} seeds. Probability that each number is shown, if it is as predicted: {listed}. {source}"


def _rounded(power: float) -> str:
    return "above 0.99" if power > 0.99 else f"{power:.2f}"


def judged(
    predictions: Sequence[Prediction],
    *,
    controls: Sequence[Prediction] = (),
    blind: str = "",
    failed: Sequence[str] = (),
) -> tuple[Conclusion, str]:
    """The verdict by ``predictions``, and why: a sentence that counts, and a line for every number with its bounds.

    All ``controls`` must be held, or else the verdict is undetermined; ``blind`` is a sentence that says what one that
    is not held means. ``failed``: pieces of work that failed; any leaves the verdict undetermined.
    """
    outcomes = {prediction.outcome for prediction in predictions}
    behaved = all(control.outcome == "held" for control in controls)
    lines = [f"{number}." for number in predictions] + [f"Control: {number}." for number in controls]
    first = [f"{', '.join(failed)} failed."] if failed else [blind] if not behaved and blind else []
    why = "\n".join([" ".join([*first, _counted(predictions, controls)]), *lines])
    if failed or not behaved or not predictions:
        return "undetermined", why
    if "failed" in outcomes:
        return "refuted", why
    return ("confirmed" if outcomes == {"held"} else "undetermined"), why


def _counted(predictions: Sequence[Prediction], controls: Sequence[Prediction]) -> str:
    """How many numbers came out as predicted, in words."""
    if not predictions:
        return "Nothing was measured."
    count = {outcome: sum(p.outcome == outcome for p in predictions) for outcome in ("held", "failed", "open")}
    numbers = "number" if len(predictions) == 1 else "numbers"
    said = f"{count['held']} of {len(predictions)} {numbers} came out as predicted"
    said += f", {count['failed']} did not" * (count["failed"] > 0)
    said += f", {count['open']} {'is' if count['open'] == 1 else 'are'} left open by the seeds" * (count["open"] > 0)
    held = sum(control.outcome == "held" for control in controls)
    return f"{said}; {held} of {len(controls)} controls behaved." if controls else f"{said}."


def together(parts: Mapping[str, tuple[Conclusion, str]]) -> tuple[Conclusion, str]:
    """The verdict on several predictions that were judged apart: refuted if any is, confirmed if all are.

    ``parts``: name of each -> its verdict and why; the lines name the verdict of each.
    """
    verdicts = {verdict for verdict, _ in parts.values()}
    why = "\n".join(f"{name[0].upper()}{name[1:]}: {verdict}. {text}" for name, (verdict, text) in parts.items())
    if "refuted" in verdicts:
        return "refuted", why
    return ("confirmed" if verdicts == {"confirmed"} else "undetermined"), why


def judged_each(
    predictions: Mapping[str, Sequence[Prediction]], controls: Sequence[Prediction], *, failed: Sequence[str] = ()
) -> tuple[Conclusion, str]:
    """Predictions judged apart, by name, and all of them together, beside the same ``controls``.

    A control that is not held, or a piece of work that failed, leaves everything undetermined.
    """
    if failed or any(control.outcome != "held" for control in controls):
        every = [each for part in predictions.values() for each in part]
        return judged(every, controls=controls, blind="A control is not as it must be.", failed=failed)
    verdict, why = together({name: judged(part) for name, part in predictions.items()})
    return verdict, "\n".join([why, *(f"Control: {control}." for control in controls)])
