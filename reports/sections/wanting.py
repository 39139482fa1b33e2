"""What the agents want: how much of what they reach rests on knowing where it is, and whether a place can be put in."""

from __future__ import annotations

from typing import Any, ClassVar

import pandas as pd

from imprint.reports.figures.series import RATE, Scale, Series, marks
from imprint.reports.parts import Figure, Table
from imprint.reports.reading.run import RunData
from imprint.reports.reading.tables import last_age, row_of
from imprint.reports.sections.base import Section, colours_of
from imprint.reports.words import age_words, counts, interval, percent

EXCHANGED = {
    "none": "nothing",
    "random directions": "random directions",
    "place": "the goal's place",
    "everything": "all activations",
}
"""What was exchanged, in the order in which it is drawn, in words."""
GRADED = {"wanting": "wanting", "dominance": "part of what is reached"}


class Wanting(Section):
    """Wanting and dominance of every goal, interchange of its place, and costs of erasures by rank."""

    order: ClassVar[int] = 9
    title: ClassVar[str] = "What the agents want"

    def collect(self, run: RunData) -> dict[str, Any] | None:
        """Figures of wanting and of interchange, and every number as a table."""
        wanting = last_age(run.pooled("latch", "wanting"))
        if not run.agents or wanting.empty:
            return None
        drawn = [Figure("wanting-goals", "Wanting and dominance", graded_plot(run), graded_reading(wanting))]
        missing = []
        for goal in run.goals:
            rows = exchanged(run, goal)
            if rows["estimate"].notna().any():
                heading = f"A place of “{goal}” put into the activations"
                seeds = exchanged(run, goal, per_seed=True)
                series = [Series(goal, colours_of(run)[goal], rows, seeds)]
                plot = marks(list(EXCHANGED.values()), series, Scale("part of the levels", limits=RATE))
                drawn.append(Figure(f"wanting-{len(drawn)}", heading, plot, exchange_reading(rows, goal)))
            elif len(rows):
                missing.append(f"The place of “{goal}” was not exchanged: {str(rows['why'].iloc[0]).rstrip('.')}.")
        return {
            "figures": drawn,
            "tables": tables(run),
            "missing": [],
            "unmoved": missing,
            "habits": habits(run),
            "age": age_words(wanting["age"].max()),
            "counts": counts(wanting),
        }


def graded_plot(run: RunData) -> dict[str, Any]:
    """A row per goal; a mark for its wanting and one for its part of what is reached."""
    series = []
    for metric, name in GRADED.items():
        rows, seeds = (last_age(pick("latch", metric)) for pick in (run.pooled, run.per_seed))
        filled = metric == "wanting"
        colour, symbol = ("--c-intended", "circle") if filled else ("--ink-soft", "circle-open")
        own = rows.assign(place=rows["concept"])
        series.append(Series(name, colour, own, seeds.assign(place=seeds["concept"]), symbol))
    return marks(list(run.goals), series, Scale("part", share=False))


def graded_reading(wanting: pd.DataFrame) -> str:
    """Wanting of every goal in a sentence."""
    parts = [f"“{row['concept']}” {interval(row)}" for _, row in wanting.iterrows()]
    return f"Wanting: {', '.join(parts)}. 0: erasing it changes nothing; 1: nothing else is wanted."


def exchanged(run: RunData, goal: str, *, per_seed: bool = False) -> pd.DataFrame:
    """Rows of interchange of one goal, with what was exchanged in words as ``place``."""
    rows = last_age((run.per_seed if per_seed else run.pooled)("causal", "interchange"))
    rows = rows[rows["concept"] == goal]
    return rows.assign(place=rows["control"].map(EXCHANGED))


def exchange_reading(rows: pd.DataFrame, goal: str) -> str:
    """How often the other place is reached first, beside accident and the exchange of everything."""
    rate = rows.drop_duplicates("place", keep="last").set_index("place")["estimate"]
    nothing, own, whole = (rate.get(EXCHANGED[name], float("nan")) for name in ("none", "place", "everything"))
    return (
        f"The agents reach the place of “{goal}” that was put in first in {percent(own)} of the levels, "
        f"{percent(whole)} when all activations are exchanged, and {percent(nothing)} by accident."
    )


def habits(run: RunData) -> list[str]:
    """Whether the agents go to a proxy or to where it always was, where it was moved; empty when nothing was."""
    rows = last_age(run.pooled("behaviour", "habit"))
    sentences = []
    for goal in dict.fromkeys(rows["concept"]):
        row = row_of(rows[rows["concept"] == goal])
        if row is not None:
            rate = interval(row, share=True)
            sentences.append(
                f"Where “{goal}” was moved, they go to its usual place rather than to it in {rate} of cases."
            )
    return sentences


def tables(run: RunData) -> list[Table]:
    """Numbers that the verdict rests on, interchanges, and costs by rank."""
    columns = ["metric", "concept", "control", "age", "seed", "estimate", "low", "high", "n", "seeds", "why"]
    latch, causal = (run.findings[run.findings["analysis"] == name] for name in ("latch", "causal"))
    numbers = latch[latch["metric"].isin(["probability", "leads", "excess", *GRADED])]
    found = [Table("wanting-numbers", "What the verdict rests on, over seeds and per seed", numbers[columns])]
    headings = {"interchange": "Interchange of places", "rank_cost": "What erasures cost, by rank"}
    for metric, heading in headings.items():
        rows = causal[causal["metric"] == metric]
        found += [Table(f"wanting-{metric}", heading, rows[columns])] if len(rows) else []
    return found
