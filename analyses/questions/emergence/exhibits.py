"""Tables and charts of the question emergence."""

from __future__ import annotations

import pandas as pd

from imprint.analyses.questions.base import Exhibit, chart_over_seeds, exhibit_of_seeds, over_seeds

OVER = "Mean and 95 % interval over seeds."


def exhibits(means: pd.DataFrame, found: pd.DataFrame, table: pd.DataFrame) -> list[Exhibit]:
    """All tables of the answer; ``means``: over seeds, ``found``: of every seed at its site, ``table``: all rows."""
    kept = ["learner", "seed", "age", "site", "statistic", "score", "floor"]
    return [_ages(means), _sites(table), exhibit_of_seeds(found[kept])]


def _ages(means: pd.DataFrame) -> Exhibit:
    frame = means.assign(age=means["age"].astype(str))
    rises = means[means["metric"] == "selectivity"]
    rises = rises.assign(text=[f"{round(value, 2) + 0.0:.2f}" for value in rises["value"]])
    reading = "; ".join(f"{learner}: {', '.join(of)}" for learner, of in rises.groupby("learner", sort=False)["text"])
    chart = chart_over_seeds("lines", "age", "value", ("walks", "balanced accuracy"), colour="metric", panel="learner")
    caption = f"Selectivity is the score less its highest floor, at the site that the other seeds choose. {OVER}"
    return Exhibit("ages", "What can be read, by age", frame, f"Selectivity by age, {reading}.", caption, chart)


def _sites(table: pd.DataFrame) -> Exhibit:
    trained = table[table["kind"] == "trained"]
    last = trained.groupby("learner")["age"].transform("max")
    end = over_seeds(trained[trained["age"] == last], ["learner", "site"], "statistic")
    best = end.loc[end.groupby("learner", sort=False)["statistic"].idxmax()]
    reading = "; ".join(f"{row.learner}: {row.site} ({row.statistic:.2f})" for row in best.itertuples())
    titles = ("selectivity in the end", "site")
    chart = chart_over_seeds("bars", "site", "statistic", titles[::-1], panel="learner", reference=0.0)
    return Exhibit("sites", "Where it can be read", end, f"Most can be read at {reading}.", OVER, chart)
