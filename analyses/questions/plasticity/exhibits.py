"""Tables and charts of the question plasticity."""

from __future__ import annotations

import pandas as pd

from imprint.analyses.questions.base import Exhibit, chart_over_seeds, exhibit_of_seeds, over_seeds

OVER = "Mean and 95 % interval over seeds."


def exhibits(means: pd.DataFrame, numbers: pd.DataFrame, table: pd.DataFrame) -> list[Exhibit]:
    """All tables of the answer; ``means``: over seeds, ``numbers``: slopes and dimensions, ``table``: of every seed."""
    return [_scaling(means), _numbers(numbers), exhibit_of_seeds(table)]


def _scaling(means: pd.DataFrame) -> Exhibit:
    frame = means[means["measure"] == "score"].assign(synapses=lambda f: f["synapses"].astype(str))
    ends = {role: part["value"].iloc[[0, -1]].tolist() for role, part in frame.groupby("role", sort=False)}
    said = [f"{role} {ends[role][0]:.2f} to {ends[role][1]:.2f}" for role in ("learner", "commanded", "fight tally")]
    reading = f"From the smallest device to the largest the score goes: {', '.join(said)}."
    caption = "Part of the error of who never adjusts that is taken away. "
    chart = chart_over_seeds("lines", "synapses", "value", ("synapses", "score"), colour="role")
    return Exhibit("scaling", "Is it better for being larger?", frame, reading, f"{caption}{OVER}", chart)


def _numbers(numbers: pd.DataFrame) -> Exhibit:
    frame = over_seeds(numbers, ["role", "measure"])
    kept = frame[frame["measure"] == "dimension"].set_index("role")["value"]
    reading = f"A learner's state depends on {kept['learner']:.0f} numbers of its history, a tally's on "
    reading += f"{kept['fight tally']:.0f}, that of a learner whose inputs are alike on {kept['alike']:.0f}."
    chart = chart_over_seeds("bars", "role", "value", ("role of the synapse", "number"), panel="measure")
    caption = "Slope: per factor of ten. Dimension: 128 synapses, 128 events. As predicted: part of the seeds. "
    return Exhibit("numbers", "Two tests of a category", frame, reading, f"{caption}{OVER}", chart)
