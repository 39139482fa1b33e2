"""Tables and charts of the question homeostat."""

from __future__ import annotations

from typing import Any

import pandas as pd

from imprint.analyses.questions.base import Exhibit, chart_over_seeds, exhibit_of_seeds
from imprint.analyses.questions.homeostat.measure import ARMS, NEEDS, RELEARNED

OVER = "Mean and 95 % interval over seeds, each with cues of its own."
HARDCODED = {"a set point for each need": len(NEEDS), "a weight for each need": len(NEEDS), "exponent, root, intake": 3}
"""What the steering side is told, and how many numbers that is."""
WORD = 8
"""Bits of each of these numbers, generously."""


def exhibits(means: pd.DataFrame, table: pd.DataFrame) -> list[Exhibit]:
    """All tables of the answer; ``means``: over seeds, ``table``: of every seed."""
    return [_salt(means), _right(means), _again(means), _bits(means), exhibit_of_seeds(table[table["met"] == 0])]


def _of(means: pd.DataFrame, *measures: str) -> pd.DataFrame:
    order = {arm: i for i, arm in enumerate(ARMS)}
    rows = means[means["measure"].isin(measures)].sort_values("arm", key=lambda arm: arm.map(order), kind="stable")
    return rows[["arm", "measure", "value", "low", "high", "seeds"]].reset_index(drop=True)


def _salt(means: pd.DataFrame) -> Exhibit:
    frame = _of(means, "salt, sated", "salt, deprived")
    at = frame.set_index(["arm", "measure"])["value"]
    reading = (
        f"With salt missing for the first time the cue of salt is chosen in {at['scorecard', 'salt, deprived']:.2f} "
    )
    reading += f"by the scorecard ({at['scorecard', 'salt, sated']:.2f} the day before), in "
    reading += f"{at['cached', 'salt, deprived']:.2f} by a cached value and in {at['informed', 'salt, deprived']:.2f} "
    reading += "by one that is told the needs."
    titles = ("who values the cues", "part of the choices that are of salt")
    chart = chart_over_seeds("points", "arm", "value", titles, colour="measure", reference=0.25)
    caption = f"Four cues to choose from, so that a blind choice has .25. Nothing is learned in between. {OVER}"
    return Exhibit("salt", "Salt, on the first day without it", frame, reading, caption, chart)


def _right(means: pd.DataFrame) -> Exhibit:
    frame = _of(means, "right", "right, as in youth")
    at = frame.set_index(["arm", "measure"])["value"]
    reading = (
        f"The scorecard is right in {at['scorecard', 'right']:.2f} of the choices under any needs; the value that "
    )
    reading += (
        f"is told the needs is in {at['informed', 'right, as in youth']:.2f} as long as salt is not missing, and "
    )
    reading += f"in {at['informed', 'right']:.2f} when it can be."
    titles = ("who values the cues", "part of the choices with the largest relief")
    chart = chart_over_seeds("points", "arm", "value", titles, colour="measure", reference=0.25)
    caption = f"Deficits of food, water and salt drawn from 0 to 1 for every choice; as in youth: salt never. {OVER}"
    return Exhibit("needs", "Any mixture of needs", frame, reading, caption, chart)


def _again(means: pd.DataFrame) -> Exhibit:
    rows = means[means["measure"] == "salt, met again"].sort_values("met")
    frame = rows[["met", "value", "low", "high", "seeds"]].reset_index(drop=True)
    half = frame[frame["value"] >= 0.5]["met"]
    after = int(half.iloc[0]) if len(half) else None
    met = f"not within {RELEARNED[-1]} meetings" if after is None else f"after {after} meeting{'s' * (after != 1)}"
    reading = f"The cached value takes salt in half of the choices {met} with each cue under the new need."
    titles = ("meetings with each cue under the new need", "part of the choices that are of salt")
    chart = chart_over_seeds("lines", "met", "value", titles, reference=0.25)
    return Exhibit("again", "What a cached value needs: to meet it again", frame, reading, OVER, chart)


def _bits(means: pd.DataFrame) -> Exhibit:
    learned = means[means["measure"] == "bits"].iloc[0]
    rows: list[dict[str, Any]] = [{"what": f"told: {what}", "bits": count * WORD} for what, count in HARDCODED.items()]
    hardcoded = sum(row["bits"] for row in rows)
    rows.append({"what": "learned: network and columns", "bits": round(learned["value"])})
    reading = f"Hardcoded are {hardcoded} bits, learned {learned['value']:,.0f} [{learned['low']:,.0f}, "
    reading += f"{learned['high']:,.0f}]."
    caption = f"Hardcoded: {WORD} bits a number. Learned: the fewest bits a weight with which .95 of the right choices "
    caption += "stay, times the weights; an upper bound, since nothing was trained to be short."
    return Exhibit("bits", "How much is told, and how much is learned", pd.DataFrame(rows), reading, caption)
