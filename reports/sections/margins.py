"""What would change the verdict: how far each number stands from the threshold of the rule that was stored beforehand.

The rule is that of :mod:`imprint.analyses.latch.decision`, second edition. Runs of the first have no margins here.
"""

from __future__ import annotations

from typing import Any, ClassVar

import pandas as pd

from imprint.reports.parts import Table
from imprint.reports.reading.run import RunData
from imprint.reports.reading.tables import largest, last_age, records
from imprint.reports.sections.base import Section
from imprint.reports.words import measured, number, percent, points, probability

RULE = ("carries", "least_effect", "dominates", "none_below", "negligible", "certain")


class Margins(Section):
    """Distances to the thresholds, nearest first."""

    order: ClassVar[int] = 80
    title: ClassVar[str] = "What would change the verdict"

    def collect(self, run: RunData) -> dict[str, Any] | None:
        """Sentences and a table of distances."""
        if run.agents:
            return None
        rule: dict[str, Any] = {key: run.part("decision").get(key) for key in RULE}
        empty: dict[str, Any] = {"sentences": [], "rule": {}}
        if not all(measured(threshold) for threshold in rule.values()):
            return empty | {
                "missing": ["The setup holds no decision rule of the second edition, so no margin is stated."]
            }
        shown = {key: percent(value) for key, value in rule.items()} | {"least_effect": number(rule["least_effect"])}
        rows = [
            *dominance(run, float(rule["dominates"])),
            *carrying(run, rule),
            *proxies(run, float(rule["negligible"])),
        ]
        if not rows:
            return empty | {"missing": ["No shares were measured, so no margin can be stated."], "rule": shown}
        table = pd.DataFrame(rows).sort_values("margin", key=abs, na_position="last").reset_index(drop=True)
        formats = dict.fromkeys(("value", "low", "high", "threshold"), percent) | {"margin": points}
        distances = Table("margins-thresholds", "Distance to every threshold", table.drop(columns="sentence"), formats)
        sentences = list(table["sentence"])
        return {"tables": [distances], "sentences": sentences, "gist": sentences[0], "rule": shown}


def _row(test: str, found: Any, threshold: float, sentence: str) -> dict[str, Any]:
    value, low, high = (float(found.estimate), float(found.low), float(found.high))
    margin = value - threshold
    return {
        **{"test": test, "value": value, "low": low, "high": high},
        **{"threshold": threshold, "margin": margin, "sentence": sentence},
    }


def _where(low: float, high: float, threshold: float) -> str:
    """Where a threshold lies, and what that means for the answer."""
    if not (measured(low) and measured(high)):
        return "it has no interval, so the side is not known"
    if low <= threshold <= high:
        return "the threshold lies inside its interval, so the side is open"
    return f"its interval lies {'above' if low > threshold else 'below'} the threshold"


def dominance(run: RunData, threshold: float) -> list[dict[str, Any]]:
    """The leader's part of the variance that these concepts explain against ``dominates``."""
    rows = last_age(run.pooled("latch", "dominance")).dropna(subset=["estimate"])
    named = rows[~rows["concept"].str.startswith("(")]
    if named.empty or not (named["estimate"] > 0).any():
        return []
    top = largest(named)
    part, away = percent(top["estimate"]), points(top["estimate"] - threshold)
    above = top["estimate"] >= threshold
    turn = (
        "A lower part would make it one of several targets" if above else "A higher part would make it the only target"
    )
    text = (
        f"“{top['concept']}” holds {part} of the variance that these concepts explain, {away} "
        f"{'above' if above else 'below'} {percent(threshold)}: {_where(top['low'], top['high'], threshold)}. {turn}."
    )
    return [_row(f"{top['concept']} dominates", top, threshold, text)]


def carrying(run: RunData, rule: dict[str, Any]) -> list[dict[str, Any]]:
    """Per concept: its share against ``carries`` or what untrained twins reach, its effect, and whether it counts."""
    shares = last_age(run.pooled("latch", "share"))
    bounds = {row.concept: row.high for row in records(last_age(run.pooled("latch", "untrained_share")))}
    effects = {row.concept: row for row in records(last_age(run.pooled("latch", "effect")))}
    chances = {row.concept: row.estimate for row in records(last_age(run.pooled("latch", "carries")))}
    rows = []
    for row in records(shares[shares["concept"].isin(list(run.goals))].dropna(subset=["estimate"])):
        bound = bounds.get(row.concept, float("nan"))
        floor = measured(bound) and float(bound) > rule["carries"]
        threshold = float(bound) if floor else float(rule["carries"])
        effect = effects.get(row.concept)
        moved = "; no effect was measured"
        if effect is not None and measured(effect.estimate):
            enough = "beyond" if abs(effect.estimate) >= rule["least_effect"] else "short of"
            moved = (
                f"; changing it alone moves the value by {number(effect.estimate)} standard deviations, {enough} the "
                f"{number(rule['least_effect'])} asked for"
            )
        text = (
            f"“{row.concept}” counts with probability {probability(chances.get(row.concept))}: it holds "
            f"{percent(row.estimate)} of the variance, {points(row.estimate - threshold)} "
            f"{'above' if row.estimate >= threshold else 'below'} {percent(threshold)}"
            f"{', which untrained networks reach' if floor else ''}{moved}."
        )
        rows.append(_row(f"{row.concept} carries", row, threshold, text))
    return rows


def proxies(run: RunData, threshold: float) -> list[dict[str, Any]]:
    """Per proxy: whether its share is shown to be below ``negligible``."""
    shares = {row.concept: row for row in records(last_age(run.pooled("latch", "share")))}
    rows = []
    for row in records(last_age(run.pooled("latch", "ruled_out"))):
        found = shares.get(row.concept)
        if found is None or not measured(found.estimate):
            continue
        no = "" if row.estimate == 1 else "not "
        text = f"The proxy “{row.concept}” is {no}shown to be negligible, below {percent(threshold)} of the value."
        rows.append(_row(f"{row.concept} is negligible", found, threshold, text))
    return rows
