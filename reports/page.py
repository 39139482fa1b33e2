"""A run folder -> one self-contained HTML page.

Every section found in ``sections/`` collects a dictionary, and one template renders them all. The page holds Plotly
once, with every picture and table, and asks the network for nothing, so it can be mailed and opened years later.
Names of concepts, sites and setups are untrusted: Jinja escapes them in HTML, :func:`embed` inside scripts, and
:func:`imprint.reports.figures.label` inside figures.

A section that fails is named on the page with its error, and the rest is still shown.
"""

from __future__ import annotations

import base64
import gzip
import importlib
import json
import logging
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from imprint.models.files import write_bytes
from imprint.reports.figures import Plot
from imprint.reports.run_data import RunData, load_run
from imprint.reports.sections.base import SECTIONS, Section, Table

TEMPLATES = Path(__file__).parent / "templates"
LARGE = 200_000
"""CSV texts longer than this many characters are packed with gzip inside the page."""
log = logging.getLogger(__name__)


def report(run: object) -> Path:
    """Write ``report.html`` into a run folder (a path, or anything with a ``path``), whole or not at all."""
    data = load_run(run)
    target = data.path / "report.html"
    write_bytes(target, render(data).encode("utf-8"))
    return target


def render(run: RunData) -> str:
    """The page as text."""
    sections, folders, broken = collect(run)
    plots = {figure.id: figure.plot for section in sections for figure in section["figures"]}
    tables = [table for section in sections for table in section["tables"]]
    found = {"run": run, "sections": sections, "broken": broken}
    return fill("page.html", run.name, plots, tables, found, folders)


def fill(
    template: str,
    name: str,
    plots: Mapping[str, Plot],
    tables: Sequence[Table],
    found: Mapping[str, Any],
    folders: Sequence[str] = (),
) -> str:
    """A template with what it shows (``found``) and all that makes it self-contained: style, scripts, plots, tables.

    ``name`` is the folder's, for the names of downloads; ``folders`` hold templates of sections from elsewhere.
    """
    environment = Environment(
        loader=FileSystemLoader([TEMPLATES, *folders]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["embed"] = embed
    return environment.get_template(template).render(
        found,
        style=Markup((TEMPLATES / "style.css").read_text(encoding="utf-8")),
        script=Markup((TEMPLATES / "page.js").read_text(encoding="utf-8")),
        plotly=Markup(_plotly() if plots else ""),
        figures=embed(plots),
        tables=embed({table.id: _packed(name, table) for table in tables}),
    )


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
            found = member().collect(run)
        except Exception as error:  # a page that lacks one section, and says so, beats no page
            log.exception("report section %r failed on %s", name, run.path)
            broken.append(f"{member.title}: {type(error).__name__}: {error}")
            continue
        if found is not None:
            known: dict[str, Any] = {"figures": [], "tables": [], "missing": [], "script": ""}
            sections.append(
                known | found | {"id": name, "title": member.title, "short": member.short, "template": template}
            )
    return sections, folders, broken


def _template(name: str, member: type[Section]) -> tuple[str, str]:
    """Template name of a section and, when it comes from elsewhere, the folder that holds it."""
    if (TEMPLATES / "sections" / f"{name}.html").is_file():
        return f"sections/{name}.html", ""
    source = importlib.import_module(member.__module__).__file__ or ""
    return f"{name}.html", str(Path(source).parent)


def _plotly() -> str:
    """Plotly's own bundle, made safe to stand inside a script element."""
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs()).replace("</script", "<\\/script").replace("<!--", "<\\!--")


def _packed(folder: str, table: Table) -> dict[str, str]:
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", f"{folder}-{table.id}.csv")
    text = table.csv
    if len(text) <= LARGE:
        return {"name": name, "text": text}
    return {"name": name, "gzip": base64.b64encode(gzip.compress(text.encode("utf-8"), mtime=0)).decode("ascii")}


def embed(data: Any) -> Markup:
    """JSON that is safe inside a script element; NaN and infinities become null, numpy numbers plain ones."""
    text = json.dumps(_plain(data), ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | np.ndarray | pd.Series):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if value is pd.NA or value is pd.NaT or (isinstance(value, float) and not math.isfinite(value)):
        return None
    return value
