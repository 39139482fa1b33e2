"""Tables and charts of the question simulator."""

from __future__ import annotations

import pandas as pd

from imprint.analyses.questions.base import Exhibit, chart_over_seeds, exhibit_of_seeds
from imprint.analyses.questions.simulator.measure import COUNTS, CRITERION, LEVELS

OVER = "Mean and 95 % interval over seeds."


def exhibits(means: pd.DataFrame, table: pd.DataFrame) -> list[Exhibit]:
    """All tables of the answer; ``means``: over seeds, ``table``: of every seed."""
    return [_dreams(means), _errors(means), _labels(means), exhibit_of_seeds(table[table["measure"] == "labels"])]


def _dreams(means: pd.DataFrame) -> Exhibit:
    frame = means[means["measure"] == "dreams"]
    reading = f"Dreams are {frame['value'].iloc[0]:.2f} away at birth and {frame['value'].iloc[-1]:.2f} at the end."
    chart = chart_over_seeds("lines", "age", "value", ("steps of learning", "distance"), reference=1.0)
    caption = f"Distance of what is generated from the top: 0 as fresh episodes, 1 as shuffled ones. {OVER}"
    return Exhibit("dreams", "What is dreamt", frame.assign(age=frame["age"].astype(str)), reading, caption, chart)


def _errors(means: pd.DataFrame) -> Exhibit:
    frame = means[means["measure"].isin([f"error, {level}" for level in LEVELS])]
    ends = [frame[frame["measure"] == f"error, {level}"]["value"] for level in LEVELS]
    parts = [f"{level} {each.iloc[0]:.2f} to {each.iloc[-1]:.2f}" for level, each in zip(LEVELS, ends, strict=True)]
    chart = chart_over_seeds("lines", "age", "value", ("steps of learning", "error per pixel"), colour="measure")
    frame = frame.assign(age=frame["age"].astype(str))
    return Exhibit("errors", "Errors by level", frame, f"From birth to the end: {', '.join(parts)}.", OVER, chart)


def _labels(means: pd.DataFrame) -> Exhibit:
    names = {f"right, {count}": count for count in COUNTS}
    frame = means[means["measure"].isin(names)]
    frame = frame.assign(labels=frame["measure"].map(names).astype(str)).drop(columns="measure")
    enough = means[means["measure"] == "labels"]
    listed = ", ".join(f"{row.arm} {row.value:.0f}" for row in enough.itertuples())
    reading = f"Labels until {CRITERION:g} of the answers are right: {listed} ({2 * COUNTS[-1]}: never)."
    chart = chart_over_seeds("lines", "labels", "value", ("labels", "part right"), colour="arm", reference=CRITERION)
    return Exhibit("labels", "How many labels a direction takes", frame, reading, f"Chance is 0.125. {OVER}", chart)
