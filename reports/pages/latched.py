"""What ``imprint.latch`` returned -> one self-contained HTML page: the verdict, and the lines of evidence behind it.

Pages know no torch, so a latch is known by its tables (:data:`TABLES`) and not by its class.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from imprint.analyses.questions.base import Chart, Exhibit
from imprint.models.files import write_bytes
from imprint.reports.answers.values import MEANINGS
from imprint.reports.pages.question import show
from imprint.reports.pages.template import Page, fill
from imprint.reports.parts import Table
from imprint.reports.words import bracketed, number, percent, probability

TABLES = ("dominance", "shares", "effects", "mediation", "attribution", "residual", "twins", "findings")
"""Tables of a latch."""
NAME = "latched.html"
"""File name of the page where only a folder is given."""


def is_latch(of: object) -> bool:
    """Whether this is what ``imprint.latch`` returns."""
    return hasattr(of, "verdict") and hasattr(of, "probabilities") and all(hasattr(of, name) for name in TABLES)


def report_latched(latch: Any, path: str | Path | None = None) -> Path:
    """Write the page of a latch; its path. ``path``: as for :func:`imprint.reports.pages.located.report_located`."""
    target = Path(NAME if path is None else path)
    target = target / NAME if target.is_dir() else target
    write_bytes(target, render_latched(latch, target.stem).encode("utf-8"))
    return target


def render_latched(latch: Any, name: str = "latched") -> str:
    """The page as text; ``name`` goes into its title and the names of downloads."""
    shown = [show(exhibit) for exhibit in _exhibits(latch)]
    plots = {panel.id: panel.plot for item in shown for panel in item.panels}
    every = Table("findings", "All findings", latch.findings)
    page = Page("result.html", name, plots, [*(item.table for item in shown), every])
    content = {
        "name": name,
        "maker": "imprint latch",
        "heading": "What does the value depend on?",
        "answers": [{"concept": latch.verdict, "sentence": latch.why}],
        "notes": [] if len(latch.twins) else ["No untrained twins were given, so nothing says what they would reach."],
        "caveats": [],
        "shown": shown,
        "every": every,
        "meanings": MEANINGS,
        "asked": {"rows": latch.n},
    }
    return fill(page, content)


def _exhibits(latch: Any) -> Iterator[Exhibit]:
    words = pd.DataFrame({"word": list(latch.probabilities), "probability": list(latch.probabilities.values())})
    said = ", ".join(f"{word} {probability(p)}" for word, p in latch.probabilities.items())
    yield Exhibit("words", "Probability of each word", words, f"Counted on draws over groups: {said}.")
    for table, column, heading, title in (
        ("dominance", "dominance", "Part of the variance that these concepts explain", "dominance"),
        ("shares", "share", "Share of the value's variance", "share of the value's variance"),
        ("effects", "effect", "Change of the value when the concept alone is changed", "mean change, sd of the value"),
    ):
        frame = getattr(latch, table)
        if len(frame) and frame[column].notna().any():
            top = frame.iloc[int(frame[column].abs().fillna(0.0).argmax())]
            size = bracketed(top[column], top["low"], top["high"], number if table == "effects" else percent)
            chart = Chart("points", "concept", column, "concept", title, "low", "high", reference=0.0)
            yield Exhibit(table, heading, frame, f"Largest: {top['concept']}, {size}.", "Bars: 95 % intervals.", chart)
    if len(latch.mediation):
        read = "Share lost when the concept is erased at a site, beside random subspaces of the same rank."
        yield Exhibit("mediation", "Where the value takes it from", latch.mediation, read)
    for table, heading, read in (
        ("attribution", "Attribution on what shows each concept", "Part of the attribution on the concept's mask."),
        ("residual", "What else the value varies with", "Within combinations of the concepts."),
        ("twins", "Untrained twins", "Mean share in untrained twins, and what they stay below."),
    ):
        if len(getattr(latch, table)):
            yield Exhibit(table, heading, getattr(latch, table), read)
