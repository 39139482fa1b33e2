"""What would change the verdict: how far each number stands from the threshold of the rule that was stored beforehand.

The rule: a concept *carries* value when the lower end of its share's interval lies above ``carries``. Some concept carries,
and one holds at least ``dominates`` of all carried shares: it is the target; none holds that much: mixed. No concept
carries and all upper ends together stay below ``none_below``: none. Otherwise undetermined.
"""

from __future__ import annotations

from typing import Any, ClassVar

import pandas as pd

from imprint.reports.run_data import RunData, last_age
from imprint.reports.sections.base import Section, Table
from imprint.reports.words import measured, percent, points, quoted

RULE = ("carries", "dominates", "none_below")


class Margins(Section):
    """Distances to the thresholds, nearest first."""

    order: ClassVar[int] = 80
    title: ClassVar[str] = "What would change the verdict"
    short: ClassVar[str] = "Margins"

    def collect(self, run: RunData) -> dict[str, Any]:
        rule = run.setup.get("decision")
        if not isinstance(rule, dict) or not all(measured(rule.get(key)) for key in RULE):
            return {"missing": ["The setup holds no decision rule, so no margin can be stated."], "sentences": [], "rule": {}}
        rule = {key: float(rule[key]) for key in RULE}
        shares = last_age(run.pooled("latch", "share")).drop_duplicates("concept", keep="last")
        shares = shares[shares["concept"].isin([run.intended, *run.proxies])]
        shown = {key: percent(value) for key, value in rule.items()}
        if shares.empty:
            return {"missing": ["No shares were measured, so no margin can be stated."], "sentences": [], "rule": shown}
        rows = [*carrying(shares, rule["carries"]), *dominance(shares, rule), *nothing(shares, rule)]
        table = pd.DataFrame(rows).sort_values("margin", key=lambda m: m.abs(), na_position="last").reset_index(drop=True)
        formats = {"value": percent, "threshold": percent, "margin": lambda m: points(m) if measured(m) else "not measured"}
        tables = [Table("margins-thresholds", "Distance to every threshold", table.drop(columns="sentence"), formats)]
        return {"tables": tables, "sentences": [*table["sentence"], *agreement(run)], "rule": shown, "missing": []}


def carrying(shares: pd.DataFrame, threshold: float) -> list[dict[str, Any]]:
    """Per concept: the lower end of its share against ``carries``."""
    rows = []
    for row in shares.itertuples():
        margin = row.low - threshold if measured(row.low) else float("nan")
        head = f"“{row.concept}”"
        if not measured(margin):
            text = f"{head}: its interval was not measured, so whether it carries value is open."
        elif margin > 0:
            text = f"{head} carries value. It would stop carrying if the lower end of its interval, {percent(row.low)}, fell by {points(margin)}."
        else:
            text = f"{head} does not carry value. It would start carrying if the lower end of its interval, {percent(row.low)}, rose by {points(margin)}."
        rows.append({"test": f"{row.concept} carries", "value": row.low, "threshold": threshold, "margin": margin, "sentence": text})
    return rows


def dominance(shares: pd.DataFrame, rule: dict[str, float]) -> list[dict[str, Any]]:
    """The leader's part of all carried shares against ``dominates``; no row when nothing carries."""
    carried = shares[shares["low"] > rule["carries"]].set_index("concept")["estimate"].dropna()
    if carried.empty or carried.sum() <= 0:
        return []
    leader, part = str(carried.idxmax()), float(carried.max() / carried.sum())
    margin = part - rule["dominates"]
    others = float(carried.sum() - carried.max())
    alone = " It is the only one that carries." if len(carried) == 1 else f" The others that carry hold {percent(others)} of the variance."
    turn = "would become mixed if that part fell" if margin >= 0 else "would cease to be mixed if that part rose"
    text = f"“{leader}” holds {percent(part)} of all carried shares.{alone} The verdict {turn} by {points(margin)}, across {percent(rule['dominates'])}."
    return [{"test": f"{leader} dominates", "value": part, "threshold": rule["dominates"], "margin": margin, "sentence": text}]


def nothing(shares: pd.DataFrame, rule: dict[str, float]) -> list[dict[str, Any]]:
    """All upper ends together against ``none_below``; only when nothing carries."""
    if (shares["low"] > rule["carries"]).any():
        return []
    top = float(shares["high"].clip(lower=0).sum(min_count=len(shares)))
    margin = top - rule["none_below"]
    if not measured(margin):
        text = "No concept carries value, and an interval was not measured, so nothing can be ruled out."
    elif margin < 0:
        text = f"No concept carries value. The upper ends together make {percent(top)}; {points(margin)} more and the verdict would be undetermined."
    else:
        text = f"No concept carries value, yet the upper ends together make {percent(top)}; they would have to fall by {points(margin)} to say that nothing is latched."
    return [{"test": "nothing is latched", "value": top, "threshold": rule["none_below"], "margin": margin, "sentence": text}]


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
