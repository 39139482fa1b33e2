"""Tables and charts of the question latch-phase."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from imprint.analyses.predictions import Prediction
from imprint.analyses.questions.base import Chart, Exhibit, chart_over_seeds, exhibit_of_seeds, over_seeds

MEASURES = {
    "index": "part of the content in the effects of content and cue on the value, 0 to 1",
    "effect_even": "change of the value with the content, in standard deviations",
    "effect_mark": "change of the value with the mark now, in standard deviations",
    "effect_mark_first": "change of the value with the mark a frame before, in standard deviations",
    "share_even": "part of the value's variance that goes with the content",
    "share_mark": "part of the value's variance that goes with the mark now",
    "share_mark_first": "part of the value's variance that goes with the mark a frame before",
    "change": "change of the value with the content, in units of the signal",
    "auc": "probability that content has the larger value",
    "choice": "probability that content without a cue has a larger value than a cue without content",
    "readable": "balanced accuracy of a probe for the content on what the assessor reads",
}
"""Measure -> what it is."""
ARM = ("life", "rho", "plane", "signal", "lag", "miss", "false_alarm", "attached", "events", "read")
WORDS = ("life", "plane", "signal", "read")
"""Columns of an arm that hold words."""
INDEX = "latch index: 1 content, 0 cue"
SHARED = "Mean over seeds, each in a world of its own"


def means_of(table: pd.DataFrame) -> pd.DataFrame:
    """Columns of an arm, its name, measure, mean over seeds (``value``) with interval, for all that was measured."""
    named = table.assign(**{name: table[name].astype(object).where(table[name].notna(), "-") for name in ARM})
    named["arm"] = [
        ", ".join(_said(name, row[name]) for name in ARM if row[name] != "-") for _, row in named.iterrows()
    ]
    long = named.melt(["arm", *ARM, "seed", "n"], [*MEASURES], "measure", "value")
    means = over_seeds(long.dropna(subset=["value"]), ["arm", *ARM, "measure"])
    return means.assign(**{name: pd.to_numeric(means[name], errors="coerce") for name in ARM if name not in WORDS})


def exhibits(table: pd.DataFrame, predictions: Sequence[Prediction]) -> list[Exhibit]:
    """All tables of the answer that are not empty; ``table``: rows of every arm and seed."""
    means = means_of(table)
    index = means[means["measure"] == "index"]
    made = [
        _predictions(predictions),
        _lags(index),
        _ages(means),
        _grid(index),
        _events(index),
        _errors(means),
        _effects(means),
        _seeds(table),
    ]
    return [replace(each, frame=_shown(each)) for each in made if len(each.frame)]


def _shown(exhibit: Exhibit) -> pd.DataFrame:
    """The columns of a table that its chart draws, with interval and counts; the whole table without a chart."""
    if (chart := exhibit.chart) is None:
        return exhibit.frame
    columns = [chart.panel, chart.colour, chart.x, chart.y, "value", "low", "high", "seeds", "n"]
    return exhibit.frame[list(dict.fromkeys(column for column in columns if column is not None))]


def _predictions(predictions: Sequence[Prediction]) -> Exhibit:
    rows = [{"number": each.name, **each.measured.row("value"), "outcome": each.outcome} for each in predictions]
    frame = pd.DataFrame(rows)
    held = int((frame["outcome"] == "held").sum())
    reading = f"{held} of {len(frame)} numbers lie with their whole interval where they must."
    return Exhibit("predictions", "What was predicted", frame, reading, f"{SHARED}; 95 % interval.")


def _lags(index: pd.DataFrame) -> Exhibit:
    """Lag x correlation, one panel for each context and signal."""
    rows = index[(index["plane"] == "lags") & (index["life"] != "untrained")]
    rows = rows.sort_values("rho", kind="stable").sort_values("life", kind="stable", ascending=False)
    panel = [
        f"{_CONTEXT[life]}, taught by the {signal}" for life, signal in zip(rows["life"], rows["signal"], strict=True)
    ]
    rows = rows.assign(
        panel=panel, correlation=[f"{rho:g}" for rho in rows["rho"]], lag=[f"{lag:g}" for lag in rows["lag"]]
    )
    by = {(r["life"], r["rho"], r["signal"], r["lag"]): r["value"] for r in rows.to_dict("records")}
    steps = [f"{by[key]:.2f} at lag {lag}" for lag in "012" if (key := ("seen", 0.8, "cue", lag)) in by]
    reading = f"Taught by a cue in view that is right nine times in ten: {', '.join(steps)}."
    chart = Chart(
        "heat", "correlation", "lag", "correlation of cue and content", "lag (frames)", colour="value", panel="panel"
    )
    caption = f"{INDEX}. {SHARED}. Open for life, read in the adult."
    return Exhibit("lags", "Lag and correlation", rows, reading, caption, chart)


def _ages(means: pd.DataFrame) -> Exhibit:
    """The index against the age of attachment, beside how well the concept can be read."""
    taught = means[(means["plane"] == "ages") & (means["measure"] == "index") & (means["read"] == "closing")]
    lines = taught.assign(line=[f"index, {events:g} rewarded episodes" for events in taught["events"]])
    read = means[(means["plane"] == "concept") & (means["life"] == "seen") & (means["rho"] == 0.8)]
    rows = pd.concat([lines, read.assign(line="concept can be read (balanced accuracy)")])
    last = lines.groupby("line", sort=False)["value"].agg(["first", "last"])
    risen = "; ".join(f"{name.removeprefix('index, ')}: {a:.2f} to {b:.2f}" for name, a, b in last.itertuples())
    reading = f"The index by age of attachment, first to last: {risen}."
    titles = "age of attachment (episodes lived)", "index, or accuracy"
    chart = chart_over_seeds("lines", "attached", "value", titles, colour="line", reference=0.5)
    caption = f"Taught by the truth at lag 1, read when the window has closed. {SHARED}; 95 % interval."
    return Exhibit("ages", "Before, while and after the concept forms", rows, reading, caption, chart)


def _grid(index: pd.DataFrame) -> Exhibit:
    """Age x events, read at closing and in the adult."""
    rows = index[index["plane"] == "ages"]
    when = {"closing": "read when the window closes", "adult": "read at the end of life"}
    texts = {name: [f"{value:g}" for value in rows[name]] for name in ("attached", "events")}
    rows = rows.assign(panel=rows["read"].map(when), **texts)
    kept = rows[rows["read"] == "adult"]["value"].mean() - rows[rows["read"] == "closing"]["value"].mean()
    reading = (
        f"On average over the grid the index moves by {kept:+.2f} from closing to the end of life, as latents drift."
    )
    titles = "age of attachment (episodes lived)", "rewarded episodes"
    chart = Chart("heat", "attached", "events", *titles, colour="value", panel="panel")
    return Exhibit(
        "ages-events", "Age of attachment and number of rewarded episodes", rows, reading, f"{INDEX}. {SHARED}.", chart
    )


def _events(index: pd.DataFrame) -> Exhibit:
    rows = index[(index["plane"] == "events") & (index["read"] == "closing")]
    rows = rows.assign(
        line=[f"lag {lag:g}" for lag in rows["lag"]], events=[f"{events:g}" for events in rows["events"]]
    )
    ends = rows.groupby("line", sort=False)["value"].agg(["first", "last"])
    reading = "; ".join(
        f"{name}: {a:.2f} to {b:.2f}" for name, a, b in zip(ends.index, ends["first"], ends["last"], strict=True)
    )
    titles = "rewarded episodes", INDEX
    chart = chart_over_seeds("points", "events", "value", titles, colour="line", reference=0.5)
    caption = f"Taught by the cue from late in life on, read when the window has closed. {SHARED}; 95 % interval."
    return Exhibit("events", "Number of rewarded episodes", rows, f"From few to many: {reading}.", caption, chart)


def _errors(means: pd.DataFrame) -> Exhibit:
    """Misses x false alarms: the index, and the absolute effect."""
    rows = means[(means["plane"] == "errors") & means["measure"].isin(["index", "change"])]
    panel = {"index": "latch index", "change": "effect of the content (units of the signal)"}
    texts = {name: [f"{value:g}" for value in rows[name]] for name in ("miss", "false_alarm")}
    rows = rows.assign(panel=rows["measure"].map(panel), **texts)
    spans = {name: rows[rows["measure"] == name]["value"] for name in panel}
    reading = "; ".join(f"{name} from {v.min():.2f} to {v.max():.2f}" for name, v in spans.items())
    chart = Chart("heat", "miss", "false_alarm", "misses", "false alarms", colour="value", panel="panel")
    caption = f"Taught by the truth at lag 1, open for life. {SHARED}."
    return Exhibit("errors", "Errors of the detector", rows, f"Over the errors: {reading}.", caption, chart)


def _effects(means: pd.DataFrame) -> Exhibit:
    """Absolute effects behind the index at the reference."""
    names = ["effect_even", "effect_mark", "effect_mark_first", "auc", "choice"]
    rows = means[(means["plane"] == "lags") & (means["rho"] == 0.8) & means["measure"].isin(names)]
    rows = rows.assign(panel=[_CONTEXT[life] for life in rows["life"]])
    rows = rows.assign(line=[f"{signal}, lag {lag:g}" for signal, lag in zip(rows["signal"], rows["lag"], strict=True)])
    reading = "An index says nothing of how large the effects are; these are the numbers behind it."
    titles = "number", "standard deviations, or probability"
    chart = chart_over_seeds("points", "measure", "value", titles, colour="line", panel="panel")
    caption = f"Correlation of cue and content 0.8. {SHARED}; 95 % interval."
    return Exhibit("effects", "Absolute effects behind the index", rows, reading, caption, chart)


def _seeds(table: pd.DataFrame) -> Exhibit:
    """The numbers of every seed on the plane of lags."""
    columns = ["life", "rho", "signal", "lag", "seed", "index", "effect_even", "effect_mark", "effect_mark_first"]
    rows = table[table["plane"] == "lags"][[*columns, "change", "auc", "choice"]]
    return exhibit_of_seeds(rows, "Lag and correlation; those of the other planes are in the folder of the answer.")


_CONTEXT = {"seen": "frame in context", "known": "learned latents alone", "untrained": "frame in context, untrained"}


def _said(name: str, value: object) -> str:
    return str(value) if name in WORDS else f"{name} {value:g}"
