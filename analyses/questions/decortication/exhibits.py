"""Tables and charts of the question decortication."""

from __future__ import annotations

import pandas as pd

from imprint.analyses.questions.base import Exhibit, chart_over_seeds, exhibit_of_seeds

MAIN = ("whole", "no learner", "no steering")
TITLES = {
    "survival": ("Survival after a lesion, by age", "part that reached the limit", ".2f"),
    "expectancy": ("Length of life after a lesion, by age", "moments lived for each death", ",.0f"),
}
OVER = (
    "Mean and 95 % interval over seeds. Watching: the learner also learns from what the reflexes do; own: from its own "
)
OVER += "acts alone. Sham: nothing was taken away."


def exhibits(means: pd.DataFrame, table: pd.DataFrame) -> list[Exhibit]:
    """All tables of the answer; ``means``: over seeds, ``table``: of every seed."""
    found = [_lines(means, measure) for measure in TITLES]
    ends = table["age"].isin([table["age"].min(), table["age"].max()])
    main = table[(table["measure"] == "survival") & ends & table["condition"].isin(MAIN)]
    return [*found, exhibit_of_seeds(main)]


def _lines(means: pd.DataFrame, measure: str) -> Exhibit:
    heading, title, spec = TITLES[measure]
    frame = means[means["measure"] == measure]
    ages = frame["age"].min(), frame["age"].max()
    value = frame.set_index(["growing", "condition", "age"])["value"]
    parts = [
        f"{growing}, {condition}: {value[growing, condition, ages[0]]:{spec}} at birth, "
        f"{value[growing, condition, ages[1]]:{spec}} at the end"
        for growing in frame["growing"].unique()
        for condition in MAIN
    ]
    chart = chart_over_seeds("lines", "age", "value", ("moments lived", title), colour="condition", panel="growing")
    return Exhibit(measure, heading, frame.assign(age=frame["age"].astype(str)), f"{'; '.join(parts)}.", OVER, chart)
