"""Tables and charts of the question tractable."""

from __future__ import annotations

import pandas as pd

from imprint.analyses.questions.base import Exhibit, chart_over_seeds

OVER = "Mean and 95 % interval over seeds, each with tasks of its own."


def exhibits(counts: pd.DataFrame, growth: pd.DataFrame) -> list[Exhibit]:
    """The answer first, then what it rests on; ``counts`` and ``growth``: means over seeds."""
    return [_growth(growth), _counts(counts)]


def _growth(growth: pd.DataFrame) -> Exhibit:
    frame = growth.assign(kind=growth["kind"] + ", " + growth["learner"]).drop(columns="learner")
    exponent = frame[frame["measure"] == "exponent"].set_index("kind")["value"]
    listed = ", ".join(f"{kind} {value:.1f}" for kind, value in exponent.items() if not str(kind).startswith("table"))
    reading = f"Examples grow with the number of bits to the power of: {listed}."
    chart = chart_over_seeds("points", "kind", "value", ("task, learner", "value"), panel="measure", reference=0)
    caption = "Criterion: by how much a power of the number of bits fits better than an exponential (BIC). "
    return Exhibit("growth", "A power or an exponential", frame, reading, f"{caption}{OVER}", chart)


def _counts(counts: pd.DataFrame) -> Exhibit:
    frame = counts.assign(kind=counts["kind"] + ", " + counts["learner"]).drop(columns="learner")
    last = frame.groupby("kind", sort=False).last()
    listed = ", ".join(f"{kind} {row.value:,.0f} (of {row.bits:.0f} bits)" for kind, row in last.iterrows())
    chart = chart_over_seeds("lines", "bits", "value", ("bits of a task", "examples"), colour="kind")
    return Exhibit("counts", "Examples that were needed", frame, f"For the largest tasks: {listed}.", OVER, chart)
