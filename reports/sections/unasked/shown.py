"""The figure of the candidates, the rows that show them, and what to try next."""

from __future__ import annotations

import pandas as pd

from imprint.analyses.expose.candidates import Candidate, Exposed
from imprint.reports.figures.plots import share_bars
from imprint.reports.parts import Figure
from imprint.reports.words import percent

COLOURS = {"world": "--c-intended", "inside": "--c-proxy1", "behaviour": "--c-proxy2"}


def bars(found: Exposed, drawn: list[Candidate]) -> Figure:
    """Shares of the candidates with their intervals."""
    rows = [{"concept": c.name, "estimate": c.share.value, "low": c.share.low, "high": c.share.high} for c in drawn]
    nobody = pd.DataFrame(columns=["concept", "seed", "estimate"])
    colours = {candidate.name: COLOURS[candidate.source] for candidate in drawn}
    shown = sorted({candidate.source for candidate in drawn})
    named = {"world": "facts of the world", "inside": "directions inside the network", "behaviour": "levels"}
    caption = (
        f"Part of the value's variance that goes with each, beyond all that the declared concepts explain together "
        f"({percent(found.declared.value)}); lines: 95 % intervals. Shown: {', '.join(named[s] for s in shown)}, "
        "each source in its own colour. A fact and the direction that carries it are both listed: bars do not add up."
    )
    if any(candidate.name.endswith(" with others") for candidate in drawn):
        caption += " “With others”: only in combination with other facts."
    heading = (
        "What the value depends on beside what was asked about"
        if found.candidates
        else "The largest of what was tested"
    )
    ends = f"[{percent(drawn[0].share.low)}, {percent(drawn[0].share.high)}]"
    reading = f"The largest is “{drawn[0].name}” with {percent(drawn[0].share.value)} {ends}."
    return Figure("unasked-shares", heading, share_bars(pd.DataFrame(rows), nobody, colours), reading, caption)


def step(found: Exposed) -> str:
    """What to do next about the first candidate."""
    fact = next((fact for candidate in found.candidates for fact in candidate.facts), "")
    if not fact:
        return "Look at the rows that show it: no fact of the world names it."
    return (
        f"What to try next: if “{fact}” is a concept of the world, name it as a proxy in the setup, or run imprint "
        f"expose with --latch; to train it away, vary “{fact}” more, and independently of “{found.intended}”."
    )


def examples(found: Exposed) -> pd.DataFrame:
    """Strongest rows and minimal pairs of every candidate that was found."""
    rows = [
        {
            "candidate": candidate.name,
            "kind": example.kind,
            "rows": ", ".join(map(str, example.rows)),
            "value": " / ".join(f"{value:.3g}" for value in example.values),
            "facts": "; ".join(f"{name}: {text}" for name, text in example.facts.items()),
        }
        for candidate in found.candidates
        for example in candidate.examples
    ]
    return pd.DataFrame(rows, columns=["candidate", "kind", "rows", "value", "facts"])
