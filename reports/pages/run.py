"""A run folder -> one self-contained HTML page.

Every section found in ``sections/`` collects a dictionary, and one template renders them all. A section that fails is
named on the page with its error, and the rest is still shown.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from imprint.models.files import write_page
from imprint.reports.pages.template import TEMPLATES, Page, fill
from imprint.reports.reading.run import RunData, load_run
from imprint.reports.sections.base import SECTIONS, Section
from imprint.reports.words import counted_in

ABOUT = ("id", "title", "template", "open", "missing", "script")
"""Keys of a section that are no content of its own."""
log = logging.getLogger(__name__)


def report(run: object) -> Path:
    """Write ``report.html`` into a run folder, whole or not at all; its path.

    ``run``: the folder, anything with a ``path``, or a run that has been read (:class:`RunData`).
    """
    data = load_run(run)
    target = data.path / "report.html"
    write_page(target, render(data), data.path / "findings.parquet")
    return target


def render(run: RunData) -> str:
    """The page as text."""
    sections, folders, broken = collect(run)
    plots = {figure.id: figure.plot for section in sections for figure in section["figures"]}
    tables = [table for section in sections for table in section["tables"]]
    page = Page("page.html", run.name, plots, tables, folders)
    listed = [(section["id"], section["title"]) for section in sections]
    return fill(page, {"run": run, "sections": sections, "broken": broken, "listed": listed})


def collect(run: RunData) -> tuple[list[dict[str, Any]], list[str], list[str]]:
    """Sections in the order of the page, folders with templates of sections from elsewhere, and what failed."""
    sections: list[dict[str, Any]] = []
    folders: list[str] = []
    broken: list[str] = []
    members: list[tuple[str, type[Section]]] = [(name, SECTIONS.load(name)) for name in SECTIONS.names()]
    for name, member in sorted(members, key=lambda item: (item[1].order, item[0])):
        template, folder = _template(name, member)
        folders += [folder] if folder else []
        try:
            with counted_in(run.unit):
                content = member().collect(run)
        except Exception as error:  # a page that lacks one section, and says so, beats no page
            log.exception("report section %r failed on %s", name, run.path)
            broken.append(f"{member.title}: {type(error).__name__}: {error}")
            continue
        if content is not None:
            empty = {"figures": [], "tables": [], "missing": [], "script": ""}
            about = {"id": name, "title": member.title, "template": template}
            whole = {**empty, **content, **about, "open": member.open}
            sections.append(whole | {"gist": _gist(whole), "bare": bool(whole["missing"]) and not _filled(whole)})
    return sections, folders, broken


def _gist(section: Mapping[str, Any]) -> str:
    """What stands beside the title of a section that is closed."""
    several = len(section["figures"]) > 1
    readings = [
        f"{figure.heading.rstrip('?')}. {figure.reading}" if several else figure.reading
        for figure in section["figures"]
    ]
    return str(section.get("gist") or section.get("reading") or next(iter([*readings, *section["missing"]]), ""))


def _filled(section: Mapping[str, Any]) -> bool:
    """Whether a section has anything but sentences that say what is missing."""
    return any(value for key, value in section.items() if key not in ABOUT)


def _template(name: str, member: type[Section]) -> tuple[str, str]:
    """Template name of a section and, when it comes from elsewhere, the folder that holds it."""
    if (TEMPLATES / "sections" / f"{name}.html").is_file():
        return f"sections/{name}.html", ""
    source = importlib.import_module(member.__module__).__file__ or ""
    return f"{name}.html", str(Path(source).parent)
