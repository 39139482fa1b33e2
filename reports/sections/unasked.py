"""What nobody asked about: candidates that a search found, and what it could not see."""

from __future__ import annotations

from typing import Any, ClassVar

import pandas as pd

from imprint.analyses.expose.candidates import FILE, Candidate, Exposed, read_exposed
from imprint.reports.figures.plots import share_bars
from imprint.reports.parts import Figure, Table
from imprint.reports.reading.run import RunData
from imprint.reports.sections.base import Section
from imprint.reports.words import percent

DRAWN = 8
"""Bars of the figure."""
COLOURS = {"world": "--c-intended", "inside": "--c-proxy1", "behaviour": "--c-proxy2"}


class Unasked(Section):
    """Bars of the candidates' shares, and tables of their evidence."""

    order: ClassVar[int] = 12
    title: ClassVar[str] = "What nobody asked about"
    short: ClassVar[str] = "Not asked"

    def collect(self, run: RunData) -> dict[str, Any] | None:
        """The answer of ``imprint expose``; nothing for a run that was not searched."""
        file = run.path / FILE
        if not file.is_file():
            return None
        found = read_exposed(file)
        formats = dict.fromkeys(("share", "low", "high", "detectable"), percent)
        table = found.frame()
        shown = table[table["found"]].drop(columns="found")
        tables = [Table("unasked-tested", "All that was tested", table, formats, rows=40)]
        if len(shown):
            tables.insert(0, Table("unasked-found", "What was found, and how it was tested", shown, formats, open=True))
            tables.insert(1, Table("unasked-examples", "Rows that show it", examples(found)))
        sources = pd.DataFrame(
            {
                "source": [each.source for each in found.searched],
                "usable": [each.usable for each in found.searched],
                "tested": [each.tested for each in found.searched],
                "smallest share that would have been found": [each.detectable for each in found.searched],
                "how": [each.why for each in found.searched],
            }
        )
        size = {"smallest share that would have been found": percent}
        tables.append(Table("unasked-sources", "Where was searched", sources, size, open=True))
        drawn = list(found.candidates[:DRAWN]) or list(found.tested[:DRAWN])
        figures = [bars(found, drawn)] if drawn else []
        next_step = [step(found)] if found.candidates else []
        return {
            "figures": figures,
            "tables": tables,
            "sentences": [found.sentence, *next_step],
            "notes": list(found.notes),
            "unseen": list(found.unseen),
        }


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
