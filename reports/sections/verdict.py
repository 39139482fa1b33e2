"""The answer first: the question, the verdict in a sentence with its interval, and everything that puts it in doubt."""

from __future__ import annotations

from typing import Any, ClassVar

import pandas as pd

from imprint.reports.answers import agents as agent_answer
from imprint.reports.answers.values import evidence, facts, sentence
from imprint.reports.parts import Table
from imprint.reports.reading.run import RunData
from imprint.reports.reading.tables import last_age, records
from imprint.reports.sections.base import Section
from imprint.reports.words import (
    LATCH_WORDS,
    age_words,
    listing,
    measured,
    number,
    percent,
    plural,
    quoted,
    verdict_kind,
)


class Verdict(Section):
    """Question, verdict, self-check, failures."""

    order: ClassVar[int] = 0
    title: ClassVar[str] = "The answer"
    short: ClassVar[str] = "Answer"

    def collect(self, run: RunData) -> dict[str, Any]:
        """Sentence, evidence, alerts, facts."""
        rows = last_age(run.pooled("latch", "latch"))
        row = rows.iloc[-1] if len(rows) else None
        verdict = str(row["verdict"]) if row is not None and row["verdict"] else "not judged"
        words = agent_answer.WORDS if run.agents else LATCH_WORDS
        found = {
            "question": str(run.setup.get("question") or "What did the steering signal latch onto?"),
            "description": str(run.setup.get("description") or ""),
            "verdict": verdict,
            "kind": verdict_kind(verdict) if verdict_kind(verdict) in words else "unjudged",
            "meaning": words.get(verdict_kind(verdict), "the findings hold no verdict of the latch analysis"),
            "why": str(row["why"]).rstrip(".") if row is not None else "",
            "alerts": alerts(run),
            "words": words,
            **(about_agents(run, verdict) if run.agents else about_value(run, verdict)),
        }
        per_seed = last_age(run.per_seed("latch", "latch"))[["seed", "verdict", "estimate", "low", "high", "n", "why"]]
        formats = dict.fromkeys(("estimate", "low", "high"), percent)
        tables = [Table("verdict-seeds", "Verdict of each training seed", per_seed, formats)] if len(per_seed) else []
        return found | {"tables": tables}


def about_value(run: RunData, verdict: str) -> dict[str, Any]:
    """What is said of a value that latched onto something."""
    said = {"sentence": sentence(run, verdict), "evidence": evidence(run, verdict), "facts": facts(run)}
    return said | {"numbers": [], "agreement": ""}


def about_agents(run: RunData, verdict: str) -> dict[str, Any]:
    """What is said of agents that pursue something."""
    return {
        "sentence": agent_answer.sentence(run, verdict),
        "evidence": agent_answer.evidence(run),
        "facts": agent_answer.facts(run),
        "numbers": agent_answer.pair(run),
        "agreement": agent_answer.agreement(run),
    }


def alerts(run: RunData) -> list[dict[str, str]]:
    """What a reader must know before believing anything: ``level`` is ``bad`` or ``warn``."""
    found = [{"level": "bad", "text": text} for text in _planted(run)]
    if run.failed_cells:
        cells = "; ".join(f"{cell['cell']} ({cell['error']})" for cell in run.failed_cells[:5])
        more = f"; and {len(run.failed_cells) - 5} more" if len(run.failed_cells) > 5 else ""
        count = plural(len(run.failed_cells), "piece")
        found.append({"level": "bad", "text": f"{count} of the work failed and is missing below: {cells}{more}."})
    lost = run.rows("lifetime", "diverged")
    lost = lost[lost["estimate"] > 0]
    for row in records(lost):
        seed = f"Training seed {row.seed}" if measured(row.seed) else "A training seed"
        at = f" at {age_words(row.age)}" if measured(row.age) else ""
        found.append({"level": "bad", "text": f"{seed} diverged{at}{': ' + str(row.why) if row.why else ''}."})
    found += [{"level": "warn", "text": f"A part of the run is missing: {why}."} for why in run.missing.values()]
    return found


def _planted(run: RunData) -> list[str]:
    checks: pd.DataFrame = run.rows("planted", "self_check")
    if checks.empty:
        return ["The planted self-check was not run, so nothing vouches for the instruments on this page."]
    wrong = checks[~(checks["estimate"] == 1)]
    if wrong.empty:
        return []
    names = quoted(dict.fromkeys(wrong["control"]))
    reasons = listing(dict.fromkeys(str(why) for why in wrong["why"] if why))
    return [
        f"The instruments misjudged {number(len(wrong))} of {number(len(checks))} planted learners with known answers: "
        f"{names}{' (' + reasons + ')' if reasons else ''}. Do not rely on the verdict below."
    ]
