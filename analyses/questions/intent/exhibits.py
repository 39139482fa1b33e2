"""Tables and charts of the question intent."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from imprint.analyses.questions.base import Chart, Exhibit, chart_over_seeds
from imprint.analyses.questions.intent.forecast import Scored
from imprint.analyses.statistics import Estimate


def forecasts_exhibit(explained: Mapping[str, Scored], gains: Mapping[str, Scored], halves: Estimate) -> Exhibit:
    """What every forecaster explains, and how much less it is than forecasts from internals explain."""
    rows = []
    for name, one in explained.items():
        row = {"forecast from": name, **one.row()}
        if name in gains:
            row |= gains[name].estimate.row("internals_minus_it", ends="difference_", count=None)
            row["p_value_difference"] = gains[name].p_value
        rows.append(row)
    best = max(explained, key=lambda name: explained[name].estimate.value)
    heading, titles = "How much of what held-out seeds pursue is forecast", ("", "leave-one-out R2")
    reading = f"Best: {best}, {explained[best].estimate.value:.2f}; both halves of the levels agree to {halves:.3f}."
    caption = "Every seed is forecast from the others; 0: as well as by their mean; 95 % bootstrap over seeds; "
    caption += "p, one-sided: by permutation of seeds, of a difference by exchange of two forecasters' errors."
    chart = chart_over_seeds("points", "forecast from", "estimate", titles, reference=0.0)
    return Exhibit("forecasts", heading, pd.DataFrame(rows), reading, caption, chart)


def agents_exhibit(members: pd.DataFrame) -> Exhibit:
    """The description of every agent and what it pursued."""
    part, inside = members["part"], next(column for column in members if str(column).startswith("internals rollout"))
    titles = ("part of imagined walks up the critic to the goal", "goal's part of decided levels")
    reading = f"The goal's part of decided levels goes from {part.min():.2f} to {part.max():.2f}, {len(members)} seeds."
    chart = Chart("points", str(inside), "part", *titles, reference=0.5)
    heading, caption = "Every agent: its description and what it pursued", "One row per training seed."
    return Exhibit("agents", heading, members, reading, caption, chart)
