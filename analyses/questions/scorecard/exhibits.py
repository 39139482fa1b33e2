"""Tables and charts of the question scorecard, from its table of numbers by seed, reader and outcome."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from imprint.analyses.questions.base import Exhibit, chart_over_seeds, over_seeds
from imprint.analyses.questions.scorecard.measure import DISCOUNT, HORIZON, NOVEL
from imprint.analyses.statistics import mean_of_all

OVER = "Mean and 95 % interval over seeds; no interval where a seed has too few such steps."


def exhibits(table: pd.DataFrame, means: Mapping[str, pd.Series]) -> list[Exhibit]:
    """All tables of the answer; ``means``: reader -> mean AUC over outcomes, by seed."""
    parts = dict(list(table.groupby("table")))
    return [
        _auc(parts["auc"], means),
        _lead(parts["lead"]),
        _calibration(table, parts["slope"]),
        _novel(parts["novel"]),
    ]


def _auc(rows: pd.DataFrame, means: Mapping[str, pd.Series]) -> Exhibit:
    listed = "; ".join(f"{reader} {mean_of_all(each)}" for reader, each in means.items())
    chart = chart_over_seeds("points", "outcome", "value", ("outcome", "AUC"), colour="reader", reference=0.5)
    reading, caption = f"Mean over outcomes: {listed}.", f"Soon: within {HORIZON} steps. {OVER}"
    return Exhibit("auc", "Which outcome comes soon", over_seeds(rows, ["reader", "outcome"]), reading, caption, chart)


def _lead(rows: pd.DataFrame) -> Exhibit:
    means = {str(reader): mine.groupby("seed")["value"].mean() for reader, mine in rows.groupby("reader")}
    listed = "; ".join(f"{reader} {mean_of_all(each)}" for reader, each in means.items())
    reading, heading = f"Mean over outcomes, steps: {listed}.", "How long before it comes it is predicted"
    caption = f"Steps without a break above a threshold that 5 % of uneventful steps pass. {OVER}"
    chart = chart_over_seeds("points", "outcome", "value", ("outcome", "steps"), colour="reader")
    return Exhibit("lead", heading, over_seeds(rows, ["reader", "outcome"]), reading, caption, chart)


def _calibration(table: pd.DataFrame, slopes: pd.DataFrame) -> Exhibit:
    rows = table[table["table"].isin(["slope", "r2", "share", "alone"]) & (table["reader"] == "scorecard")]
    mean = mean_of_all(slopes.groupby("seed")["value"].mean())
    reading = f"The slope is {mean} on average over outcomes; 1 is calibrated."
    caption = f"slope, r2: of the discounted sum (discount {DISCOUNT:g}) that came on what was predicted; share: of "
    caption += f"steps before which it comes soon; alone: AUC where no other outcome comes soon. {OVER}"
    means, heading = over_seeds(rows, ["table", "outcome"]), "Whether as much comes as was predicted"
    return Exhibit("calibration", heading, means, reading, caption)


def _novel(rows: pd.DataFrame) -> Exhibit:
    means = over_seeds(rows.assign(outcome=NOVEL), ["reader", "outcome"])
    reading = "; ".join(f"{row['reader']} {row['value']:.2f}" for row in means.to_dict("records"))
    caption = f"AUC of {NOVEL} within {HORIZON} steps. The best channel was chosen with labels, on the training "
    caption += f"episodes. {OVER}"
    chart = chart_over_seeds("points", "reader", "value", ("reader", "AUC"), reference=0.5)
    return Exhibit("novel", "An outcome without a channel", means, f"{reading}.", caption, chart)
