"""Tables and charts of the question orientation."""

from __future__ import annotations

import pandas as pd

from imprint.analyses.questions.base import Exhibit, chart_over_seeds, exhibit_of_seeds

OVER = "Mean and 95 % interval over seeds."


def exhibits(means: pd.DataFrame, table: pd.DataFrame) -> list[Exhibit]:
    """All tables of the answer; ``means``: over seeds, ``table``: of every seed."""
    main = table[table["measure"].isin(["selectivity", "roughness"])]
    return [_opening(means), _sheets(means), exhibit_of_seeds(main)]


def _listed(frame: pd.DataFrame, spec: str) -> str:
    return ", ".join(f"{row.arm} {row.value:{spec}}" for row in frame.itertuples())


def _opening(means: pd.DataFrame) -> Exhibit:
    frame = means[means["part"] == "opening"]
    caption = "Mean over units of 1 - circular variance; 0: a unit answers to all orientations alike. Untrained units "
    caption += f"are the null. {OVER}"
    chart = chart_over_seeds("points", "arm", "value", ("what came in before eye opening", "selectivity"))
    reading = f"Selectivity at eye opening: {_listed(frame, '.3f')}."
    return Exhibit("opening", "Selectivity for orientation when the eyes open", frame, reading, caption, chart)


def _sheets(means: pd.DataFrame) -> Exhibit:
    frame = means[means["part"] == "sheet"]
    rough = frame[frame["measure"] == "roughness"]
    caption = "Roughness: mean difference of neighbours in degrees, 45 by chance. Pinwheels: per unit. Bias: length of "
    caption += f"the mean orientation vector, 0 where all orientations are equally frequent. {OVER}"
    chart = chart_over_seeds("points", "arm", "value", ("what orders the sheet", "value"), panel="measure")
    reading = f"Neighbours differ by, in degrees: {_listed(rough, '.1f')}."
    return Exhibit("sheets", "Maps of orientation", frame, reading, caption, chart)
