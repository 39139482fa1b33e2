"""The answer of a run as the top of its page and the terminal give it: verdict, reason, and the numbers behind both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from imprint.analyses.verdicts import kind_of, sentence
from imprint.reports.answers import agents, values
from imprint.reports.answers.odds import history, odds, summary
from imprint.reports.reading.run import RunData
from imprint.reports.reading.tables import last_age, row_of
from imprint.reports.words import counted_in, plural, probability, verdict_counts


@dataclass(frozen=True)
class RunAnswer:
    """A verdict in words and numbers."""

    verdict: str
    kind: str
    """The verdict without the name of a proxy; ``unjudged`` when the findings hold no verdict that is known."""
    sentence: str
    meaning: str
    """What the verdict means, as a clause."""
    meanings: Mapping[str, str]
    """Kind of verdict -> what it means."""
    reason: str
    """Why the decision rule gave this verdict; empty when no reason was recorded."""
    odds: str
    """How probable each word is; empty where one word has all, which :attr:`summary` says, or none has any."""
    summary: list[str]
    """At most two sentences: what leads, and what is said, open or ruled out; empty where the rule gave none."""
    history: str
    """What was said at every age; empty for agents and for a single age."""
    evidence: str
    """The numbers behind the verdict in a sentence."""
    rates: list[tuple[str, str, str]]
    """Of agents: capability and goal as (number, what it is, interval); empty for learners."""
    agreement: str
    """How the training seeds, judged one by one, divide; empty when they were not judged."""
    facts: list[tuple[str, str]]
    """A few numbers about the run as (what it is, number)."""


def answer_of(run: RunData) -> RunAnswer:
    """The answer at the last age, over all training seeds."""
    with counted_in(run.unit):
        return _answer_of(run)


def _answer_of(run: RunData) -> RunAnswer:
    row = row_of(last_age(run.pooled("latch", "latch")))
    verdict = str(row["verdict"]) if row is not None else ""
    of_its_kind: Any = agents if run.agents else values
    meanings = of_its_kind.MEANINGS
    kind = kind_of(verdict) if kind_of(verdict) in meanings else "unjudged"
    chances = odds(run)
    known, why = verdict if kind != "unjudged" else "", "" if row is None else str(row["why"])
    return RunAnswer(
        verdict or "not judged",
        kind,
        agents.said(known, why, run.intended) if run.agents else sentence(known, run.intended),
        meanings.get(kind, "the findings hold no verdict of the latch analysis"),
        meanings,
        why.rstrip("."),
        ", ".join(f"“{word}” {probability(chance)}" for word, chance in chances) if len(chances) > 1 else "",
        summary(run),
        history(run),
        of_its_kind.evidence(run),
        agents.rates(run) if run.agents else [],
        agreement(run),
        facts(run, of_its_kind.EXAMINED),
    )


def agreement(run: RunData) -> str:
    """How the training seeds, judged one by one, divide."""
    verdicts = last_age(run.per_seed("latch", "latch"))["verdict"]
    divided = verdict_counts(verdicts)
    where = f" in {run.worlds} worlds" if run.worlds > 1 else ""
    if not divided:
        return ""
    differ = " They differ, so what is said of all is an average." if verdicts[verdicts != ""].nunique() > 1 else ""
    return f"{plural(len(verdicts), 'training seed')}{where} judged one by one: {divided}.{_leaders(run)}{differ}"


def _leaders(run: RunData) -> str:
    """In how many training seeds each concept or goal holds most, where not always the same does; else empty."""
    leading = last_age(run.per_seed("latch", "leads"))["concept"].value_counts()
    if len(leading) < 2:
        return ""
    return f" Most is held by {', '.join(f'“{name}” in {count}' for name, count in leading.items())}."


def facts(run: RunData, examined: tuple[str, str]) -> list[tuple[str, str]]:
    """How much was trained and examined; ``examined``: a setting of the evaluation and what it counts."""
    setting, counted = examined
    count = run.part("evaluation").get(setting)
    if run.study and not run.agents:
        counted, count = "rows that were examined", run.record.get("rows")
    return [
        ("training seeds", str(len(run.seeds)) if run.seeds else "not recorded"),
        *([] if run.study else [(f"world{'s' if run.worlds > 1 else ''} they grew up in", str(run.worlds))]),
        ("ages examined", str(len(run.ages)) if run.ages else "not recorded"),
        (f"{run.unit} at the last age", f"{max(run.ages):,}" if run.ages else "not recorded"),
        (counted, f"{count:,}" if isinstance(count, int) else "not recorded"),
        ("subjects with a known answer judged correctly", planted(run)),
    ]


def planted(run: RunData) -> str:
    """How many of the subjects with a known answer got it, ``4 of 4``."""
    checks = run.rows("planted", "self_check")
    return f"{int((checks['estimate'] == 1).sum())} of {len(checks)}" if len(checks) else "not run"
