"""The figure of the candidates, the rows that show them, and what to try next."""

from __future__ import annotations

import pandas as pd

from imprint.analyses.expose.candidates import AGAIN, Candidate, Exposed
from imprint.reports.figures.plots import share_bars
from imprint.reports.parts import Figure
from imprint.reports.words import percent

COLOURS = {"world": "--c-proxy4", "inside": "--c-proxy3", "behaviour": "--c-proxy2"}
"""Colours of the sources, none of them that of a concept with its own colour in most setups."""
SHOWN = 6
"""Candidates of which the facts are explained."""


def bars(found: Exposed, drawn: list[Candidate]) -> Figure:
    """Shares of the candidates with their intervals."""
    named = {candidate.name: _label(candidate) for candidate in drawn}
    rows = [
        {"concept": named[c.name], "estimate": c.share.value, "low": c.share.low, "high": c.share.high} for c in drawn
    ]
    nobody = pd.DataFrame(columns=["concept", "seed", "estimate"])
    colours = {named[candidate.name]: COLOURS[candidate.source] for candidate in drawn}
    shown = sorted({candidate.source for candidate in drawn})
    sources = {"world": "green: facts of the world", "inside": "pink: directions inside", "behaviour": "gold: levels"}
    caption = (
        f"Part of the value's variance that goes with each, beyond all that the declared concepts explain together "
        f"({percent(found.declared.value)} on these rows, on which every fact was drawn by itself); "
        f"lines: 95 % intervals. Colours: {'; '.join(sources[s] for s in shown)}. "
        "What two facts do together is listed under both, and so is a fact beside the direction that carries it: bars "
        "do not add up."
    )
    if any(candidate.stable[1] > 1 for candidate in drawn):
        caption += " “2 of 6”: in so many of the seeds the share is shown by itself."
    if any(candidate.name.endswith(" with others") for candidate in drawn):
        caption += " “+” (with others): only in combination with other facts."
    heading = (
        "What the value depends on beside what was asked about"
        if found.candidates
        else "The largest of what was tested"
    )
    ends = f"[{percent(drawn[0].share.low)}, {percent(drawn[0].share.high)}]"
    reading = f"The largest is “{drawn[0].name}” with {percent(drawn[0].share.value)} {ends}."
    return Figure("unasked-shares", heading, share_bars(pd.DataFrame(rows), nobody, colours), reading, caption)


def _label(candidate: Candidate) -> str:
    """The name, and in how many of the seeds it was found."""
    (found, seeds), name = candidate.stable, candidate.name.replace(" with others", " +")
    return f"{name}, {found} of {seeds}" if seeds > 1 else name


def step(found: Exposed) -> str:
    """What to do next about the first candidate."""
    fact = next((fact for candidate in found.candidates for fact in candidate.facts), "")
    if not fact:
        return "Look at the rows that show it: no fact of the world names it."
    again = (
        "" if any(note.startswith(AGAIN) for note in found.notes) else "; imprint expose with --latch does so at once"
    )
    return (
        f"What to try next: to train it away, vary “{fact}” more, and independently of “{found.intended}”. What is "
        f"found and is a concept of the world can be named as a proxy in the setup{again}."
    )


def meanings(found: Exposed) -> list[str]:
    """What the facts are that name what was found, in one sentence; nothing where the world does not say."""
    known = {next(iter(c.facts)): c.meaning for c in found.candidates[:SHOWN] if c.meaning}
    return ["; ".join(f"“{fact}” is {text}" for fact, text in known.items()) + "."] if known else []


def evidence(found: Exposed) -> pd.DataFrame:
    """What was found: share with its interval, seeds, and how it was tested."""
    return pd.DataFrame(
        [
            {
                "what": c.name,
                "share of the variance": f"{percent(c.share.value)} [{percent(c.share.low)}, {percent(c.share.high)}]",
                "in untrained networks": percent(c.untrained),
                "found in": f"{c.stable[0]} of {c.stable[1]}",
                "q": f"{c.q_value:.2g}",
                "how it was tested": ("" if c.causal else "An association: nothing was changed. ") + c.description,
            }
            for c in found.candidates
        ]
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
