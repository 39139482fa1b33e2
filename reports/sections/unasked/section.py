"""What nobody asked about: candidates that a search found, and what it could not see."""

from __future__ import annotations

from typing import Any, ClassVar

import pandas as pd

from imprint.analyses.expose.candidates import FILE, read_exposed
from imprint.reports.parts import Table
from imprint.reports.reading.run import RunData
from imprint.reports.sections.base import Section
from imprint.reports.sections.unasked.shown import bars, evidence, examples, meanings, step
from imprint.reports.words import percent

DRAWN = 8
"""Bars of the figure."""


class Unasked(Section):
    """Bars of the candidates' shares, and tables of their evidence."""

    order: ClassVar[int] = 12
    title: ClassVar[str] = "What nobody asked about"

    def collect(self, run: RunData) -> dict[str, Any] | None:
        """The answer of ``imprint expose``; nothing for a run that was not searched."""
        file = run.path / FILE
        if not file.is_file():
            return None
        found = read_exposed(file)
        formats = dict.fromkeys(("share", "low", "high", "detectable"), percent)
        table = found.frame()
        tables = [Table("unasked-tested", "The largest of all that was tested", table, formats, rows=40)]
        if found.candidates:
            brief = evidence(found)
            tables.insert(0, Table("unasked-found", "What was found, and how it was tested", brief, open=True))
            tables.insert(1, Table("unasked-examples", "Rows that show it", examples(found)))
        sources = pd.DataFrame(
            {
                "source": [each.source for each in found.searched],
                "usable": [each.usable for each in found.searched],
                "tested": [each.tested for each in found.searched],
                "found in one seed with a probability of .8": [each.detectable for each in found.searched],
                "how": [each.why for each in found.searched],
            }
        )
        size = {"found in one seed with a probability of .8": percent}
        tables.append(Table("unasked-sources", "Where was searched", sources, size, open=True))
        drawn = list(found.candidates[:DRAWN]) or list(found.tested[:DRAWN])
        figures = [bars(found, drawn)] if drawn else []
        next_step = [*meanings(found), step(found)] if found.candidates else []
        return {
            "figures": figures,
            "tables": tables,
            "sentences": [found.sentence, *next_step],
            "notes": list(found.notes),
            "unseen": list(found.unseen),
        }
