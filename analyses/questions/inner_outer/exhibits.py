"""Tables and charts of the question inner-outer."""

from __future__ import annotations

import pandas as pd

from imprint.analyses.questions.base import Chart, Exhibit, chart_over_seeds, exhibit_of_seeds


def exhibits(means: pd.DataFrame, table: pd.DataFrame) -> list[Exhibit]:
    """All tables of the answer; ``means``: over seeds, ``table``: of every seed."""
    lines = means.assign(
        panel="reads " + means["reading"].astype(str),
        line=means["where"].astype(str) + ", " + means["plans"].astype(str) + " plans",
    )
    return [_inner(lines), _outer(lines), _reached(lines), exhibit_of_seeds(table)]


def _inner(lines: pd.DataFrame) -> Exhibit:
    inner = lines[lines["metric"] == "inner, right"]
    last = inner[(inner["age"] == inner["age"].max()) & (inner["plans"] == "any")]
    gap = {(row["reading"], row["where"]): f"{row['mean']:.3f}" for row in last.to_dict("records")}
    reading = f"After training it is {gap['maps', 'on']} on and {gap['maps', 'off']} off the distribution for a value "
    reading += f"that reads places, {gap['summary', 'on']} and {gap['summary', 'off']} for one that does not."
    heading = "Inner gap: what the value expects beside what is rewarded"
    caption = "The right signal; in units of reward (1 for the coin); 95 % interval over seeds."
    return Exhibit("inner", heading, inner, reading, caption, _chart("inner gap"))


def _outer(lines: pd.DataFrame) -> Exhibit:
    outer = lines[(lines["metric"] == "outer, crude") & (lines["where"] == "off")]
    heading = "Outer gap: what is rewarded beside what was intended"
    reading = f"The crude signal rewards up to {outer['mean'].max():.3f} more than intended off the distribution."
    caption = "A signal that also rewards the corner, half as much; the outer gap of the right signal is zero."
    return Exhibit("outer", heading, outer, reading, caption, _chart("outer gap"))


def _reached(lines: pd.DataFrame) -> Exhibit:
    reached = lines[lines["metric"].isin(["coin_taken", "corner_reached"]) & (lines["plans"] == "chosen")]
    reached = reached.assign(line=reached["metric"].astype(str) + ", " + reached["where"].astype(str))
    last = reached[(reached["age"] == reached["age"].max()) & (reached["where"] == "off")]
    parts = (f"{row['metric']} {row['mean']:.2f} ({row['panel']})" for row in last.to_dict("records"))
    reading = f"Off the distribution, chosen plans reach {', '.join(parts)}."
    caption = "Part of the rooms; 95 % interval over seeds."
    return Exhibit("reached", "Where chosen plans lead", reached, reading, caption, _chart("reached"))


def _chart(title: str) -> Chart:
    titles = "steps of the value's training", title
    return chart_over_seeds("lines", "age", "mean", titles, colour="line", panel="panel")
