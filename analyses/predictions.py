"""Predictions: numbers with intervals over training seeds, compared with bounds that were written down beforehand.

    held    the whole interval lies inside the bounds
    failed  the whole interval lies outside
    open    neither: the seeds do not settle it

All held: confirmed. Any failed: refuted. Otherwise undetermined. A number that is missing leaves its prediction open.

Before the run an :class:`Expected` number says how far from its bound it is predicted, and what spread over seeds is
known from earlier runs; :func:`bought` says with what probability the seeds will show it.

A verdict by predictions is a :class:`Judgement`, which keeps them; an answer stores each as :meth:`Prediction.stored`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypedDict

import numpy as np

from imprint.analyses.statistics import Estimate, power_of_mean
from imprint.analyses.verdicts import Conclusion


class Bounds(TypedDict, total=False):
    """Bounds of a :class:`Prediction`, as keywords."""

    least: float
    most: float


@dataclass(frozen=True)
class Prediction:
    """One number and the bounds between which it was predicted to lie."""

    name: str
    measured: Estimate
    least: float = -np.inf
    most: float = np.inf
    part: str = ""
    """Which of several predictions that are judged apart this number belongs to."""
    control: bool = False
    """Whether it is a control, which must be held for anything to be decided."""
    power: float = math.nan
    """Probability, known before the run, that the seeds show it if it is as predicted; NaN where none was said."""

    @property
    def label(self) -> str:
        """The name with that of its part."""
        return f"{self.part}: {self.name}" if self.part else self.name

    @property
    def outcome(self) -> Literal["held", "failed", "open"]:
        """See the module docstring."""
        low, high = self.measured.low, self.measured.high
        if self.least <= low and high <= self.most:
            return "held"
        return "failed" if high < self.least or low > self.most else "open"

    @property
    def bounds(self) -> str:
        """The bounds in words."""
        bounds = [f"at least {self.least:.3g}"] if np.isfinite(self.least) else []
        bounds += [f"at most {self.most:.3g}"] if np.isfinite(self.most) else []
        return " and ".join(bounds)

    def row(self) -> dict[str, Any]:
        """Columns of a row of findings."""
        return {**self.measured.row(), "why": str(self)}

    def stored(self) -> dict[str, Any]:
        """As an answer keeps it: plain values, None where there is no bound or nothing was measured."""
        found = self.measured
        numbers = {"estimate": found.value, "low": found.low, "high": found.high}
        numbers |= {"least": self.least, "most": self.most, "power": self.power}
        plain = {key: float(value) if math.isfinite(value) else None for key, value in numbers.items()}
        about = {"name": self.name, "part": self.part, "control": self.control, "outcome": self.outcome}
        return {**about, **plain, "n": found.n}

    @classmethod
    def restored(cls, kept: Mapping[str, Any]) -> Prediction:
        """What :meth:`stored` gave."""
        value, low, high, power = (_number(kept[key], math.nan) for key in ("estimate", "low", "high", "power"))
        least, most = _number(kept["least"], -math.inf), _number(kept["most"], math.inf)
        found = Estimate(value, low, high, int(kept["n"]))
        return cls(kept["name"], found, least, most, part=kept["part"], control=kept["control"], power=power)

    def __str__(self) -> str:
        return f"{self.name} {self.measured} ({self.bounds}: {self.outcome})"


def _number(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else float(value)


class Judgement(tuple[Conclusion, str]):
    """A verdict and why, as a pair, with the numbers that it rests on."""

    predictions: tuple[Prediction, ...]
    """Controls included."""

    def __new__(cls, verdict: Conclusion, why: str, predictions: Iterable[Prediction] = ()) -> Judgement:
        """The pair ``(verdict, why)``."""
        pair = super().__new__(cls, (verdict, why))
        pair.predictions = tuple(predictions)
        return pair

    def but(self, verdict: Conclusion | None = None, *, why: str) -> Judgement:
        """The same numbers with another reason and, if one is given, another verdict."""
        return Judgement(verdict or self[0], why, self.predictions)


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
    of: str | tuple[str, ...] = ""
    """Name of the :class:`Prediction` that it is about, or its label where parts share a name; empty: ``name``."""

    def power(self, seeds: int) -> float:
        """Probability that the whole interval over ``seeds`` seeds lies within bounds (at least, if ``between``)."""
        one = power_of_mean(self.distance, self.spread, seeds)
        return max(2 * one - 1, 0.0) if self.between else one


@dataclass(frozen=True)
class Bought:
    """What a number of seeds buys."""

    text: str
    """As a card says it."""
    powers: Mapping[str, float]
    """Name or label of a prediction -> its power."""

    def __str__(self) -> str:
        return self.text

    def of(self, prediction: Prediction) -> Prediction:
        """The prediction with its power."""
        power = self.powers.get(prediction.label, self.powers.get(prediction.name, math.nan))
        return replace(prediction, power=power)


def bought(seeds: int, expected: Sequence[Expected], source: str) -> Bought:
    """The power of each expected number; ``source``: where the spreads over seeds are known from."""
    numbers = []
    for each in expected:
        spread = f"{each.distance:.2g} from its bound, spread over seeds {each.spread:.2g}"
        numbers.append(f"{each.name} {_rounded(each.power(seeds))} ({spread})")
    listed = "; ".join(numbers)
    text = f"{seeds} seeds. Probability that each number is shown, if it is as predicted: {listed}. {source}"
    about = {each: (each.of or each.name,) if isinstance(each.of, str) else each.of for each in expected}
    return Bought(text, {name: each.power(seeds) for each, names in about.items() for name in names})


def _rounded(power: float) -> str:
    return "above 0.99" if power > 0.99 else f"{power:.2f}"


def judged(
    predictions: Sequence[Prediction],
    *,
    controls: Sequence[Prediction] = (),
    blind: str = "",
    failed: Sequence[str] = (),
) -> Judgement:
    """The verdict by ``predictions``, and why: a sentence that counts, and a line for every number with its bounds.

    All ``controls`` must be held, or else the verdict is undetermined; ``blind`` is a sentence that says what one that
    is not held means. ``failed``: pieces of work that failed; any leaves the verdict undetermined.
    """
    outcomes = {prediction.outcome for prediction in predictions}
    behaved = all(control.outcome == "held" for control in controls)
    named = [f"{number.part}: {number}." if number.part else f"{number}." for number in predictions]
    lines = [*named, *(f"Control: {number}." for number in controls)]
    first = [f"{', '.join(failed)} failed."] if failed else [blind] if not behaved and blind else []
    why = "\n".join([" ".join([*first, _counted(predictions, controls)]), *lines])
    every = [*predictions, *(replace(control, control=True) for control in controls)]
    if failed or not behaved or not predictions:
        return Judgement("undetermined", why, every)
    if "failed" in outcomes:
        return Judgement("refuted", why, every)
    return Judgement("confirmed" if outcomes == {"held"} else "undetermined", why, every)


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


def together(parts: Mapping[str, Judgement]) -> Judgement:
    """The verdict on several predictions that were judged apart: refuted if any is, confirmed if all are.

    ``parts``: name of each -> its verdict and why; the lines name the verdict of each.
    """
    verdicts = {verdict for verdict, _ in parts.values()}
    every = [replace(each, part=name) for name, part in parts.items() for each in part.predictions]
    why = "\n".join(f"{name[0].upper()}{name[1:]}: {verdict}. {text}" for name, (verdict, text) in parts.items())
    if "refuted" in verdicts:
        return Judgement("refuted", why, every)
    return Judgement("confirmed" if verdicts == {"confirmed"} else "undetermined", why, every)


def judged_each(
    predictions: Mapping[str, Sequence[Prediction]], controls: Sequence[Prediction], *, failed: Sequence[str] = ()
) -> Judgement:
    """Predictions judged apart, by name, and all of them together, beside the same ``controls``.

    A control that is not held, or a piece of work that failed, leaves everything undetermined.
    """
    if failed or any(control.outcome != "held" for control in controls):
        every = [replace(each, part=name) for name, part in predictions.items() for each in part]
        return judged(every, controls=controls, blind="A control is not as it must be.", failed=failed)
    found = together({name: judged(part) for name, part in predictions.items()})
    why = "\n".join([found[1], *(f"Control: {control}." for control in controls)])
    return Judgement(found[0], why, [*found.predictions, *(replace(control, control=True) for control in controls)])
