"""Tables and charts of the question at-birth, from its table of numbers by seed, age and condition."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from imprint.analyses.predictions import Prediction
from imprint.analyses.questions.at_birth.measure import CONDITIONS
from imprint.analyses.questions.base import Exhibit, chart_over_seeds, over_seeds

OVER = "Mean and 95 % interval over seeds."
TITLES = {
    "lived": "part of the step limit survived",
    "survived": "part of episodes that reach the limit",
    "pay": "return of an episode",
}
"""Metric -> its axis."""


def by_condition(table: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Numbers of a metric: rows seed x age, a column for each condition."""
    rows = table[table["metric"] == metric]
    return rows.pivot_table(index=["seed", "age"], columns="condition", values="value", sort=True)


def exhibits(table: pd.DataFrame, predictions: Sequence[Prediction]) -> list[Exhibit]:
    """All tables of the answer."""
    return [*(_by_age(table, metric) for metric in TITLES), _cost(table, predictions)]


def _by_age(table: pd.DataFrame, metric: str) -> Exhibit:
    title = TITLES[metric]
    rows = table[table["metric"] == metric].sort_values(["condition", "age"], kind="stable")
    frame = over_seeds(rows, ["condition", "age"], named=metric)
    first, last = (
        frame[frame["age"] == age].set_index("condition")[metric] for age in (frame["age"].min(), frame["age"].max())
    )
    numbers = (f"{name} {first[name]:.2f} at birth, {last[name]:.2f} at the last age" for name in CONDITIONS)
    chart = chart_over_seeds("lines", "age", metric, ("experience (steps)", title), colour="condition")
    heading = f"{title[0].upper()}{title[1:]}, by age and lesion"
    return Exhibit(metric, heading, frame, f"{'; '.join(numbers)}.", OVER, chart)


def _cost(table: pd.DataFrame, predictions: Sequence[Prediction]) -> Exhibit:
    lived = by_condition(table, "lived")
    lost = {name: lived["whole"] - lived[f"no {name}"] for name in ("learner", "reflexes")}
    parts = [pd.DataFrame({"cost": cost}).reset_index().assign(lost=name) for name, cost in lost.items()]
    costs = pd.concat(parts).sort_values(["lost", "age"], kind="stable")
    reading = "; ".join(str(one) for one in predictions if one.name.startswith("rank"))
    chart = chart_over_seeds("lines", "age", "cost", ("experience (steps)", "part of the limit"), colour="lost")
    frame = over_seeds(costs, ["lost", "age"], "cost")
    return Exhibit("cost", "What the loss of the learner and of the reflexes costs", frame, f"{reading}.", OVER, chart)
