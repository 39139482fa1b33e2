"""Tables and charts of the question at-birth, from its table of numbers by seed, age and condition."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from imprint.analyses.predictions import Prediction
from imprint.analyses.questions.at_birth.measure import CONDITIONS
from imprint.analyses.questions.base import Exhibit, chart_over_seeds, over_seeds
from imprint.analyses.statistics import Estimate, mean_of_all

OVER = "Mean and 95 % interval over seeds."
TITLES = {
    "expectancy": "expected length of life (steps lived for each death)",
    "lived": "part of the step limit survived",
    "survived": "part of episodes that reach the limit",
    "pay": "return of an episode",
}
"""Metric -> its axis."""


def by_condition(table: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Numbers of a metric: rows seed x age, a column for each condition."""
    rows = table[table["metric"] == metric]
    return rows.pivot_table(index=["seed", "age"], columns="condition", values="value", sort=True)


def log_costs(table: pd.DataFrame) -> pd.DataFrame:
    """Logarithm of what each loss divides the expected length of life by: rows seed x age.

    Columns: ``learner`` and ``reflexes``, each beside the other; ``learner alone``, without the reflexes.
    """
    life = np.log(by_condition(table, "expectancy"))
    pairs = {"learner": "no learner", "reflexes": "no reflexes"}
    costs = {lost: life["whole"] - life[lesion] for lost, lesion in pairs.items()}
    return pd.DataFrame({**costs, "learner alone": life["no reflexes"] - life["neither"]})


def ratio_of(logs: ArrayLike) -> Estimate:
    """Geometric mean of ratios from their logarithms, one for each seed, with Student's interval of the logarithms."""
    mean = mean_of_all(logs)
    value, low, high = np.exp([mean.value, mean.low, mean.high])
    return Estimate(float(value), float(low), float(high), mean.n)


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
    costs = log_costs(table)[["learner", "reflexes"]].melt(var_name="lost", ignore_index=False)
    groups = costs.groupby(["lost", "age"])["value"]
    frame = pd.DataFrame([{"lost": lost, "age": age, **ratio_of(part).row("ratio")} for (lost, age), part in groups])
    reading = "; ".join(str(one) for one in predictions if one.name.startswith("change"))
    titles = "experience (steps)", "expected length of life, whole / lesioned"
    chart = chart_over_seeds("lines", "age", "ratio", titles, colour="lost", reference=1.0)
    caption = "Geometric mean and 95 % interval over seeds."
    heading = "By how much the loss of the learner and of the reflexes shortens life"
    return Exhibit("cost", heading, frame, f"{reading}.", caption, chart)
