"""What a page is made of: figures and tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pandas as pd

from imprint.models.files import csv_text
from imprint.reports.words import cell

ROWS = 400
"""Rows of a table that are shown on the page; the download has all of them."""
LONG = 60
"""Characters from which a cell is broken into lines."""


@dataclass(frozen=True)
class Figure:
    """A Plotly figure with its heading, its one-line reading and its caption."""

    id: str
    """Anchor; made from the section and a counter, never from a name found in the run."""
    heading: str
    plot: dict[str, Any]
    """Plotly ``data`` and ``layout``."""
    reading: str
    """One sentence made from the numbers; also what a screen reader says."""
    caption: str = ""
    """What is drawn, its units, interval and sample sizes."""


@dataclass(frozen=True)
class Table:
    """A table: shown in words, downloadable with all its digits."""

    id: str
    heading: str
    frame: pd.DataFrame
    """As downloaded."""
    formats: Mapping[str, Callable[[Any], str]] = field(default_factory=dict)
    """Column -> how a cell is shown; :func:`imprint.reports.words.cell` by default."""
    open: bool = False
    """Whether the rows are shown at once."""
    rows: int = ROWS
    """How many rows are on the page; 0: the table is in the download alone."""

    @cached_property
    def shown(self) -> pd.DataFrame:
        """What is on the page: the first ``rows``, without text columns that are empty."""
        filled = [name for name in self.frame if not (self.frame[name].astype(object) == "").all()]
        return self.frame[filled].head(self.rows)

    @cached_property
    def header(self) -> list[str]:
        """Column names as shown."""
        return [str(name).replace("_", " ") for name in self.shown.columns]

    @cached_property
    def numeric(self) -> list[bool]:
        """Which columns are numbers, and set right."""
        return [pd.api.types.is_numeric_dtype(kind) for kind in self.shown.dtypes]

    @cached_property
    def cells(self) -> list[list[str]]:
        """Rows as shown."""
        columns = [[self.formats.get(str(name), cell)(value) for value in self.shown[name]] for name in self.shown]
        return [list(row) for row in zip(*columns, strict=True)]

    @property
    def wordy(self) -> bool:
        """Whether a cell holds sentences, so that on a narrow screen each row is a paragraph."""
        return any(len(text) > LONG for row in self.cells for text in row)

    @property
    def csv(self) -> str:
        """The whole table as CSV; NaN is an empty field."""
        return csv_text(self.frame)


def flat(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Leaves of nested mappings and lists as (dotted path, text); a list of plain values stays on one line."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from flat(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
        for index, item in enumerate(value):
            yield from flat(item, f"{path}.{index}")
    else:
        shown = ", ".join(map(str, value)) if isinstance(value, list) else "" if value is None else str(value)
        yield path, shown or "(empty)"
