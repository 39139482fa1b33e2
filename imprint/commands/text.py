"""Words and tables in the terminal. Names of concepts, sites and setups are untrusted: shown, never interpreted."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from rich.console import Console
from rich.table import Table
from rich.text import Text

from imprint.models.errors import ImprintError
from imprint.models.files import write_bytes

WIDE = 140
"""Columns when the output is not a terminal, so that tables in logs are not folded to nothing."""


def console() -> Console:
    """The terminal, or a plain wide page when the output goes to a file or a pipe."""
    out = Console(highlight=False)
    return out if out.is_terminal else Console(highlight=False, width=WIDE)


def plain(text: object) -> str:
    """``text`` without control characters (line breaks and tabs stay), so that a name cannot drive the terminal."""
    return "".join(c for c in str(text) if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cf"))


def say(out: Console, text: object, style: str = "") -> None:
    """One line, taken literally."""
    out.print(Text(plain(text), style=style))


def table(
    title: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    right: Iterable[str] = (),
    whole: Iterable[str] = (),
) -> Table:
    """A table of literal cells; columns named in ``right`` stand to the right, those in ``whole`` are never folded."""
    made = Table(title=Text(plain(title), style="bold"), title_justify="left", show_edge=False, pad_edge=False)
    numeric, unfolded = set(right), set(whole)
    for name in columns:
        made.add_column(
            Text(plain(name)), justify="right" if name in numeric else "left", overflow="fold", no_wrap=name in unfolded
        )
    for row in rows:
        made.add_row(*(Text(plain(cell)) for cell in row))
    return made


def number(value: object, digits: int = 2) -> str:
    """A number for people: ``-`` where it is missing, never zero in its place."""
    if not isinstance(value, int | float) or math.isnan(value):
        return "-"
    if isinstance(value, int):
        return f"{value:,}"
    text = f"{value:.{digits}f}"
    return text.removeprefix("-") if float(text) == 0 else text


def interval(estimate: object, low: object, high: object, digits: int = 2) -> str:
    """``0.31 [0.24, 0.38]``, or what of it is known."""
    if number(estimate) == "-":
        return "-"
    if number(low) == "-" and number(high) == "-":
        return number(estimate, digits)
    return f"{number(estimate, digits)} [{number(low, digits)}, {number(high, digits)}]"


def cell(value: Any) -> str:
    """A cell of any table, for people."""
    if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return "-"
    if isinstance(value, str | bool):
        return str(value)
    return number(float(value), 3) if isinstance(value, float) else str(value)


def write_csv(path: Path, frame: pd.DataFrame) -> None:
    """The whole table, written whole or not at all."""
    write_bytes(path, frame.to_csv(index=False).encode())


def parse_changes(given: Sequence[str]) -> dict[str, Any]:
    """``key=value`` words as a mapping; values are read as YAML, so numbers are numbers and ``[0, 640]`` is a list."""
    changes: dict[str, Any] = {}
    for word in given:
        key, equals, text = word.partition("=")
        if not equals or not key.strip():
            raise ImprintError(f"--set {word!r}: expected KEY=VALUE, for example --set schedule.ages=5.")
        try:
            changes[key.strip()] = yaml.safe_load(text)
        except yaml.YAMLError:
            raise ImprintError(f"--set {word!r}: {text!r} is not a YAML value.") from None
    return changes
