"""Tables and charts of the question bird-detector."""

from __future__ import annotations

import pandas as pd

from imprint.analyses.questions.base import Exhibit, chart_over_seeds, exhibit_of_seeds

OVER = "Mean and 95 % interval over seeds."
ANIMALS = "Whole: detector or learner. Innate: the learner is ablated. Learned: the detector is lesioned. "


def exhibits(means: pd.DataFrame, graded: pd.DataFrame, table: pd.DataFrame) -> list[Exhibit]:
    """All tables of the answer; ``means`` and ``graded``: over seeds, ``table``: of every seed."""
    return [_flight(means), _warning(means), _graded(graded), exhibit_of_seeds(table)]


def _value(frame: pd.DataFrame, age: str, animal: str, measure: str, *, arm: str = "telling") -> float:
    chosen = frame["age"].eq(age) & frame["animal"].eq(animal) & frame["measure"].eq(measure) & frame["arm"].eq(arm)
    return float(frame.loc[chosen, "value"].iloc[0])


def _flight(means: pd.DataFrame) -> Exhibit:
    frame = means[(means["measure"] != "first frame of flight") & (means["arm"] == "telling")]
    frame = frame.assign(who=frame["age"] + ", " + frame["animal"])
    reading = f"Newborn, the detector alone hits {_value(means, 'newborn', 'innate', 'hit'):.2f} and the learner alone "
    reading += f"{_value(means, 'newborn', 'learned', 'hit'):.2f}; grown, the learner alone flees from a shadow under "
    reading += f"clouds in {_value(means, 'grown', 'learned', 'shadow'):.2f} of the trials, the detector in "
    reading += f"{_value(means, 'grown', 'innate', 'shadow'):.2f}."
    caption = f"Hit, false alarm: disc in view. Shadow, no shadow: disc behind a cloud. {ANIMALS}"
    chart = chart_over_seeds("bars", "who", "value", ("animal", "part of the trials with flight"), panel="measure")
    return Exhibit("flight", "Who flees from what", frame, reading, f"{caption}{OVER}", chart)


def _warning(means: pd.DataFrame) -> Exhibit:
    frame = means[(means["age"] == "grown")]
    frame = frame[frame["measure"].isin(["shadow", "no shadow", "first frame of flight"])]
    first = [_value(means, "grown", animal, "first frame of flight") for animal in ("innate", "whole")]
    reading = f"Grown, the whole animal flees from danger with a shadow in frame {first[1]:.1f}, the detector alone in "
    reading += f"frame {first[0]:.1f}; where shadows tell nothing, the learner flees from them in "
    reading += f"{_value(means, 'grown', 'learned', 'shadow', arm='idle'):.2f} of the trials."
    chart = chart_over_seeds("bars", "animal", "value", ("animal", "rate, or frame"), colour="arm", panel="measure")
    caption = "Telling: shadows go along with danger. Idle: they are as frequent without (control). "
    return Exhibit("warning", "What the shadow tells", frame, reading, f"{caption}{ANIMALS}{OVER}", chart)


def _graded(graded: pd.DataFrame) -> Exhibit:
    flees = graded[graded["measure"] == "flees"]
    reading = f"The detector fires in {flees['value'].iloc[0]:.2f} of the frames with the least evidence and in "
    reading += f"{flees['value'].iloc[-1]:.2f} of those with the most."
    chart = chart_over_seeds(
        "points", "evidence", "value", ("evidence, in thresholds", "rate of flight, or vigour"), panel="measure"
    )
    return Exhibit("graded", "Escape around the threshold", graded, reading, f"Frames with a threat. {OVER}", chart)
