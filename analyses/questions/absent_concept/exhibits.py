"""Tables and charts of the question absent-concept."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from imprint.analyses.predictions import Prediction
from imprint.analyses.questions.base import Chart, Exhibit, chart_over_seeds, exhibit_of_seeds
from imprint.analyses.statistics import rate_of

RATES = {"called_present": "part of the learners whose statistic lies above the threshold; control: kind and state"}
LATCHED = {
    "flag_rate": "part of the episodes in which the value is above half of the signal",
    "auc_even": "probability that the value is larger with the concept than without it",
    "auc_mark": "probability that the value is larger with the mark than without it",
    "auc_speck": "probability that the value is larger with the speck than without it",
    "auc_nearest": "AUC of the value for the correlate that it follows most, on either side",
    "change_nearest": "how far the value moves with that correlate, in units of the signal",
}
"""What is measured of a value -> what it is."""


def rates_of(table: pd.DataFrame, threshold: float) -> pd.DataFrame:
    """kind, state, part of the learners above the threshold with its exact interval (``n``: learners)."""
    rows = []
    for (kind, state), part in table.groupby(["kind", "state"], sort=False):
        rate = rate_of(int((part["statistic"] > threshold).sum()), len(part))
        rows.append({"kind": kind, "state": state, **rate.row("rate", count="n")})
    return pd.DataFrame(rows)


def exhibits(
    table: pd.DataFrame, predictions: Sequence[Prediction], *, threshold: float, means: pd.DataFrame
) -> list[Exhibit]:
    """All tables of the answer; ``table``: rows of every learner, ``means``: of values over seeds."""
    named = table[table["kind"] != "untrained"].assign(group=_groups(table[table["kind"] != "untrained"]))
    return [
        _predictions(predictions),
        _statistics(named, threshold),
        _curves(table),
        _rates(rates_of(table, threshold), threshold),
        _values(means),
        _named(table),
        exhibit_of_seeds(table),
    ]


def _predictions(predictions: Sequence[Prediction]) -> Exhibit:
    frame = pd.DataFrame(
        [{"number": p.name, **p.measured.row("value", count="n"), "outcome": p.outcome} for p in predictions]
    )
    held = int((frame["outcome"] == "held").sum())
    reading = f"{held} of {len(frame)} numbers lie with their whole interval where they must."
    return Exhibit("predictions", "What was predicted", frame, reading, "95 % intervals over learners.")


def _statistics(named: pd.DataFrame, threshold: float) -> Exhibit:
    """Every learner by state; the threshold as a line."""
    frame = named[["group", "state", "rho", "kind", "seed", "statistic", "site", "score", "floor"]]
    middle = frame.groupby("group", sort=False)["statistic"].median()
    reading = (
        f"Threshold {threshold:.2f}; medians: {'; '.join(f'{name} {value:.2f}' for name, value in middle.items())}."
    )
    titles = "learners", "largest selectivity over all sites"
    chart = Chart("points", "group", "statistic", *titles, reference=threshold)
    caption = "One point a learner; line: what 95 % of the untrained learners stay below."
    return Exhibit("statistics", "The detector on every learner", frame, reading, caption, chart)


def _curves(table: pd.DataFrame) -> Exhibit:
    """The ROC against each kind of absence."""
    trained = table[table["kind"] == "trained"]
    present, rows = trained[trained["state"] == "present"]["statistic"].to_numpy(), []
    for state, part in trained[trained["state"] != "present"].groupby("state", sort=False):
        absent = part["statistic"].to_numpy()
        cuts = np.unique(np.concatenate([present, absent, [np.inf, -np.inf]]))[::-1]
        corners = {((absent >= c).mean(), (present >= c).mean()) for c in cuts}
        rows += [{"against": state, "false": a, "found": b} for a, b in sorted(corners)]
    frame = pd.DataFrame(rows)
    best = frame[frame["false"] <= 0.05].groupby("against", sort=False)["found"].max()
    parts = ", ".join(f"{found:.0%} against {state}" for state, found in best.items())
    titles = "part of the learners without the concept that is called present", "part of those with it that is found"
    curve = frame.groupby(["against", "false"], sort=False).agg(found=("found", "max")).reset_index()
    chart = Chart("lines", "false", "found", *titles, colour="against")
    return Exhibit("roc", "Receiver operating characteristic", curve, f"With at most 5 % false: {parts}.", "", chart)


def _rates(rates: pd.DataFrame, threshold: float) -> Exhibit:
    frame = rates.assign(group=rates["kind"] + ", " + rates["state"])
    trained = rates[rates["kind"] == "trained"]
    parts = ", ".join(f"{r:.0%} ({state})" for state, r in zip(trained["state"], trained["rate"], strict=True))
    chart = chart_over_seeds("points", "group", "rate", ("learners", "part that is called present"))
    caption = f"Threshold {threshold:.3f}, from untrained learners; exact 95 % intervals over learners."
    return Exhibit("rates", "At the threshold", frame, f"Called present: {parts}.", caption, chart)


def _values(means: pd.DataFrame) -> Exhibit:
    frame = means.assign(group=[f"{s}, correlate {r:g}" for s, r in zip(means["state"], means["rho"], strict=True)])
    flags = frame[frame["metric"] == "flag_rate"]
    reading = "; ".join(f"{g} {v:.2f}" for g, v in zip(flags["group"], flags["value"], strict=True))
    chart = chart_over_seeds("points", "group", "value", ("life", "rate, or AUC"), colour="metric")
    caption = "Mean over seeds, each in a world of its own; 95 % interval. A silent value flags nothing."
    return Exhibit("values", "What the same signal latched onto", frame, f"Flagged: {reading}.", caption, chart)


def _named(table: pd.DataFrame) -> Exhibit:
    trained = table[table["kind"] == "trained"]
    silent, follows = trained["flag_rate"] <= 0.05, trained["auc_nearest"] >= 0.8
    does = np.where(silent, "silent", np.where(follows, "follows " + trained["nearest"].astype(str), "neither"))
    frame = (
        trained.assign(does=does).groupby(["state", "rho", "does"], sort=False).size().rename("learners").reset_index()
    )
    neither = int(frame[(frame["does"] == "neither") & (frame["state"] != "present")]["learners"].sum())
    reading = f"{neither} learners without the concept have a value that is neither silent nor follows a correlate."
    caption = "Silent: flags at most 5 % of the episodes. Follows: AUC of at least 0.8 for a correlate, which is named."
    return Exhibit("named", "Silent, or which correlate", frame, reading, caption)


def _groups(table: pd.DataFrame) -> list[str]:
    """State with its correlation, and the kind where it is a control."""
    rows = zip(table["state"], table["rho"], table["kind"], strict=True)
    return [f"{state}, correlate {rho:g}" + ("" if kind == "trained" else f" ({kind})") for state, rho, kind in rows]
