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

from imprint.reports.parts import Table
from imprint.reports.reading.run import RunData
from imprint.reports.reading.tables import last_age, records
from imprint.reports.sections.base import Section
from imprint.reports.words import measured, percent, points, quoted

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
        rule = run.setup.get("decision")
        if not isinstance(rule, dict) or not all(measured(rule.get(key)) for key in RULE):
            return {
                "missing": ["The setup holds no decision rule, so no margin can be stated."],
                "sentences": [],
                "rule": {},
            }
        rule = {key: float(rule[key]) for key in RULE}
        every = last_age(run.pooled("latch", "share")).drop_duplicates("concept", keep="last")
        shares = every[every["concept"].isin([run.intended, *run.proxies])]
        still = unmoved(run)
        shares = shares.assign(carries=(shares["low"] > rule["carries"]) & ~shares["concept"].isin(still))
        shown = {key: percent(value) for key, value in rule.items()}
        if shares.empty:
            return {"missing": ["No shares were measured, so no margin can be stated."], "sentences": [], "rule": shown}
        rows = [*carrying(shares, rule, still, run.intended), *dominance(shares, rule), *nothing(shares, every, rule)]
        table = (
            pd.DataFrame(rows).sort_values("margin", key=lambda m: m.abs(), na_position="last").reset_index(drop=True)
        )
        formats = {
            "value": percent,
            "threshold": percent,
            "margin": lambda m: points(m) if measured(m) else "not measured",
        }
        tables = [Table("margins-thresholds", "Distance to every threshold", table.drop(columns="sentence"), formats)]
        return {"tables": tables, "sentences": [*table["sentence"], *agreement(run)], "rule": shown, "missing": []}


def unmoved(run: RunData) -> list[str]:
    """Concepts whose counterfactual effect was measured and may be 0."""
    rows = last_age(run.pooled("latch", "effect")).dropna(subset=["low", "high"])
    return [str(row.concept) for row in records(rows) if row.low <= 0 <= row.high]


def _row(test: str, value: float, threshold: float, sentence: str) -> dict[str, Any]:
    return {"test": test, "value": value, "threshold": threshold, "margin": value - threshold, "sentence": sentence}


def judged(carried: Mapping[str, float], rule: Mapping[str, float], intended: str) -> str:
    """The verdict when the given concepts carry the given shares."""
    if not carried or sum(carried.values()) <= 0:
        return "none or undetermined"
    top = max(carried, key=lambda name: carried[name])
    if carried[top] < rule["dominates"] * sum(carried.values()):
        return "mixed"
    return "intended" if top == intended else f"proxy:{top}"


def carrying(shares: pd.DataFrame, rule: dict[str, float], still: list[str], intended: str) -> list[dict[str, Any]]:
    """Per concept: the lower end of its share against ``carries``, and the verdict on the other side of it."""
    carried = {str(r.concept): float(r.estimate) for r in records(shares) if r.carries}
    rows, threshold = [], rule["carries"]
    for row in records(shares):
        low = float(row.low) if measured(row.low) else float("nan")
        head, end = f"“{row.concept}”", f"if the lower end of its interval, {percent(low)},"
        others = {name: share for name, share in carried.items() if name != row.concept}
        beyond = others if row.concept in carried else others | {str(row.concept): float(row.estimate)}
        then = f"and the verdict would {_turn(judged(carried, rule, intended), judged(beyond, rule, intended))}"
        if not measured(low):
            text = f"{head}: its interval was not measured, so whether it carries value is open."
        elif low > threshold and row.concept in still:
            text = (
                f"{head} has a large enough share, but changing it alone may not move the value, so it does not carry."
            )
        elif low > threshold:
            text = f"{head} carries value. It would stop carrying {end} fell by {points(low - threshold)}, {then}."
        else:
            text = f"{head} does not carry value. It would carry {end} rose by {points(low - threshold)}, {then}."
        rows.append(_row(f"{row.concept} carries", low, threshold, text))
    return rows


def _turn(now: str, then: str) -> str:
    return f"stay “{now}”" if now == then else f"become “{then}”"


def dominance(shares: pd.DataFrame, rule: dict[str, float]) -> list[dict[str, Any]]:
    """The leader's part of all carried shares against ``dominates``; no row unless several carry."""
    carried = shares[shares["carries"]].set_index("concept")["estimate"].dropna()
    if len(carried) < 2 or carried.sum() <= 0:
        return []
    leader, part = str(carried.idxmax()), float(carried.max() / carried.sum())
    turn = "become mixed if that part fell" if part >= rule["dominates"] else "cease to be mixed if that part rose"
    away = f"by {points(part - rule['dominates'])}, across {percent(rule['dominates'])}"
    text = f"“{leader}” holds {percent(part)} of all carried shares. The verdict would {turn} {away}."
    return [_row(f"{leader} dominates", part, rule["dominates"], text)]


def nothing(shares: pd.DataFrame, every: pd.DataFrame, rule: dict[str, float]) -> list[dict[str, Any]]:
    """All upper ends together against ``none_below``; only when nothing carries."""
    if shares["carries"].any():
        return []
    ends = pd.concat([shares["high"], every.loc[every["concept"] == "(interaction)", "high"]])
    top = float(ends.clip(lower=0).sum(skipna=False))
    margin = top - rule["none_below"]
    together = f"the upper ends together make {percent(top)}"
    if not measured(margin):
        text = "No concept carries value, and an interval was not measured, so nothing can be ruled out."
    elif margin < 0:
        text = f"No concept carries value, and {together}; {points(margin)} more would make the verdict undetermined."
    else:
        text = f"No concept carries value, yet {together}; a fall by {points(margin)} would make the verdict none."
    return [_row("nothing is latched", top, rule["none_below"], text)]


def agreement(run: RunData) -> list[str]:
    """Whether the training seeds, each judged alone, agree."""
    words = last_age(run.per_seed("latch", "latch"))["verdict"]
    tally = words[words != ""].value_counts()
    if tally.empty:
        return ["Single training seeds were not judged, so their agreement is not known."]
    if len(tally) == 1:
        return [f"Judged one by one, all {int(tally.iloc[0])} training seeds say {quoted([str(tally.index[0])])}."]
    said = ", ".join(f"{count} say “{word}”" for word, count in tally.items())
    return [f"Judged one by one, the training seeds disagree: {said}."]
