"""A template filled so that the page holds all it needs: style, scripts, Plotly once, every picture and every table.

The page asks the network for nothing, so it can be mailed and opened years later. Names of concepts, sites and setups
are untrusted: Jinja escapes them in HTML, :func:`embed` inside scripts, and :func:`imprint.reports.figures.axes.label`
inside figures. Should one slip through, the browser refuses it: the page's Content-Security-Policy allows no source
from outside and only those scripts whose SHA-256 it lists.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from imprint.reports.figures.axes import Plot
from imprint.reports.glossary import occurring
from imprint.reports.parts import Table

TEMPLATES = Path(__file__).parent.parent / "templates"
POLICY = "default-src 'none'; style-src 'unsafe-inline'; style-src-attr 'unsafe-inline'; img-src data: blob:; "
POLICY += "base-uri 'none'; form-action 'none'"
"""What the page may load, its own scripts and style apart. Plotly sets styles of elements, which have no hash; browsers
that know no ``style-src-elem`` go by ``style-src``."""
UNWRITTEN = "content-security-policy"
"""Stands for the policy until all scripts of the page are known."""
UNLISTED = "<!-- words of this page -->"
"""Stands for the list of words until the page is known."""
STYLES = re.compile(r"""\.textContent='(\.maplibregl-[^']*)'""")
"""A style element that Plotly's bundle adds for maps; another one it adds empty, and fills by rules."""
LARGE = 200_000
"""CSV texts longer than this many characters are packed with gzip inside the page."""


@dataclass(frozen=True)
class Page:
    """What a page is made of, apart from its words."""

    template: str
    name: str
    """Name of the folder, for the names of downloads."""
    plots: Mapping[str, Plot]
    tables: Sequence[Table]
    folders: Sequence[str] = ()
    """Folders with templates of sections from other packages."""


def fill(page: Page, content: Mapping[str, Any]) -> str:
    """The page as text; ``content`` is what its template names."""
    environment = Environment(
        loader=FileSystemLoader([TEMPLATES, *page.folders]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["embed"] = embed
    scripts: list[str] = []
    style = (TEMPLATES / "style.css").read_text(encoding="utf-8")
    plotly = _plotly() if page.plots else ""

    def inline(code: str) -> Markup:
        """A script of this program's own, allowed to run."""
        scripts.append(_allowed(code))
        return Markup("<script>") + Markup(code) + Markup("</script>")

    text = environment.get_template(page.template).render(
        content,
        inline=inline,
        policy=UNWRITTEN,
        glossary=Markup(UNLISTED),
        style=Markup(style),
        script=Markup((TEMPLATES / "page.js").read_text(encoding="utf-8")),
        plotly=Markup(plotly),
        figures=embed(page.plots),
        tables=embed({table.id: _packed(page.name, table) for table in page.tables}),
    )
    words = environment.get_template("glossary.html").render(
        words=occurring(text, question=page.template == "question.html")
    )
    styles = " ".join(map(_allowed, (style, "", *STYLES.findall(plotly))))
    policy = f"{POLICY}; style-src-elem {styles}; script-src {' '.join(scripts)}"
    return text.replace(UNWRITTEN, policy, 1).replace(UNLISTED, words, 1)


def _allowed(code: str) -> str:
    """A script or style as a policy names it."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(code.encode()).digest()).decode('ascii')}'"


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
