"""The answer about a value, in words."""

from __future__ import annotations

from imprint.reports.reading.run import RunData
from imprint.reports.reading.tables import last_age
from imprint.reports.words import age_words, interval, verdict_kind


def sentence(run: RunData, verdict: str) -> str:
    """The verdict as one sentence in plain English."""
    kind, intended = verdict_kind(verdict), f"“{run.intended}”" if run.intended else "the intended concept"
    if kind == "intended":
        return f"The value latched onto {intended}, the concept its author meant."
    if kind == "proxy":
        name = verdict.split(":", 1)[-1]
        return f"The value latched onto “{name}”, a proxy that went along with {intended} in training."
    return {
        "mixed": "The value latched onto a mixture: no single concept dominates.",
        "none": "The value latched onto none of the concepts that were looked for.",
        "undetermined": "The evidence does not decide what the value latched onto.",
    }.get(kind, "There is no verdict: what the value latched onto was not judged.")


def evidence(run: RunData, verdict: str) -> str:
    """The shares behind the verdict, with their intervals."""
    shares = last_age(run.pooled("latch", "share"))
    shares = shares[~shares["concept"].str.startswith("(")]
    if shares.empty:
        return "The shares of the value's variance were not measured."
    ranked = shares.dropna(subset=["estimate"]).sort_values("estimate", ascending=False)
    first = verdict.split(":", 1)[-1] if verdict_kind(verdict) == "proxy" else run.intended
    names = list(dict.fromkeys([first, run.intended, *ranked["concept"].head(2)]))
    parts: list[str] = []
    for name in names:
        of = shares[shares["concept"] == name]
        said = interval(of.iloc[-1], share=True, seeds=not parts) if len(of) else "not measured"
        parts.append(f"“{name}”: {said}")
    age = age_words(shares["age"].max())
    return f"Share of the value's variance explained by each concept alone, at {age}: {'; '.join(parts)}."


def facts(run: RunData) -> list[tuple[str, str]]:
    """Few numbers about the run as (what, number)."""
    checks = run.rows("planted", "self_check")
    right = int((checks["estimate"] == 1).sum())
    episodes = run.part("evaluation").get("episodes")
    return [
        ("training seeds", str(len(run.seeds)) if run.seeds else "not recorded"),
        ("ages looked at", str(len(run.ages)) if run.ages else "not recorded"),
        ("held-out episodes", f"{episodes:,}" if isinstance(episodes, int) else "not recorded"),
        ("planted controls judged rightly", f"{right} of {len(checks)}" if len(checks) else "not run"),
    ]
