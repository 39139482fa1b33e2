"""The answer first: the question, the verdict in a sentence with its numbers, and everything that puts it in doubt."""

from __future__ import annotations

from typing import Any, ClassVar

from imprint.reports.answers.odds import whole
from imprint.reports.answers.runs import answer_of
from imprint.reports.answers.values import EARLIER
from imprint.reports.figures.series import RATE, Scale, Series, marks
from imprint.reports.parts import Figure, Table
from imprint.reports.reading.run import RunData
from imprint.reports.reading.tables import largest, last_age, records
from imprint.reports.sections.base import Section, colours_of
from imprint.reports.words import age_words, counts, interval, listing, measured, percent, plural, quoted

LEVELS = {
    "exploratory": " (the rule was not registered before the results, or was changed)",
    "registered": " (the rule was stored before the results)",
    "replicated": " (the same verdict on seeds drawn after the rule was stored)",
}
LABELS = (
    "This study has labels and no world in which a concept could be changed alone. It shows what the value goes with; "
    "wherever words below say “depends on” or “latched onto”, read “goes with”."
)
FAILURES = 5
"""Failed cells that are listed at most."""


class Verdict(Section):
    """Question, verdict, dominance against its threshold, failures, and the verdict of each training seed."""

    order: ClassVar[int] = 0
    title: ClassVar[str] = "The answer"

    def collect(self, run: RunData) -> dict[str, Any]:
        """The answer, alerts, and a table of seeds."""
        rows = last_age(run.per_seed("latch", "latch"))[["seed", "verdict", "estimate", "low", "high", "n", "why"]]
        formats = dict.fromkeys(("estimate", "low", "high"), percent)
        return {
            "question": str(run.setup.get("question") or "What did the steering signal latch onto?"),
            "description": str(run.setup.get("description") or ""),
            "answer": answer_of(run),
            "alerts": alerts(run),
            "figures": dominance(run),
            "level": level(run),
            "tables": [Table("verdict-seeds", "Verdict of each training seed", rows, formats)] if len(rows) else [],
        }


def level(run: RunData) -> str:
    """The level of evidence with what it means."""
    found = run.evidence
    return f"Level of evidence: {found.level}{LEVELS[found.level]}." if found.level else f"{found.reason.rstrip('.')}."


def dominance(run: RunData) -> list[Figure]:
    """Each concept's part of the variance that the concepts explain, over seeds and per seed, against the threshold."""
    rows, threshold = last_age(run.pooled("latch", "dominance")), run.part("decision").get("dominates")
    rows = rows.dropna(subset=["estimate"])
    if rows.empty or threshold is None:
        return []
    seeds, names = last_age(run.per_seed("latch", "dominance")), list(rows["concept"])
    series = Series("dominance", "--ink-soft", rows.assign(place=rows["concept"]), seeds.assign(place=seeds["concept"]))
    scale = Scale("dominance", limits=RATE)
    plot = marks(names, [series], scale, colours=colours_of(run), threshold=float(threshold))
    top = largest(rows[~rows["concept"].str.startswith("(")])
    inside = measured(top["low"]) and top["low"] <= threshold <= top["high"]
    place = "inside its interval" if inside else "below it" if top["estimate"] > threshold else "above it"
    held = f"“{top['concept']}” holds most, {interval(top, share=True)}"
    reading = f"{held}; the threshold of {percent(threshold)} lies {place}."
    caption = (
        f"Dots: mean over seeds at {age_words(rows['age'].max())}; lines: 95\u00a0% interval of their mean; small "
        f"circles: single training seeds; dotted line: from here on it counts as the only target. {counts(rows)}."
    )
    return [Figure("verdict-dominance", f"Dominance: what holds how much of {whole(run)}", plot, reading, caption)]


def alerts(run: RunData) -> list[tuple[str, str]]:
    """What a reader must know before believing anything, as (``bad`` or ``warn``, sentence)."""
    bad = [*misjudged(run), *failed(run), *diverged(run)]
    missing = [f"A part of the run is missing: {why}." for why in run.missing.values()]
    earlier = [EARLIER] if not run.agents and run.part("decision") and "edition" not in run.part("decision") else []
    labels = [LABELS] if run.study == "labels" else []
    return [*(("bad", text) for text in bad), *(("warn", text) for text in (*labels, *earlier, *missing))]


def misjudged(run: RunData) -> list[str]:
    """Whether the instruments were right on subjects with a known answer."""
    checks = run.rows("planted", "self_check")
    if checks.empty:
        return ["No subjects with a known answer were judged in this run, so nothing vouches for its instruments."]
    wrong = checks[~(checks["estimate"] == 1)]
    if wrong.empty:
        return []
    reasons = listing(dict.fromkeys(str(why) for why in wrong["why"] if why))
    return [
        f"The instruments misjudged {len(wrong)} of {len(checks)} subjects with a known answer: "
        f"{quoted(dict.fromkeys(wrong['control']))}{f' ({reasons})' if reasons else ''}. "
        "Do not rely on the verdict below."
    ]


def failed(run: RunData) -> list[str]:
    """Cells of work that failed."""
    failures = run.failures
    if not failures:
        return []
    listed = "; ".join(f"{cell} ({error})" for cell, error in failures[:FAILURES])
    more = f"; and {len(failures) - FAILURES} more" if len(failures) > FAILURES else ""
    return [f"{plural(len(failures), 'piece')} of the work failed and is missing below: {listed}{more}."]


def diverged(run: RunData) -> list[str]:
    """Training seeds whose training diverged."""
    rows = run.rows("lifetime", "diverged")
    texts = []
    for row in records(rows[rows["estimate"] > 0]):
        seed = f"Training seed {row.seed}" if measured(row.seed) else "A training seed"
        after = f" after {age_words(row.age)}" if measured(row.age) else ""
        texts.append(f"{seed} diverged{after}{': ' + str(row.why).rstrip('.') if row.why else ''}.")
    return texts
