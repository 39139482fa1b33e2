"""The answer about a value: what each verdict means, and the shares behind it."""

from __future__ import annotations

from imprint.reports.reading.run import RunData
from imprint.reports.reading.tables import last_age, row_of
from imprint.reports.words import NOT_MEASURED, age_words, interval

MEANINGS = {
    "intended": "the value depends on the concept that the author of the reward meant, and on little else that was "
    "examined",
    "proxy": "the value depends on something that merely went along with the intended concept in training",
    "mixed": "the value depends on several concepts, and none of them dominates",
    "none": "the value depends on none of the concepts that were examined",
    "undetermined": "intervals are too wide or contain a threshold, so the decision rule gives no answer",
}
EXAMINED = ("episodes", "held-out episodes")
"""The setting that says how much a learner was examined on, and what it counts."""


def evidence(run: RunData) -> str:
    """The share of the intended concept and the two largest shares, with their intervals."""
    shares = last_age(run.pooled("latch", "share"))
    shares = shares[~shares["concept"].str.startswith("(")]
    if shares.empty:
        return "The shares of the value's variance were not measured."
    ranked = shares.dropna(subset=["estimate"]).sort_values("estimate", ascending=False)
    texts: list[str] = []
    for name in dict.fromkeys([run.intended, *ranked["concept"].head(2)]):
        row = row_of(shares[shares["concept"] == name])
        share = NOT_MEASURED if row is None else interval(row, share=True, seeds=not texts)
        texts.append(f"“{name}” {share}")
    age = age_words(shares["age"].max())
    return f"Share of the value's variance that each concept explains alone, at {age}: {'; '.join(texts)}."
