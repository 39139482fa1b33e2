"""Tables and charts of the question belief-reward."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from imprint.analyses.questions.base import Exhibit, chart_over_seeds, exhibit_of_seeds
from imprint.analyses.statistics import mean_of_all

OVER = "Mean and 95 % interval over seeds, each in a world of its own."
TITLES = "exposures", "avoidance, in parts of the punishment"


def exhibits(means: pd.DataFrame, kept: Mapping[str, pd.Series], table: pd.DataFrame) -> list[Exhibit]:
    """All tables of the answer; ``means``: over seeds, ``kept``: arm -> part by seed, ``table``: of every seed."""
    means = means.assign(exposures=means["exposures"].astype(str))
    learned = means[means["basis"] == "as learned"]
    seeds = table[(table["basis"] == "as learned") & (table["measure"] == "avoidance, unseen")]
    return [_unseen(learned, kept), _bases(means), _belief(learned), _withdrawal(learned), exhibit_of_seeds(seeds)]


def _of(means: pd.DataFrame, measure: str) -> pd.DataFrame:
    return means[means["measure"] == measure]


def _unseen(learned: pd.DataFrame, kept: Mapping[str, pd.Series]) -> Exhibit:
    parts = "; ".join(f"{arm} {mean_of_all(values):.2f}" for arm, values in kept.items())
    chart = chart_over_seeds("lines", "exposures", "value", TITLES, colour="arm")
    caption = "How much lower a danger behind the screen is valued than a stranger there; 1 is the whole punishment. "
    caption += "Exposure: the danger is behind the screen and does no harm. Shuffled: signals of other episodes. "
    reading = f"Kept after the last exposure, beyond the shuffled arm and in parts of the start: {parts}."
    heading = "Avoidance of a danger that is there and not seen"
    return Exhibit("unseen", heading, _of(learned, "avoidance, unseen"), reading, caption + OVER, chart)


def _bases(means: pd.DataFrame) -> Exhibit:
    shown = means[means["measure"].isin(["avoidance, unseen", "avoidance, removed", "avoidance, seen"])]
    last = shown[(shown["exposures"] == shown["exposures"].iloc[-1]) & (shown["arm"] == "upstream")]
    rows = last[["basis", "measure", "value"]].itertuples(index=False)
    reading = "Upstream, after the last exposure: " + "; ".join(f"{b}, {m} {v:.2f}" for b, m, v in rows) + "."
    caption = "Removed: a stranger has just stepped out where the danger went in. Seen: in front of the screen. "
    drawn = shown.sort_values("basis", key=lambda basis: basis != "as learned", kind="stable")
    chart = chart_over_seeds("lines", "exposures", "value", TITLES, colour="arm", panel="panel")
    drawn = drawn.assign(panel=drawn["basis"] + ": " + drawn["measure"].str.removeprefix("avoidance, "))
    return Exhibit("controls", "Where it must be, and where it must not", drawn, reading, caption + OVER, chart)


def _belief(learned: pd.DataFrame) -> Exhibit:
    rows = learned[learned["measure"].isin(["belief, unseen", "belief, removed"]) & (learned["arm"] != "downstream")]
    mine = _of(rows[rows["arm"] == "upstream"], "belief, unseen")["value"]
    reading = f"The belief that the reward reads goes from {mine.iloc[0]:.2f} to {mine.iloc[-1]:.2f}."
    caption = "Belief in the danger less that in twin episodes with a stranger; its change is the drift. Downstream it "
    titles = "exposures", "belief, difference"
    chart = chart_over_seeds("lines", "exposures", "value", titles, colour="arm", panel="measure")
    heading = "Drift of the belief"
    return Exhibit("belief", heading, rows, reading, f"{caption}is as upstream and read by nothing. {OVER}", chart)


def _withdrawal(learned: pd.DataFrame) -> Exhibit:
    rows = _of(learned, "withdrawal, unseen")
    ends = {arm: part["value"] for arm, part in rows.groupby("arm", sort=False)}
    reading = "; ".join(f"{arm!s} from {each.iloc[0]:.2f} to {each.iloc[-1]:.2f}" for arm, each in ends.items())
    caption = f"Part of the episodes with a value below half of the punishment, danger less stranger, unseen. {OVER}"
    chart = chart_over_seeds("lines", "exposures", "value", ("exposures", "part of episodes"), colour="arm")
    return Exhibit("withdrawal", "How often it withdraws", rows, f"Withdraws: {reading}.", caption, chart)
