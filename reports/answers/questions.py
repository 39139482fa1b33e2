"""The answer to a question: what each verdict means, and its predictions as lines of one figure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

import pandas as pd

from imprint.analyses.predictions import Prediction
from imprint.reports.words import bracketed, capitalised, listing, measured, number, plural, probability

MEANINGS = {
    "confirmed": "by the decision rule, which was fixed beforehand, the prediction held",
    "refuted": "by the decision rule, which was fixed beforehand, the prediction failed",
    "undetermined": "the evidence does not suffice for the decision rule to say either",
}
SIGNS = {"held": "✓", "failed": "✗", "open": "?"}
"""Outcome of a prediction -> its sign."""
WIDE, REACH = 200.0, 88.0
"""Width of a line of the figure, and how far from its middle anything is drawn, in its own units."""


@dataclass(frozen=True)
class Line:
    """One prediction or control of the figure. Each line has a scale of its own, with its bound in the middle."""

    outcome: str
    sign: str
    name: str
    found: str
    """Estimate with its interval."""
    bound: str
    """In words, with the power that was bought."""
    marks: tuple[float, ...]
    """Where the bounds stand, from 0 to :data:`WIDE`."""
    inside: tuple[float, float]
    """Left end and width of what lies inside the bounds."""
    interval: tuple[float, float] | None
    """None where nothing was measured."""
    at: float | None


@dataclass(frozen=True)
class Lines:
    """Lines under one heading."""

    heading: str
    lines: list[Line]


def figure_of(predictions: Sequence[Prediction]) -> list[Lines]:
    """The figure: predictions by their parts, then the controls; empty without predictions."""
    own, controls = ([p for p in predictions if p.control is control] for control in (False, True))
    parts = [(part, list(members)) for part, members in groupby(own, key=lambda p: p.part)]
    lines = [Lines(capitalised(part) or "Predictions", [line_of(p) for p in members]) for part, members in parts]
    heading = "Controls: unless all are held, nothing is decided"
    return lines + ([Lines(heading, [line_of(p) for p in controls])] if controls else [])


def line_of(prediction: Prediction) -> Line:
    """A prediction as a line of the figure; an end that would print like a bound beside it has more digits."""
    found, bounds = prediction.measured, [b for b in (prediction.least, prediction.most) if measured(b)]
    middle = sum(bounds) / max(len(bounds), 1)
    ends = [*(v for v in (found.value, found.low, found.high) if measured(v)), *bounds]
    far = max((abs(v - middle) for v in ends), default=0.0) or abs(middle) or 1.0
    if len(bounds) == 2:
        far = max(far, 1.6 * abs(bounds[1] - middle))

    def place(value: float) -> float:
        return round(WIDE / 2 + REACH * (value - middle) / far, 2)

    def told_apart(value: float) -> str:
        for bound in bounds:
            if value != bound and number(value) == number(bound):
                texts = ((f"{value:.{digits}g}", f"{bound:.{digits}g}") for digits in range(3, 18))
                return next(text for text, other in texts if text != other).replace("-", "\u2212")
        return number(value)

    left = place(prediction.least) if measured(prediction.least) else 0.0
    right = place(prediction.most) if measured(prediction.most) else WIDE
    power = f"; power {probability(prediction.power)}" if measured(prediction.power) else ""
    known = measured(found.low) and measured(found.high)
    return Line(
        prediction.outcome,
        SIGNS[prediction.outcome],
        prediction.name,
        bracketed(found.value, found.low, found.high, told_apart),
        f"predicted {prediction.bounds}{power}",
        tuple(place(bound) for bound in bounds),
        (left, round(right - left, 2)),
        (place(found.low), round(place(found.high) - place(found.low), 2)) if known else None,
        place(found.value) if measured(found.value) else None,
    )


def counted(predictions: Iterable[Prediction]) -> str:
    """How many came out how, in a sentence."""
    every = list(predictions)
    own, controls = ([p.outcome for p in every if p.control is control] for control in (False, True))
    words = {"held": "held", "failed": "failed", "open": "left open by the seeds"}
    said = listing(f"{own.count(key)} {text}" for key, text in words.items() if key in own)
    behaved = f"; {controls.count('held')} of {plural(len(controls), 'control')} held" if controls else ""
    return f"Of {plural(len(own), 'prediction')}, {said}{behaved}." if own else ""


def rule_of(predictions: Iterable[Prediction]) -> pd.DataFrame:
    """The decision rule as a table: what must lie where, and with what power that was to be seen."""
    return pd.DataFrame(
        {
            "number": each.label,
            "role": "control" if each.control else "decides",
            "must be": each.bounds,
            "power": probability(each.power) if measured(each.power) else "not stated",
        }
        for each in predictions
    )


def came_out(predictions: Iterable[Prediction]) -> pd.DataFrame:
    """The predictions with what was measured, for the download; a bound that there is none of is no missing number."""
    every = list(predictions)
    rule = rule_of(every)
    found = [{"outcome": p.outcome, **p.measured.row(count="n")} for p in every]
    return pd.concat([rule[["number", "role"]], pd.DataFrame(found), rule[["must be", "power"]]], axis=1)


def sentences(text: str) -> list[str]:
    """A paragraph cut after its sentences."""
    return [part.strip() for part in re.split(r"(?<=[.;])\s+(?=[A-Z])", text) if part.strip()]
