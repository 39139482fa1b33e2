"""What would change the verdict: how far each number stands from the threshold of the rule that was stored beforehand.

The rule: a concept *carries* value when the lower end of its share's interval lies above ``carries`` and the interval
of its counterfactual effect, where measured, excludes 0. Some concept carries, and one holds at least ``dominates`` of
all carried shares: it is the target; none holds that much: mixed. No concept carries and all upper ends together, that
of the interaction included, stay below ``none_below``: none. Otherwise undetermined.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import pandas as pd

from imprint.analyses.verdicts import MIXED, word
from imprint.reports.parts import Table
from imprint.reports.reading.run import RunData
from imprint.reports.reading.tables import last_age, records
from imprint.reports.sections.base import Section
from imprint.reports.words import measured, percent, points

RULE = ("carries", "dominates", "none_below")


class Margins(Section):
    """Distances to the thresholds, nearest first."""

    order: ClassVar[int] = 80
    title: ClassVar[str] = "What would change the verdict"
    short: ClassVar[str] = "Margins"

    def collect(self, run: RunData) -> dict[str, Any] | None:
        """Sentences and a table of distances."""
        if run.agents:
            return None
        rule: dict[str, Any] = {key: run.part("decision").get(key) for key in RULE}
        empty: dict[str, Any] = {"sentences": [], "rule": {}}
        if not all(measured(threshold) for threshold in rule.values()):
            return empty | {"missing": ["The setup holds no decision rule, so no margin can be stated."]}
        shown = {key: percent(value) for key, value in rule.items()}
        every = last_age(run.pooled("latch", "share"))
        shares = every[every["concept"].isin(list(run.goals))]
        if shares.empty:
            return empty | {"missing": ["No shares were measured, so no margin can be stated."], "rule": shown}
        still = unmoved(run)
        shares = shares.assign(carries=(shares["low"] > rule["carries"]) & ~shares["concept"].isin(still))
        rows = [*carrying(run, shares, still), *dominance(shares, rule["dominates"])]
        rows += nothing(shares, every, rule["none_below"])
        table = pd.DataFrame(rows).sort_values("margin", key=abs, na_position="last").reset_index(drop=True)
        formats = {"value": percent, "threshold": percent, "margin": points}
        distances = Table("margins-thresholds", "Distance to every threshold", table.drop(columns="sentence"), formats)
        return {"tables": [distances], "sentences": list(table["sentence"]), "rule": shown}


def unmoved(run: RunData) -> set[str]:
    """Concepts whose counterfactual effect was measured and may be 0."""
    rows = last_age(run.pooled("latch", "effect")).dropna(subset=["low", "high"])
    return {str(row.concept) for row in records(rows) if row.low <= 0 <= row.high}


def _row(test: str, value: float, threshold: float, sentence: str) -> dict[str, Any]:
    return {"test": test, "value": value, "threshold": threshold, "margin": value - threshold, "sentence": sentence}


def judged(run: RunData, carried: Mapping[str, float]) -> str:
    """The verdict when the given concepts carry the given shares."""
    if not carried or sum(carried.values()) <= 0:
        return "none or undetermined"
    top = max(carried, key=lambda name: carried[name])
    dominates = carried[top] >= run.part("decision")["dominates"] * sum(carried.values())
    return word(top, run.intended) if dominates else MIXED


def carrying(run: RunData, shares: pd.DataFrame, still: set[str]) -> list[dict[str, Any]]:
    """Per concept: the lower end of its share against ``carries``, and the verdict on the other side of it."""
    carried = {str(r.concept): float(r.estimate) for r in records(shares) if r.carries}
    rows, threshold = [], float(run.part("decision")["carries"])
    for row in records(shares):
        name, low = f"“{row.concept}”", float(row.low) if measured(row.low) else float("nan")
        others = {concept: share for concept, share in carried.items() if concept != row.concept}
        beyond = others if row.concept in carried else others | {str(row.concept): float(row.estimate)}
        now, then = judged(run, carried), judged(run, beyond)
        end, distance = f"if the lower end of its interval, {percent(low)},", points(low - threshold)
        turn = f"and the verdict would {'stay' if now == then else 'become'} “{then}”"
        if not measured(low):
            text = f"{name}: its interval was not measured, so whether it carries value is open."
        elif low > threshold and row.concept in still:
            text = f"{name} has a large enough share, but changing it alone may not move the value: it does not carry."
        elif low > threshold:
            text = f"{name} carries value. It would stop carrying {end} fell by {distance}, {turn}."
        else:
            text = f"{name} does not carry value. It would carry {end} rose by {distance}, {turn}."
        rows.append(_row(f"{row.concept} carries", low, threshold, text))
    return rows


def dominance(shares: pd.DataFrame, threshold: float) -> list[dict[str, Any]]:
    """The leader's part of all carried shares against ``dominates``; no row unless several carry."""
    carried = shares[shares["carries"]].set_index("concept")["estimate"].dropna()
    if len(carried) < 2 or carried.sum() <= 0:
        return []
    leader, part = str(carried.idxmax()), float(carried.max() / carried.sum())
    turn = "become mixed if that part fell" if part >= threshold else "cease to be mixed if that part rose"
    away = f"by {points(part - threshold)}, across {percent(threshold)}"
    text = f"“{leader}” holds {percent(part)} of all carried shares. The verdict would {turn} {away}."
    return [_row(f"{leader} dominates", part, threshold, text)]


def nothing(shares: pd.DataFrame, every: pd.DataFrame, threshold: float) -> list[dict[str, Any]]:
    """All upper ends together against ``none_below``; only when nothing carries."""
    if shares["carries"].any():
        return []
    ends = pd.concat([shares["high"], every.loc[every["concept"] == "(interaction)", "high"]])
    top = float(ends.clip(lower=0).sum(skipna=False))
    together, margin = f"the upper ends together make {percent(top)}", points(top - threshold)
    if not measured(top):
        text = "No concept carries value, and an interval was not measured, so nothing can be ruled out."
    elif top < threshold:
        text = f"No concept carries value, and {together}; {margin} more would make the verdict undetermined."
    else:
        text = f"No concept carries value, yet {together}; a fall by {margin} would make the verdict none."
    return [_row("nothing is latched", top, threshold, text)]
