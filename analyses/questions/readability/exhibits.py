"""Tables and charts of the question readability."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from imprint.analyses.questions.base import Chart, Exhibit, chart_over_seeds, exhibit_of_seeds
from imprint.analyses.questions.readability.measure import ARMS, EASIER, MEASURES
from imprint.analyses.statistics import Estimate

MEANING = {
    "alignment": (
        "Area under the curve of the best unit for a concept less that of the average unit: higher is easier.",
        "Is there a unit for a concept?",
        "best unit less average unit",
    ),
    "weights": (
        "log2 of how many units, best first, a probe needs for 95 % of what all give it: lower is easier.",
        "How many units does a probe need?",
        "log2 of the number of units",
    ),
    "description": (
        "Bits to say which digit on which side it is, of the inputs that drive a unit most, at the easier of its two "
        "ends: lower is easier.",
        "How long is the description of what drives a unit?",
        "bits",
    ),
}
OVER = "Mean and 95 % interval over seeds, each with images of its own."


def exhibits(means: pd.DataFrame, table: pd.DataFrame, order: pd.DataFrame, goes: Estimate) -> list[Exhibit]:
    """All tables of the answer; ``means``: over seeds, ``order``: of every pair of learners."""
    own = table[["task", "arm", "seed", *MEASURES, "area", "latch", "loss", "steps"]]
    shown = [_pairs(order), _ranks(means), _latch(means, goes), _matched(means), exhibit_of_seeds(own)]
    return [*(_read(means, name) for name in MEASURES), *shown]


def _read(means: pd.DataFrame, name: str) -> Exhibit:
    frame = means[(means["measure"] == name) & (means["arm"] != "planted")].drop(columns="measure")
    best = [
        f"{task} {part.sort_values('value', ascending=EASIER[name] < 0).iloc[0]['arm']}"
        for task, part in frame[frame["arm"].isin(ARMS)].groupby("task", sort=False)
    ]
    meaning, heading, unit = MEANING[name]
    caption = f"{meaning} Rotated: backprop's units in random axes. Untrained: as born. {OVER}"
    chart = chart_over_seeds("points", "arm", "value", ("learner", unit), colour="task")
    return Exhibit(name, heading, frame, f"Easiest to read: {', '.join(best)}.", caption, chart)


def _pairs(order: pd.DataFrame) -> Exhibit:
    shown = order.assign(said=[_said(row) for row in order.to_dict("records")])
    counts = shown["said"].value_counts()
    reading = ", ".join(f"{word} in {count}" for word, count in counts.items())
    where = shown["task"] + ", " + shown["measure"]
    grid = shown.assign(where=where, said_as=shown["said"].map({"first": 1.0, "second": -1.0, "open": 0.0}))
    chart = Chart("heat", "where", "pair", "task and measure", "pair of learners", colour="said_as")
    caption = (
        "How much easier to read the first of a pair is, in the measure's units; said where the 95 % interval over "
    )
    caption += (
        "seeds excludes 0 (1: the first is easier, -1: the second). Intervals are not corrected for their number."
    )
    return Exhibit("pairs", "Who is easier to read", grid, f"Easier to read: {reading} of the cells.", caption, chart)


def _said(row: Mapping[Any, Any]) -> str:
    return "first" if row["low"] > 0 else "second" if row["high"] < 0 else "open"


def _ranks(means: pd.DataFrame) -> Exhibit:
    frame = means[means["measure"].isin(MEASURES) & means["arm"].isin(ARMS)].copy()
    signed = frame["value"] * frame["measure"].map(EASIER)
    frame["rank"] = signed.groupby([frame["task"], frame["measure"]]).rank(ascending=False)
    frame["where"] = frame["task"] + ", " + frame["measure"]
    span = frame.groupby("arm")["rank"].agg(["min", "max"])
    reading = "; ".join(f"{arm} {int(row['min'])} to {int(row['max'])}" for arm, row in span.iterrows())
    chart = Chart("heat", "where", "arm", "task and measure", "learner", colour="rank")
    caption = "Rank of the mean over seeds: 1 is easiest to read."
    keep = frame[["arm", "where", "rank", "value", "low", "high"]]
    return Exhibit("ranks", "Ranking of the learners", keep, f"Ranks: {reading}.", caption, chart)


def _latch(means: pd.DataFrame, goes: Estimate) -> Exhibit:
    frame = means[(means["measure"] == "latch") & (means["arm"] != "planted")]
    chart = chart_over_seeds("points", "arm", "value", ("learner", "the intended concept's part"), colour="task")
    reading = f"Rank correlation over learners of how easy they are to read with the intended part: {goes:.2f}."
    caption = "A linear value is taught that even is good, where even digits stand on the left in 80 %; part of its "
    caption += "effects that is even's, where both are independent. "
    return Exhibit("latch", "What a reward latches onto", frame, reading, caption + OVER, chart)


def _matched(means: pd.DataFrame) -> Exhibit:
    frame = means[means["measure"].isin(["loss", "steps", "area"]) & means["arm"].isin(ARMS)]
    loss = frame[frame["measure"] == "loss"]["value"]
    reading = f"Losses lie between {loss.min():.3f} and {loss.max():.3f} nats over both tasks."
    caption = "Loss on new images when a learner was stopped; steps until then; area under the curve of a probe on all "
    chart = chart_over_seeds("points", "arm", "value", ("learner", "value"), colour="task", panel="measure")
    return Exhibit("matched", "Were they equally good?", frame, reading, f"{caption}units. {OVER}", chart)
