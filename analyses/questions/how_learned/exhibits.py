"""Tables and charts of the question how-learned."""

from __future__ import annotations

import pandas as pd

from imprint.analyses.questions.base import Exhibit, chart_over_seeds, over_seeds

WORDS = {"right": "audit by lesions", "naive_right": "naive rule"}


def exhibits(table: pd.DataFrame) -> list[Exhibit]:
    """How often each kind is named rightly, what is left after each lesion, and what was answered."""
    own = table[table["control"] == ""]
    long = own.melt(["seed", "module", "truth"], [*WORDS], "rule", "value")
    named = over_seeds(long.assign(rule=long["rule"].map(WORDS)), ["module", "truth", "rule"])
    worst = named[named["rule"] == WORDS["right"]].sort_values("value", kind="stable").iloc[0]
    chart = chart_over_seeds(
        "bars", "module", "value", ("planted kind", "part of the audits that are right"), colour="rule"
    )
    return [
        Exhibit(
            "kinds",
            "Which kinds are named",
            named,
            f"The audit is right least often about “{worst['module']}” ({worst['value']:.2f}).",
            "Part of the audits whose answer is the planted one; mean and 95 % interval over audits.",
            chart,
        ),
        _left(own),
        _answers(own),
    ]


def _left(own: pd.DataFrame) -> Exhibit:
    columns = ["whole", "at birth", *(name for name in own if str(name).startswith("without "))]
    frame = over_seeds(own.melt(["seed", "module"], columns, "life", "value"), ["module", "life"])
    lost = frame[(frame["module"] == "follows") & (frame["life"] == "without warmth")]["value"].iloc[0]
    return Exhibit(
        "lesions",
        "What each lesion leaves",
        frame,
        f"A module that is taught by another's reading keeps {lost:.2f} when the other's teacher tells nothing.",
        "Correlation of the module's output with its cause where causes are independent; mean and 95 % interval over "
        "audits.",
        chart_over_seeds("bars", "module", "value", ("planted kind", "competence (correlation)"), colour="life"),
    )


def _answers(own: pd.DataFrame) -> Exhibit:
    frame = own.groupby(["module", "truth", "answer", "naive"], sort=False).size().rename("audits").reset_index()
    wrong = int(frame[frame["answer"] != frame["truth"]]["audits"].sum())
    return Exhibit("answers", "What was answered", frame, f"{wrong} of {len(own)} answers of the audit are wrong.")
