"""What the agents do: capability and goal as two numbers, on every design, beside agents that could learn nothing."""

from __future__ import annotations

from typing import Any, ClassVar

import pandas as pd

from imprint.reports.figures.series import RATE, Scale, Series, marks
from imprint.reports.parts import Figure, Table
from imprint.reports.reading.agents import APART, TRAINED, metric_of, tried
from imprint.reports.reading.run import UNTAUGHT, RunData
from imprint.reports.reading.tables import last_age, row_of
from imprint.reports.sections.base import Section, colours_of
from imprint.reports.words import age_words, counts, interval, measured, percent

LOOKS = {TRAINED: ("circle", ""), "untrained": ("square-open", "--ink-soft"), "random reward": ("x-thin", "--ink-soft")}
LOOKS["random play"] = ("x-thin", "--ink-soft")
"""Agent -> mark and colour; the trained agent has that of the goal."""
DESIGNS = {
    "train": "as in training",
    "together": "together",
    APART: "apart",
    "only_intended": "only the goal",
    "only_proxy": "only the proxy",
}
"""Designs in the order in which they are drawn, in words."""


class Behaviour(Section):
    """Rates by design, for trained, untrained and randomly rewarded agents."""

    order: ClassVar[int] = 5
    title: ClassVar[str] = "What the agents do"
    open: ClassVar[bool] = True

    def collect(self, run: RunData) -> dict[str, Any] | None:
        """One figure per metric, and every rate as a table."""
        if not run.agents:
            return None
        colours = colours_of(run) | {"": "--c-other3"}
        rates = [("capability", "", "Capability: the goal or a proxy is reached")]
        for goal in run.goals:
            metric = metric_of(run, goal)
            rates.append((metric, goal, f"{metric.capitalize()}: “{goal}” is reached first"))
        drawn: list[Figure] = []
        for metric, goal, heading in rates:
            rows, seeds = (of_goal(run, metric, goal, per_seed=single) for single in (False, True))
            if len(rows) or len(seeds):
                plot = plot_of(rows, seeds, colours[goal])
                drawn.append(Figure(f"behaviour-{len(drawn)}", heading, plot, reading(rows, metric)))
        if not drawn:
            return {"missing": ["The findings hold no behaviour."], "figures": []}
        known = last_of_each(tried(run, "goal"))
        floors = ("untrained", "random play" if run.study else "random reward")
        lacking = [name for name in floors if name not in set(known["agent"])]
        trained = known[known["agent"] == TRAINED]
        return {
            "figures": drawn,
            "tables": tables(run),
            "missing": [f"No {name} agent was tried, so the floor is not known." for name in lacking],
            "age": age_words(trained["age"].max()),
            "counts": counts(trained),
            "success": success(run),
            "searched": not run.study,
        }


def success(run: RunData) -> str:
    """How often the agents succeeded in training, at the last age."""
    row = row_of(last_age(run.pooled("lifetime", "training_success")))
    return "" if row is None else f"In training they succeeded in {interval(row, share=True)} of episodes."


def last_of_each(rows: pd.DataFrame) -> pd.DataFrame:
    """Every kind of agent at its own last age: untrained ones have another, or none."""
    parts = [last_age(own) for _, own in rows.groupby("agent", sort=False)]
    return pd.concat(parts) if parts else rows


def of_goal(run: RunData, metric: str, goal: str, *, per_seed: bool) -> pd.DataFrame:
    """Rows of a metric at the last age, of one goal if it is named, with the design in words as ``place``."""
    rows = tried(run, metric, per_seed=per_seed)
    rows = last_of_each(rows[rows["concept"] == goal] if goal else rows)
    return rows.assign(place=[DESIGNS.get(str(design), str(design)) for design in rows["design"]])


def plot_of(rows: pd.DataFrame, seeds: pd.DataFrame, colour: str) -> dict[str, Any]:
    """One metric on every design."""
    seen = list(dict.fromkeys([*rows["place"], *seeds["place"]]))
    places = [name for name in (*DESIGNS.values(), *seen) if name in seen]
    series = []
    for agent, (symbol, own) in LOOKS.items():
        here, single = rows[rows["agent"] == agent], seeds[seeds["agent"] == agent]
        if len(here) or len(single):
            series.append(Series(agent, own or colour, here, single, symbol))
    return marks(list(dict.fromkeys(places)), series, Scale("part of the levels", limits=RATE))


def reading(rows: pd.DataFrame, metric: str) -> str:
    """The rate where goal and proxy are apart, beside agents that could learn nothing."""
    here = rows[rows["design"] == APART]
    own = row_of(here[here["agent"] == TRAINED])
    if own is None or not measured(own["estimate"]):
        return f"The {metric} was not measured where goal and proxy are apart."
    others = {name: row_of(here[here["agent"] == name]) for name in UNTAUGHT}
    beside = [f"; {name} {percent(row['estimate'])}" for name, row in others.items() if row is not None]
    return f"Where goal and proxy are apart: {interval(own, share=True)}{''.join(beside)}."


def tables(run: RunData) -> list[Table]:
    """Every rate of the last age, and what was measured at every age."""
    columns = ["metric", "concept", "agent", "design", "age", "seed", "estimate", "low", "high", "n", "seeds", "why"]
    metrics = run.findings.loc[run.findings["analysis"] == "behaviour", "metric"].unique()
    parts = [tried(run, metric, per_seed=single) for metric in metrics for single in (False, True)]
    every = pd.concat(parts).drop_duplicates()[columns]
    now = last_of_each(every[every["seed"].isna()])
    return [
        Table("behaviour-now", "Behaviour at the last age, over seeds", now.drop(columns=["seed"])),
        Table("behaviour-ages", "Behaviour at every age, over seeds and per seed", every),
    ]
