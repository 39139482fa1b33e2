"""The page as one text that holds all it shows; the same for a server and for a folder of files.

Names of setups, concepts and folders are untrusted: they stand in it as JSON that cannot end its script element, the
script puts them on the page as text alone, and the page's policy allows no other script.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

from imprint.reports.viewer.entry import UNFINISHED, Entry, written
from imprint.reports.viewer.listing import version

TEMPLATES = Path(__file__).parent.parent / "templates"
EVERY = 2
"""Seconds between two looks of an open page."""


def page(title: str, entries: Iterable[Entry], reports: Mapping[str, str], *, folder: str, served: bool) -> str:
    """The page; ``reports``: entry -> link to its report. ``folder``: how commands name what is shown."""
    listed = list(entries)
    about = {"served": served, "every": EVERY, "made": written(datetime.now(UTC)), "folder": folder}
    about |= {"versions": {entry.id: version(entry) for entry in listed}, "reports": dict(reports)}
    style = _template("style.css") + _template("view/view.css")
    parts = {"style": style, "script": _template("view/view.js")}
    sources = " ".join(f"{name}-src '{_digest(text)}';" for name, text in parts.items())
    parts["policy"] = f"{policy(served=served)} {sources}"
    parts["data"] = _embedded({**about, "entries": [entry.data() for entry in listed]})
    text = _template("view/page.html").replace("{{title}}", escape(title))
    for name, content in parts.items():
        text = text.replace(f"{{{{{name}}}}}", content, 1)
    return text


def policy(*, served: bool) -> str:
    """What the page may do besides its own style and script: nothing, or ask its own server."""
    asking = " connect-src 'self';" if served else ""
    return f"default-src 'none'; img-src data:; base-uri 'none'; form-action 'none';{asking}"


def link(entry: Entry) -> str:
    """Where the server has the report of an entry; empty of unfinished work without one."""
    return f"report.html?id={quote(entry.id, safe='')}" if entry.report or _finished(entry) else ""


def _finished(entry: Entry) -> bool:
    return entry.state != UNFINISHED and entry.progress is None


def _template(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


def _digest(code: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(code.encode()).digest()).decode('ascii')}"


def _embedded(data: Any) -> str:
    """JSON that is safe inside a script element."""
    text = json.dumps(data, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
