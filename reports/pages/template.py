"""A run folder -> one self-contained HTML page.

Every section found in ``sections/`` collects a dictionary, and one template renders them all. The page holds Plotly
once, with every picture and table, and asks the network for nothing, so it can be mailed and opened years later.
Names of concepts, sites and setups are untrusted: Jinja escapes them in HTML, :func:`embed` inside scripts, and
:func:`imprint.reports.figures.axes.label` inside figures.

A section that fails is named on the page with its error, and the rest is still shown.
"""

from __future__ import annotations

import base64
import gzip
import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from imprint.reports.figures.axes import Plot
from imprint.reports.parts import Table

TEMPLATES = Path(__file__).parent.parent / "templates"
LARGE = 200_000
"""CSV texts longer than this many characters are packed with gzip inside the page."""


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
