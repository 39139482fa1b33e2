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
    titles = "", "part of seeds forecast right"
    return Exhibit(
        "forecasts",
        "How often forecasts of held-out seeds are right",
        pd.DataFrame(rows),
        f"Best: {best}, right for {scores[best].value:.0%} of the seeds.",
        "Every seed is forecast from the others; exact 95 % interval over seeds; p: exact, on seeds where one of two "
        "forecasts is right.",
        chart_over_seeds("points", "forecast from", "estimate", titles, reference=0.5),
    )


def agents_exhibit(members: pd.DataFrame) -> Exhibit:
    """The description of every agent and what it pursued."""
    part, title = members["part"], "goal's part of decided levels"
    return Exhibit(
        "agents",
        "Every agent: its description and what it pursued",
        members,
        f"The goal's part of decided levels goes from {part.min():.2f} to {part.max():.2f}, {len(members)} seeds.",
        "One row per training seed.",
        Chart("points", "varied", "part", "fraction of varied training levels", title, reference=0.5),
    )
