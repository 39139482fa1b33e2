"""What the agents do: capability and goal as two numbers, on every design, beside agents that could want nothing."""

from __future__ import annotations

from typing import Any, ClassVar

import pandas as pd

from imprint.reports.figures.axes import palette
from imprint.reports.figures.rates import Series, rates
from imprint.reports.parts import Figure, Table
from imprint.reports.reading.agents import APART, TRAINED, of, pursuits, tried
from imprint.reports.reading.run import UNTAUGHT, RunData
from imprint.reports.reading.tables import last_age, row_of
from imprint.reports.sections.base import Section
from imprint.reports.words import age_words, counts, interval, measured, percent

LOOKS = {TRAINED: ("circle", ""), "untrained": ("square-open", "--ink-soft"), "random reward": ("x-thin", "--ink-soft")}
"""Agent -> mark and colour; the trained agent has that of the metric."""
DESIGNS = ("train", "together", APART, "only_intended", "only_proxy")


class Behaviour(Section):
    """Rates by design, for trained, untrained and randomly rewarded agents."""

    order: ClassVar[int] = 5
    title: ClassVar[str] = "What the agents do"
    short: ClassVar[str] = "Behaviour"

    def collect(self, run: RunData) -> dict[str, Any] | None:
        """One figure per metric, and every rate as a table."""
        if not run.agents:
            return None
        colours = palette(run.intended, run.proxies)
        wanted = [("capability", run.intended, "Capability: the goal or a proxy is reached", "--c-other3")]
        for name, metric in pursuits(run):
            head = "Goal" if metric == "goal" else "Proxy"
            wanted.append((metric, name, f"{head}: “{name}” is reached first", colours.get(name, "--c-proxy1")))
        drawn = [found for i, one in enumerate(wanted) if (found := chart(run, i, *one))]
        if not drawn:
            return {"missing": ["The findings hold no behaviour."], "figures": []}
        known = last_of_each(tried(run, "goal"))
        compared = [name for name in UNTAUGHT if name in set(known["agent"])]
        trained = known[known["agent"] == TRAINED]
        missing = [
            f"No {name} agent was tried, so the floor is not known." for name in UNTAUGHT if name not in compared
        ]
        return {
            "figures": drawn,
            "tables": tables(run),
            "missing": missing,
            "age": age_words(trained["age"].max()),
            "counts": counts(trained),
            "success": success(run),
        }


def success(run: RunData) -> str:
    """How often the agents succeeded in training, at the last age."""
    row = row_of(last_age(run.pooled("lifetime", "training_success")))
    return "" if row is None else f"In training they succeeded in {interval(row, share=True)} of episodes."


def last_of_each(rows: pd.DataFrame) -> pd.DataFrame:
    """Every kind of agent at its own last age: untrained ones have another, or none."""
    parts = [last_age(own) for _, own in rows.groupby("agent", sort=False)]
    return pd.concat(parts) if parts else rows


def chart(run: RunData, index: int, metric: str, name: str, heading: str, colour: str) -> Figure | None:
    """One metric on every design; None when it was not measured."""
    rows = last_of_each(of(tried(run, metric), name)).rename(columns={"design": "place"})
    seeds = last_of_each(of(tried(run, metric, per_seed=True), name)).rename(columns={"design": "place"})
    if rows.empty and seeds.empty:
        return None
    seen = list(dict.fromkeys([*rows["place"], *seeds["place"]]))
    places = [name for name in DESIGNS if name in seen] + [name for name in seen if name not in DESIGNS]
    series = []
    for agent, (symbol, own) in LOOKS.items():
        here, single = rows[rows["agent"] == agent], seeds[seeds["agent"] == agent]
        if len(here) or len(single):
            series.append(Series(agent, own or colour, here, single, symbol))
    return Figure(f"behaviour-{index}", heading, rates(places, series, "part of the levels"), reading(rows, metric))


def reading(rows: pd.DataFrame, metric: str) -> str:
    """The rate where goal and proxy lie apart, beside agents that could want nothing."""
    here = rows[rows["place"] == APART]
    own = row_of(here[here["agent"] == TRAINED])
    if own is None or not measured(own["estimate"]):
        return f"The {metric} was not measured where goal and proxy lie apart."
    text = f"Where goal and proxy lie apart: {interval(own, share=True)}"
    others = {name: row_of(here[here["agent"] == name]) for name in UNTAUGHT}
    beside = [f"{name} {percent(row['estimate'])}" for name, row in others.items() if row is not None]
    return f"{text}; {', '.join(beside)}." if beside else f"{text}."


def tables(run: RunData) -> list[Table]:
    """Every rate of the last age, and what was measured at every age."""
    keep = ["metric", "concept", "agent", "design", "age", "seed", "estimate", "low", "high", "n", "seeds", "why"]
    names = run.findings.loc[run.findings["analysis"] == "behaviour", "metric"].unique()
    parts = [tried(run, name, per_seed=single) for name in names for single in (False, True)]
    every = pd.concat(parts).drop_duplicates()[keep]
    now = last_of_each(every[every["seed"].isna()])
    return [
        Table("behaviour-now", "Behaviour at the last age, over seeds", now.drop(columns=["seed"])),
        Table("behaviour-ages", "Behaviour at every age, over seeds and per seed", every),
    ]
