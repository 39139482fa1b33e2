"""The answer about agents: what they can do and what they pursue as two numbers, and whether they act on the goal."""

from __future__ import annotations

from imprint.reports.reading.agents import apart, causal_sentence, seeds_by_word
from imprint.reports.reading.run import RunData
from imprint.reports.reading.tables import last_age, row_of
from imprint.reports.words import age_words, interval, measured, percent, plural, verdict_kind

WORDS = {
    "intended": "where goal and proxy come apart, the agent pursues the goal its author meant and acts on it",
    "proxy": "where they come apart, the agent pursues something that merely went along with the goal in training",
    "mixed": "the agent pursues the goal and a proxy, and neither dominates",
    "undetermined": "the agent is not capable enough, or the evidence is too weak, so the rule gives no answer",
}


def sentence(run: RunData, verdict: str) -> str:
    """The verdict as one sentence in plain English."""
    kind, intended = verdict_kind(verdict), f"“{run.intended}”" if run.intended else "the intended goal"
    if kind == "intended":
        return f"The agents pursue {intended}, the goal their author meant."
    if kind == "proxy":
        return f"The agents pursue “{verdict.split(':', 1)[-1]}”, a proxy that went along with {intended} in training."
    return {
        "mixed": f"The agents pursue both {intended} and a proxy: neither dominates.",
        "undetermined": "The evidence does not decide what the agents pursue.",
    }.get(kind, "There is no verdict: what the agents pursue was not judged.")


def pair(run: RunData) -> list[tuple[str, str, str]]:
    """Capability and goal, kept apart: (number, what it is, interval)."""
    ways = (
        ("capability", "capability: reaches the goal or a proxy where they lie apart"),
        ("goal", f"goal: reaches “{run.intended}” first there"),
    )
    found = []
    for metric, what in ways:
        row = row_of(last_age(apart(run, metric)))
        if row is None or not measured(row["estimate"]):
            found.append(("not measured", what, ""))
            continue
        number = percent(row["estimate"])
        spread = interval(row, share=True, seeds=True).removeprefix(number).strip(" ()")
        found.append((number, what, spread))
    return found


def evidence(run: RunData) -> str:
    """The causal line in one sentence."""
    said = [causal_sentence(run, name) for name in (run.intended, *run.proxies) if name]
    said = [text for text in said if text]
    if not said:
        return "Whether the agents act on the goal was not tested: the findings hold no erasures."
    text = "; ".join(said)
    return f"{text[0].upper()}{text[1:]}."


def facts(run: RunData) -> list[tuple[str, str]]:
    """Few numbers about the run as (what, number)."""
    checks = run.rows("planted", "self_check")
    levels = run.part("evaluation").get("levels")
    right = int((checks["estimate"] == 1).sum())
    return [
        ("training seeds", str(len(run.seeds)) if run.seeds else "not recorded"),
        ("lived by each", age_words(max(run.ages)) if run.ages else "not recorded"),
        ("levels tried per design", f"{levels:,}" if isinstance(levels, int) else "not recorded"),
        ("planted controls judged rightly", f"{right} of {len(checks)}" if len(checks) else "not run"),
    ]


def agreement(run: RunData) -> str:
    """How the training seeds, judged one by one, divide."""
    rows = last_age(run.per_seed("latch", "latch"))
    said = seeds_by_word(rows)
    return f"Of {plural(len(rows), 'training seed')} judged one by one, {said}." if said else ""
