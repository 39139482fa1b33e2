"""A verdict with probabilities, as the top of a page says it: the word or the words that stay open, and what leads."""

from __future__ import annotations

from imprint.analyses.verdicts import clause, sentence, smallest_set
from imprint.reports.reading.run import RunData
from imprint.reports.reading.tables import largest, last_age, records, row_of
from imprint.reports.words import age_words, interval, measured, number, percent, probability


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


def history(run: RunData) -> str:
    """What the value depended on at every age, as the rule says it there; empty for agents and for a single age."""
    rows = run.pooled("latch", "probability").dropna(subset=["age", "estimate"])
    if run.agents or rows["age"].nunique() < 2:
        return ""
    certain, spans = float(run.part("decision").get("certain") or 0.95), list[tuple[str, int]]()
    for age in sorted({int(age) for age in rows["age"]}):
        top = largest(rows[rows["age"] == age])
        said = str(top["control"]) if top["estimate"] >= certain and top["control"] != "undetermined" else ""
        if not spans or spans[-1][0] != said:
            spans.append((said, age))
    if len(spans) == 1:
        return f"At every age that was judged: {_span(spans[0][0])}."
    texts = [f"{_span(said)} from {age_words(age)}" for said, age in spans]
    return f"Over training: {', then '.join(texts)} on."


def _span(word: str) -> str:
    return f"“{word}”" if word else "undecided"


def _words(run: RunData, words: list[tuple[str, float]]) -> str:
    """The word that is said with its runner-up, or the words that stay open and what is ruled out."""
    certain = float(run.part("decision").get("certain") or 0.95)
    (word, most), *others = words
    if most >= certain:
        second = f"; next comes “{others[0][0]}”, {probability(others[0][1])}" if others else ""
        said = sentence(word, run.intended, agents=run.agents).rstrip(".")
        return f"{said} (probability {probability(most)}{second})."
    chosen = {name: chance for name, chance in words if name in smallest_set(dict(words), certain)}
    still = [
        f"{clause(name, run.intended, agents=run.agents)} ({probability(chance)})" for name, chance in chosen.items()
    ]
    possible = ("intended",) if run.agents else ("intended", "none")
    shut = [clause(name, run.intended, agents=run.agents) for name in possible if name not in chosen]
    does = "they pursue" if run.agents else "it latched onto"
    ruled = f"; that {does} {' or '.join(shut)} is ruled out" if shut else ""
    asked = "the agents pursue" if run.agents else "the value latched onto"
    return f"It is open, since no word reaches {percent(certain)}, whether {asked} {', or '.join(still)}{ruled}."


def _leader(run: RunData) -> list[str]:
    """The concept or goal with the largest dominance, against the threshold."""
    leads, dominance = row_of(last_age(run.pooled("latch", "leads"))), last_age(run.pooled("latch", "dominance"))
    row = None if leads is None else row_of(dominance[dominance["concept"] == leads["concept"]])
    if leads is None or row is None:
        return []
    threshold = run.part("decision").get("dominates")
    against = f"; from {percent(threshold)} on it would count as the only target" if measured(threshold) else ""
    held, surely = interval(row, share=True), probability(leads["estimate"])
    said = f"“{leads['concept']}” leads (probability {surely}) with {held} of {whole(run)}{against}"
    return [f"{said}{_wanted(run)}{_of_all(run, str(leads['concept']))}."]


def _of_all(run: RunData, leader: str) -> str:
    """What the leader and what no concept holds of the value's whole variance, as a clause; empty for agents."""
    now = last_age(run.pooled("latch", "share")).set_index("concept")["estimate"]
    if run.agents or not {leader, "(residual)"} <= set(now.index) or now[[leader, "(residual)"]].isna().any():
        return ""
    own, rest = percent(now[leader]), percent(now["(residual)"])
    return f"; of the value's whole variance it holds {own}, and {rest} follows none of them"


def _wanted(run: RunData) -> str:
    """How much of what agents do depends on knowing where each goal is, as a clause; empty where not measured."""
    rows = last_age(run.pooled("latch", "wanting")).dropna(subset=["estimate"])
    if not run.agents or rows.empty:
        return ""
    each = ", ".join(f"{row.concept} {number(row.estimate)}" for row in records(rows))
    return f"; how much each is wanted (0: forgetting where it is changes nothing, 1: everything): {each}"


def whole(run: RunData) -> str:
    """What dominance is a part of."""
    return "the levels in which anything is reached" if run.agents else "the variance that these concepts explain"
