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
    return Exhibit(
        "auc",
        "Which outcome comes soon",
        over_seeds(rows, ["reader", "outcome"]),
        f"Mean over outcomes: {listed}.",
        f"Soon: within {HORIZON} steps. {OVER}",
        chart_over_seeds("points", "outcome", "value", ("outcome", "AUC"), colour="reader", reference=0.5),
    )


def _lead(rows: pd.DataFrame) -> Exhibit:
    means = {str(reader): mine.groupby("seed")["value"].mean() for reader, mine in rows.groupby("reader")}
    listed = "; ".join(f"{reader} {mean_of_all(each)}" for reader, each in means.items())
    return Exhibit(
        "lead",
        "How long before it comes it is predicted",
        over_seeds(rows, ["reader", "outcome"]),
        f"Mean over outcomes, steps: {listed}.",
        f"Steps without a break above a threshold that 5 % of uneventful steps pass. {OVER}",
        chart_over_seeds("points", "outcome", "value", ("outcome", "steps"), colour="reader"),
    )


def _calibration(table: pd.DataFrame, slopes: pd.DataFrame) -> Exhibit:
    rows = table[table["table"].isin(["slope", "r2", "share", "alone"]) & (table["reader"] == "scorecard")]
    mean = mean_of_all(slopes.groupby("seed")["value"].mean())
    return Exhibit(
        "calibration",
        "Whether as much comes as was predicted",
        over_seeds(rows, ["table", "outcome"]),
        f"The slope is {mean} on average over outcomes; 1 is calibrated.",
        f"slope, r2: of the discounted sum (discount {DISCOUNT:g}) that came on what was predicted; share: of steps "
        f"before which it comes soon; alone: AUC where no other outcome comes soon. {OVER}",
    )


def _novel(rows: pd.DataFrame) -> Exhibit:
    means = over_seeds(rows.assign(outcome=NOVEL), ["reader", "outcome"])
    return Exhibit(
        "novel",
        "An outcome without a channel",
        means,
        "; ".join(f"{row['reader']} {row['value']:.2f}" for row in means.to_dict("records")) + ".",
        f"AUC of {NOVEL} within {HORIZON} steps. The best channel was chosen with labels, on the training episodes. "
        f"{OVER}",
        chart_over_seeds("points", "reader", "value", ("reader", "AUC"), reference=0.5),
    )
