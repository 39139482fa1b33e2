"""A question's folder -> one self-contained HTML page.

The verdict stands first, then the card that was fixed before any work, then the exhibits and where they come from. The
page is made like that of a run (:mod:`imprint.reports.pages.template`): it holds all it needs and asks the network for
nothing, and all names in it are untrusted.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from imprint.analyses.questions.base import Exhibit
from imprint.models.errors import ImprintError
from imprint.models.files import write_page
from imprint.reports.answers.questions import MEANINGS, WIDE, came_out, counted, figure_of, rule_of, sentences
from imprint.reports.charts.draw import draw
from imprint.reports.charts.rows import Drawing
from imprint.reports.figures.axes import Plot
from imprint.reports.pages.template import Page, fill
from imprint.reports.parts import Table, flat
from imprint.reports.reading.evidence import evidence_of
from imprint.reports.reading.question import QuestionData, load_answer
from imprint.reports.sections.provenance import CHECKED


@dataclass(frozen=True)
class Panel:
    """One plot of an exhibit."""

    id: str
    name: str
    """Empty when the exhibit has a single plot without a name."""
    plot: Plot


@dataclass(frozen=True)
class Shown:
    """An exhibit as the template shows it."""

    id: str
    exhibit: Exhibit
    drawing: Drawing
    panels: list[Panel]
    table: Table


def report_question(folder: object) -> Path:
    """Write ``report.html`` into a question's folder (a path, or anything with a ``path``), whole or not at all.

    Raises :class:`ImprintError` when a file of the folder is missing, damaged or does not fit the others.
    """
    data = load_answer(folder)
    target = data.path / "report.html"
    write_page(target, render_question(data), data.path / "findings.parquet")
    return target


def render_question(data: QuestionData) -> str:
    """The page as text."""
    shown = [show(exhibit) for exhibit in data.answer.exhibits]
    record = pd.DataFrame(flat({"settings": data.settings, "versions": data.versions}), columns=["entry", "value"])
    found = data.answer.predictions
    told = told_of(data)
    provenance = [
        Table("record", "Settings and versions", record, open=True),
        Table("findings", "All findings", data.answer.findings, rows=0),
    ]
    evidence = evidence_of(data.path, data.answer.findings)
    provenance += [Table("verification", CHECKED, evidence.checks)] if len(evidence.checks) else []
    plots = {panel.id: panel.plot for item in shown for panel in item.panels}
    page = Page("question.html", data.folder, plots, [*told, *(item.table for item in shown), *provenance])
    shared: dict[str, Any] = {"provenance": provenance, "meanings": MEANINGS, "level": evidence.sentence}
    shared |= {"told": told, "figure": figure_of(found), "counted": counted(found)}
    shared |= {"rule": sentences(data.card.decision), "wide": WIDE}
    return fill(page, {"data": data, "shown": shown, **shared})


def told_of(data: QuestionData) -> list[Table]:
    """The decision rule as a table, and the numbers that came out; nothing for answers that keep no predictions."""
    if not (found := data.answer.predictions):
        return []
    numbers = Table("predictions", "Every prediction and control with its number", came_out(found))
    return [Table("rule", "What had to lie where", rule_of(found), open=True), numbers]


def show(exhibit: Exhibit) -> Shown:
    """An exhibit with its plots and its table; an exhibit without a chart shows its table at once."""
    anchor, frame, chart = f"exhibit-{exhibit.name}", exhibit.frame, exhibit.chart
    try:
        drawing = Drawing(()) if chart is None else draw(chart, frame)
    except ImprintError as error:
        raise ImprintError(f"exhibit {exhibit.name!r} cannot be drawn: {error}") from None
    panels = [Panel(f"figure-{exhibit.name}-{i}", name, plot) for i, (name, plot) in enumerate(drawing.panels)]
    table = Table(anchor, exhibit.heading, frame, open=chart is None)
    return Shown(f"{anchor}-section", exhibit, drawing, panels, table)
