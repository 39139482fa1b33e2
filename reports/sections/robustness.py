"""How firm the verdict is: would another analysis say the same, and what could a run of this size have shown?"""

from __future__ import annotations

from typing import Any, ClassVar

import pandas as pd

from imprint.reports.figures.series import RATE, Scale, Series, marks
from imprint.reports.parts import Figure, Table
from imprint.reports.reading.run import RunData
from imprint.reports.reading.tables import last_age, records
from imprint.reports.sections.base import Section
from imprint.reports.words import listing, percent

EVERY = "all analyses"


class Robustness(Section):
    """The multiverse of analyses after the run, and the power that was bought before it."""

    order: ClassVar[int] = 82
    title: ClassVar[str] = "How firm the verdict is"

    def collect(self, run: RunData) -> dict[str, Any] | None:
        """Figures and tables of both."""
        choices = last_age(run.pooled("latch", "multiverse"))
        power = run.pooled("latch", "power")
        if choices.empty and power.empty:
            return None
        firm, drawn = choices_figure(run, choices), power_figure(run, power)
        flat = [figure.reading for figure in firm if choices["estimate"].nunique() == 1]
        drawn, tables = drawn if flat else [*firm, *drawn], []
        if len(choices):
            shown = choices[["control", "estimate", "n"]].rename(
                columns={"control": "choice", "estimate": "stands in", "n": "analyses"}
            )
            heading = "In what part of the analyses the verdict stands, for each choice"
            tables.append(Table("robustness-choices", heading, shown, {"stands in": percent}))
        if len(power):
            shown = power_table(run, power)
            formats = dict.fromkeys(("right word said", "low", "high", "nothing said", "wrong word said"), percent)
            tables.append(Table("robustness-power", "What simulated runs of this size say", shown, formats))
        sentences = [f"{text} Holding any one choice fixed changes nothing in that." for text in flat]
        return {"figures": drawn, "tables": tables, "sentences": sentences, "gist": " ".join(flat)}


def choices_figure(run: RunData, choices: pd.DataFrame) -> list[Figure]:
    """Where the verdict stands, for each choice."""
    every = choices[choices["control"] == EVERY]
    if every.empty:
        return []
    words = last_age(run.pooled("latch", "multiverse_word"))
    said = listing(f"“{row.verdict}” in {percent(row.estimate)}" for row in records(words))
    total = int(every["n"].iloc[0])
    part = percent(every["estimate"].iloc[0])
    reading = f"Of {total:,} reasonable analyses, {part} say what the verdict says; what they say: {said}."
    series = Series("stands", "--ink-soft", choices.assign(place=choices["control"]))
    plot = marks(list(choices["control"]), [series], Scale("part of the analyses", limits=RATE))
    caption = (
        "All combinations of two weightings, all seeds or all but one, five thresholds of dominance, three of shares "
        "and three of effects. Each row holds one choice fixed. The analyses are not independent: the number says how "
        "much the word rests on choices, not how probable it is."
    )
    return [Figure("robustness-choices-marks", "Would another analysis say the same?", plot, reading, caption)]


def power_figure(run: RunData, power: pd.DataFrame) -> list[Figure]:
    """How often a run of this size says the right word."""
    if power.empty:
        return []
    places = [f"{percent(float(row.control))}: {row.verdict}" for row in records(power)]
    series = Series("right", "--ink-soft", power.assign(place=places))
    plot = marks(places, [series], Scale("part of simulated runs", limits=RATE))
    wrong = run.pooled("latch", "power_wrong")["estimate"].max()
    best = power.iloc[-1]
    count = f"{int(best['seeds'])} training seeds" if pd.notna(best["seeds"]) else "this many training seeds"
    held, named = percent(float(best["control"])), percent(best["estimate"])
    reading = (
        f"With {count}, a concept that truly holds {held} of the variance that these concepts explain is named in "
        f"{named} of runs; a wrong word comes in {f'at most {percent(wrong)}' if wrong > 0 else 'none'}."
    )
    caption = (
        "Simulated on the rows of the examination before anything was trained: true dominance of the intended concept "
        "and the word that is then right; training seeds differ as those of the nursery do. Lines: exact "
        f"95\u00a0% intervals; {int(power['n'].max())} runs a row. Where the right word is not said, mostly none is."
    )
    return [Figure("robustness-power-marks", "What a run of this size could show", plot, reading, caption)]


def power_table(run: RunData, power: pd.DataFrame) -> pd.DataFrame:
    """Right, none and wrong beside one another."""
    columns = {"control": "dominance", "verdict": "right word", "estimate": "right word said"}
    table = power.rename(columns=columns)[[*columns.values(), "low", "high"]]
    for metric, name in (("power_open", "nothing said"), ("power_wrong", "wrong word said")):
        table = table.merge(
            run.pooled("latch", metric)[["control", "estimate"]].rename(
                columns={"control": "dominance", "estimate": name}
            ),
            on="dominance",
            how="left",
        )
    return table
