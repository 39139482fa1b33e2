"""Figures and tables of a run, an answered question or a sweep, as files: SVG, PNG or PDF, CSV and LaTeX."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from imprint.models.errors import DamagedFileError, unknown_name
from imprint.models.files import write_bytes
from imprint.reports.figures.axes import Plot
from imprint.reports.figures.still import FORMATS, write_still
from imprint.reports.pages.question import Shown, show, told_of
from imprint.reports.pages.run import collect
from imprint.reports.pages.sweep import sweep_contents
from imprint.reports.parts import Table
from imprint.reports.reading.folders import QUESTION, is_sweep, run_folder
from imprint.reports.reading.question import load_answer
from imprint.reports.reading.run import load_run
from imprint.reports.reading.sweep import load_sweep
from imprint.reports.words import cell

LATEX_ROWS = 100
"""Tables of more rows are written as CSV alone."""
LOWERED = dict(zip("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789", strict=True))
"""Raised signs, which LaTeX has as powers alone."""
SIGNS = {"∞": r"\infty", "≤": r"\le", "≥": r"\ge", "≠": r"\ne", "→": r"\to", "β": r"\beta"}
"""Signs that LaTeX knows by name alone."""


@dataclass(frozen=True)
class Contents:
    """What a page shows, apart from its words."""

    figures: list[tuple[str, str, Plot]]
    """Anchor, heading and plot."""
    tables: list[Table]


def export(folder: str | Path, target: str | Path, *, formats: Sequence[str] = ("svg",)) -> list[Path]:
    """Write every figure and table of the folder of a run, a question or a sweep into ``target``; the paths.

    Figures go to ``figures/`` in each of ``formats`` (svg, png, pdf), tables to ``tables/`` as CSV with all digits and,
    up to 100 rows, as LaTeX (``booktabs``) as the page shows them.
    """
    for name in formats:
        if name not in FORMATS:
            raise unknown_name("format of a figure", name, FORMATS)
    contents = contents_of(run_folder(folder))
    return list(_written(contents, Path(target), formats))


def contents_of(folder: Path) -> Contents:
    """The figures and tables of the page of a folder."""
    if is_sweep(folder):
        return _of_shown(*sweep_contents(load_sweep(folder)))
    if (folder / QUESTION).exists():
        data = load_answer(folder)
        return _of_shown([show(exhibit) for exhibit in data.answer.exhibits], told_of(data))
    run = load_run(folder)
    if why := run.missing.get("findings.parquet"):
        raise DamagedFileError(f"{folder}: {why}, so there is nothing to export. Finish the run first.")
    sections, _, _ = collect(run)
    figures = [(figure.id, figure.heading, figure.plot) for section in sections for figure in section["figures"]]
    return Contents(figures, [table for section in sections for table in section["tables"]])


def _of_shown(shown: Sequence[Shown], tables: Sequence[Table]) -> Contents:
    """Figures and tables of exhibits, and further tables."""
    panels = [(item.exhibit.heading, panel) for item in shown for panel in item.panels]
    figures = [(panel.id, f"{heading} {panel.name}".strip(), panel.plot) for heading, panel in panels]
    return Contents(figures, [*(item.table for item in shown), *tables])


def latex(table: Table) -> str:
    """A table as LaTeX, its cells as the page shows them."""
    frame = table.frame.copy()
    for name in frame.columns:
        show_cell = table.formats.get(str(name), cell)
        frame[name] = [show_cell(value).replace("\u00a0", " ").replace("\u2212", "-") for value in frame[name]]
    frame.columns = [str(name).replace("_", " ") for name in frame.columns]
    label = re.sub(r"[^A-Za-z0-9]+", "-", table.id)
    text = frame.to_latex(index=False, escape=True, caption=_escaped(table.heading), label=f"tab:{label}", position="t")
    raised = re.sub(f"[{''.join(LOWERED)}]+", lambda run: f"$^{{{''.join(LOWERED[c] for c in run[0])}}}$", str(text))
    return re.sub(f"[{''.join(SIGNS)}]", lambda sign: f"${SIGNS[sign[0]]}$", raised)


def _escaped(text: str) -> str:
    return re.sub(r"([&%$#_{}])", r"\\\1", text.replace("\\", "/")).replace("~", " ").replace("^", " ")


def _written(contents: Contents, target: Path, formats: Sequence[str]) -> Iterator[Path]:
    for anchor, heading, plot in contents.figures:
        for ending in formats:
            yield write_still(plot, target / "figures" / f"{_file_name(anchor)}.{ending}", title=heading)
    for table in contents.tables:
        path = target / "tables" / f"{_file_name(table.id)}.csv"
        write_bytes(path, table.csv.encode("utf-8"))
        yield path
        if len(table.frame) <= LATEX_ROWS:
            write_bytes(path.with_suffix(".tex"), latex(table).encode("utf-8"))
            yield path.with_suffix(".tex")


def _file_name(anchor: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "-", anchor)
