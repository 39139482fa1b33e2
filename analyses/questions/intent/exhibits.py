"""Tables and charts of the question intent."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from imprint.analyses.questions.base import Chart, Exhibit, chart_over_seeds
from imprint.analyses.questions.intent.forecast import Comparison
from imprint.analyses.statistics import Estimate


def forecasts_exhibit(scores: Mapping[str, Estimate], gains: Mapping[str, Comparison]) -> Exhibit:
    """Accuracy of every forecaster, and how much less it is than that from internals."""
    rows = []
    for name, score in scores.items():
        row = {"forecast from": name, **score.row(count="n")}
        if name in gains:
            row |= gains[name].difference.row("internals_minus_it", ends="difference_", count=None)
            row["p_value"] = gains[name].p_value
        rows.append(row)
    best = max(scores, key=lambda name: scores[name].value)
    heading, titles = "How often forecasts of held-out seeds are right", ("", "part of seeds forecast right")
    reading = f"Best: {best}, right for {scores[best].value:.0%} of the seeds."
    caption = "Every seed is forecast from the others; exact 95 % interval over seeds; p: exact, on seeds where one of "
    caption += "two forecasts is right."
    chart = chart_over_seeds("points", "forecast from", "estimate", titles, reference=0.5)
    return Exhibit("forecasts", heading, pd.DataFrame(rows), reading, caption, chart)


def agents_exhibit(members: pd.DataFrame) -> Exhibit:
    """The description of every agent and what it pursued."""
    part, titles = members["part"], ("fraction of varied training levels", "goal's part of decided levels")
    reading = f"The goal's part of decided levels goes from {part.min():.2f} to {part.max():.2f}, {len(members)} seeds."
    chart = Chart("points", "varied", "part", *titles, reference=0.5)
    heading, caption = "Every agent: its description and what it pursued", "One row per training seed."
    return Exhibit("agents", heading, members, reading, caption, chart)
