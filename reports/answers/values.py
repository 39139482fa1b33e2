"""The answer about a value: what each verdict means, how probable each word is, and what leads."""

from __future__ import annotations

from imprint.reports.reading.run import RunData
from imprint.reports.reading.tables import last_age, row_of
from imprint.reports.words import NOT_MEASURED, age_words, interval

MEANINGS = {
    "intended": "the value depends on the concept that the author of the reward meant, and on little else that was "
    "examined",
    "reversed": "the value depends on the intended concept, but falls where it was meant to rise",
    "proxy": "the value depends on something that merely went along with the intended concept in training",
    "mixed": "the value depends on several concepts, and none of them dominates",
    "conditional": "the value depends on combinations of concepts more than on any single one",
    "none": "the value depends on none of the concepts that were examined",
    "undetermined": "no single word is probable enough to be said; the words that remain open are listed with their "
    "probabilities",
}
EXAMINED = ("episodes", "held-out episodes")
"""The setting that says how much a learner was examined on, and what it counts."""
EARLIER = (
    "This run was judged under the first edition of the rule, which compared estimates with thresholds and gave no "
    "probabilities: its word can be stronger than its evidence. Run the setup again for a verdict of the second "
    "edition."
)


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
