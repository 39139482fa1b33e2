"""Text and tables in the terminal. Names of concepts, sites and setups are untrusted: shown, never interpreted."""

from __future__ import annotations

import json
import math
import sys
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from rich.console import Console
from rich.table import Table
from rich.text import Text

from imprint.models.errors import ImprintError, unknown_name

if TYPE_CHECKING:
    import pandas as pd

WIDE = 140
"""Columns when the output is not a terminal, so that tables in logs are not folded to nothing."""


LISTED = {
    **{"compare": "rows", "doctor": "checks", "export": "files"},
    **{"list": "families", "locate": "cells", "power": "rows"},
}
"""Command -> entry of its JSON under which a table stands that is all of its answer."""
_silent = ContextVar("silent", default=False)
"""Whether only JSON is printed."""


def console() -> Console:
    """The terminal, or a wide page of plain text when the output goes to a file or a pipe; silent beside JSON."""
    if _silent.get():
        return Console(quiet=True)
    out = Console(highlight=False)
    return out if out.is_terminal else Console(highlight=False, width=WIDE)


def answered(work: Callable[[], Any], *, of: str, as_json: bool) -> Any:
    """What ``work`` returns. With ``as_json`` it is printed as JSON, and nothing else is printed.

    ``of``: the command, whose output has a schema (:mod:`imprint.schemas.outputs`).
    """
    if not as_json:
        return work()
    token = _silent.set(True)
    try:
        result = work()
    finally:
        _silent.reset(token)
    data = jsonable(result)
    if of == "list" or (of in LISTED and not isinstance(data, dict)):
        data = {LISTED[of]: data}
    whole = {"schema": f"imprint/{of}/1", **data}
    sys.stdout.write(json.dumps(whole, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
    return result


def jsonable(value: Any) -> Any:
    """``value`` in the types of JSON: tables are lists of rows, records mappings; NaN and infinities become null."""
    if hasattr(value, "to_dict") and hasattr(value, "columns"):
        return [jsonable(row) for row in value.to_dict("records")]
    if is_dataclass(value) and not isinstance(value, type):
        return {item.name: jsonable(getattr(value, item.name)) for item in fields(value) if item.repr}
    if isinstance(value, Mapping):
        return {str(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [jsonable(item) for item in value]
    if hasattr(value, "item") and getattr(value, "ndim", 0) == 0:
        value = value.item()
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return None if str(value) in ("<NA>", "NaT") else str(value)


def error_console() -> Console:
    """Standard error, for what is no part of the answer."""
    return Console(stderr=True, highlight=False)


def plain(text: object) -> str:
    """``text`` without control characters (line breaks and tabs stay), so that a name cannot drive the terminal."""
    return "".join(c for c in str(text) if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cf"))


def say(out: Console, text: object, style: str = "") -> None:
    """A text, taken literally."""
    out.print(Text(plain(text), style=style))


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], *, right: Iterable[str] = ()) -> Table:
    """A table of literal cells; columns named in ``right`` are set right."""
    made = Table(title=Text(plain(title), style="bold"), title_justify="left", show_edge=False, pad_edge=False)
    numeric = set(right)
    for name in columns:
        made.add_column(Text(plain(name)), justify="right" if name in numeric else "left", overflow="fold")
    for row in rows:
        made.add_row(*(Text(plain(cell)) for cell in row))
    return made


def chosen(what: str, wanted: Sequence[str], there: Iterable[str]) -> list[str]:
    """The names ``there``, each once: all, or those ``wanted``. Raises :class:`UnknownNameError` for another name."""
    names = list(dict.fromkeys(there))
    for name in wanted:
        if name not in names:
            raise unknown_name(what, name, names)
    return [name for name in names if not wanted or name in wanted]


def write_csv(path: Path, frame: pd.DataFrame) -> None:
    """The whole table, written whole or not at all."""
    from imprint.models.files import csv_text, write_bytes

    write_bytes(path, csv_text(frame).encode())


def parse_changes(words: Sequence[str]) -> dict[str, Any]:
    """``key=value`` words as a mapping; values are read as YAML, so numbers are numbers and ``[0, 640]`` is a list."""
    changes: dict[str, Any] = {}
    for word in words:
        key, equals, text = word.partition("=")
        if not equals or not key.strip():
            raise ImprintError(f"--set {word!r}: expected KEY=VALUE, for example --set schedule.ages=5.")
        if key.strip() in changes:
            raise ImprintError(f"--set {key.strip()} is given twice; leave one out.")
        try:
            changes[key.strip()] = yaml.safe_load(text)
        except (yaml.YAMLError, ValueError, RecursionError):
            raise ImprintError(f"--set {word!r}: {text!r} is not a YAML value.") from None
    return changes
