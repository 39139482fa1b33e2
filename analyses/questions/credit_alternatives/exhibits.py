"""Tables and charts of the question credit-alternatives."""

from __future__ import annotations

import pandas as pd

from imprint.analyses.questions.base import Exhibit, chart_over_seeds

OVER = "Mean and 95 % interval over seeds, each with a split of its own."


def exhibits(means: pd.DataFrame, gaps: pd.DataFrame) -> list[Exhibit]:
    """The answer first, then what it rests on."""
    return [_gaps(gaps), _accuracy(means), _angles(means)]


def _gaps(gaps: pd.DataFrame) -> Exhibit:
    last = gaps[gaps["depth"] == gaps["depth"].max()].set_index("arm")["value"]
    reading = f"At the last depth the smallest gap is that of {last.idxmin()} ({last.min():.3f}), the largest that of "
    reading += f"{last.idxmax()} ({last.max():.3f})."
    chart = chart_over_seeds(
        "lines", "depth", "value", ("hidden layers", "accuracy behind backpropagation"), colour="arm", reference=0.01
    )
    caption = f"Accuracy of backpropagation less that of the arm. The line is one point. {OVER}"
    return Exhibit("gaps", "How far each rule falls behind", gaps, reading, caption, chart)


def _accuracy(means: pd.DataFrame) -> Exhibit:
    frame = means[means["measure"] == "accuracy"].drop(columns=["measure", "layer"])
    trained = frame[(frame["when"] == "trained") & (frame["arm"] == "backprop")]["value"]
    born = frame[frame["when"] == "at birth"]["value"]
    reading = f"Backpropagation reaches {trained.min():.3f} to {trained.max():.3f}; at birth all are at "
    reading += f"{born.min():.2f} to {born.max():.2f}."
    chart = chart_over_seeds(
        "lines", "depth", "value", ("hidden layers", "part named right"), colour="arm", panel="when", reference=0.1
    )
    return Exhibit("accuracy", "Accuracy on digits that were not trained on", frame, reading, OVER, chart)


def _angles(means: pd.DataFrame) -> Exhibit:
    frame = means[(means["measure"] == "angle") & (means["when"] == "trained")].drop(columns=["measure", "when"])
    deepest = frame[(frame["depth"] == frame["depth"].max()) & (frame["arm"] != "backprop")]
    first = deepest[deepest["layer"] == 1].set_index("arm")["value"]
    reading = f"In the first of {frame['depth'].max()} hidden layers the angle is {first.min():.0f} degrees for "
    reading += f"{first.idxmin()} and {first.max():.0f} for {first.idxmax()}."
    chart = chart_over_seeds(
        "lines",
        "layer",
        "value",
        ("layer, from the input", "degrees from the gradient"),
        colour="arm",
        panel="depth",
        reference=90.0,
    )
    caption = (
        f"Between the rule's change and the gradient, on all training images after training; 90: unrelated. {OVER}"
    )
    return Exhibit("angles", "Where the changes point, layer by layer", frame, reading, caption, chart)
