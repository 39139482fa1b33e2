"""The answer about a value: what each verdict means, how probable each word is, and what leads."""

from __future__ import annotations

from imprint.analyses.verdicts import sentence
from imprint.reports.reading.run import RunData
from imprint.reports.reading.tables import last_age, records, row_of
from imprint.reports.words import (
    NOT_MEASURED,
    age_words,
    interval,
    listing,
    measured,
    percent,
    probability,
)

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
    "probabilities: its word can be stronger than its evidence. Run the setup again for a verdict of the second edition."
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


def odds(run: RunData) -> list[tuple[str, float]]:
    """Word -> probability at the last age, the most probable first; empty for runs of the first edition."""
    rows = last_age(run.pooled("latch", "probability"))
    return [(str(row.control), float(row.estimate)) for row in records(rows)]


def summary(run: RunData) -> list[str]:
    """What is said or open, and what leads: at most two sentences; empty where there are no probabilities."""
    words = odds(run)
    if not words or words[0] == ("undetermined", 1.0):
        return []
    return [_words(run, words), *_leader(run)]


def _words(run: RunData, words: list[tuple[str, float]]) -> str:
    """The word that is said with its runner-up, or the words that stay open and what is ruled out."""
    certain = float(run.part("decision").get("certain") or 0.95)
    (word, most), *others = words
    if most >= certain:
        second = f"; next comes “{others[0][0]}”, {probability(others[0][1])}" if others else ""
        return f"{sentence(word, run.intended).rstrip('.')} (probability {probability(most)}{second})."
    total, count = 0.0, 0
    while total < certain and count < len(words):
        total, count = total + words[count][1], count + 1
    still = [f"{_clause(name, run.intended)} ({probability(chance)})" for name, chance in words[:count]]
    excluded = [name for name in ("intended", "none") if name not in {name for name, _ in words[:count]}]
    gone = listing(_clause(name, run.intended) for name in excluded)
    ruled = f"; ruled out {'is' if len(excluded) == 1 else 'are'} {gone}" if excluded else ""
    return f"It is open whether the value latched onto {' or '.join(still)}{ruled}."


def _clause(word: str, intended: str) -> str:
    """What a word says that the value latched onto."""
    clauses = {
        "intended": f"“{intended}” alone",
        "reversed": f"“{intended}” with the opposite sign",
        "mixed": "several concepts, none of which dominates",
        "conditional": "combinations of concepts",
        "none": "none of the concepts",
        "undetermined": "something that the rule has no word for",
    }
    return clauses.get(word) or f"the proxy “{word.partition(':')[2]}” alone"


def _leader(run: RunData) -> list[str]:
    """The concept with the largest dominance, against the threshold."""
    leads, dominance = row_of(last_age(run.pooled("latch", "leads"))), last_age(run.pooled("latch", "dominance"))
    row = None if leads is None else row_of(dominance[dominance["concept"] == leads["concept"]])
    if leads is None or row is None:
        return []
    threshold = run.part("decision").get("dominates")
    against = f"; the only target would hold {percent(threshold)} or more" if measured(threshold) else ""
    surely = probability(leads["estimate"])
    held = interval(row, share=True)
    return [f"“{leads['concept']}” leads (probability {surely}) with {held} of all that is carried{against}."]
