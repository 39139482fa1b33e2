"""What a page is made of: a figure and a table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pandas as pd

from imprint.reports.words import NOT_MEASURED, number

ROWS = 400
"""Rows of a table that are shown on the page; the download has all of them."""


@dataclass(frozen=True)
class Figure:
    """A Plotly figure with its heading, its one-line reading and its caption."""

    id: str
    """Anchor; made from the section and a counter, never from a name found in the run."""
    heading: str
    plot: dict[str, Any]
    """Plotly ``data`` and ``layout``, from :mod:`imprint.reports.figures.plots`."""
    reading: str
    """One sentence generated from the numbers; also what a screen reader says."""
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
    """Column -> how a cell is shown; numbers have three significant digits by default."""
    open: bool = False
    """Whether the rows are shown at once."""
    listed: bool = True
    """Whether rows are on the page at all, or only in the download."""

    @cached_property
    def shown(self) -> pd.DataFrame:
        """What is on the page: the first :data:`ROWS` rows, without text columns that say nothing."""
        said = [name for name in self.frame if not (self.frame[name].astype(object) == "").all()]
        return self.frame[said].head(ROWS if self.listed else 0)

    @cached_property
    def header(self) -> list[str]:
        """Column names as shown."""
        return [str(name).replace("_", " ") for name in self.shown.columns]

    @cached_property
    def numeric(self) -> list[bool]:
        """Which columns are numbers (set right)."""
        return [pd.api.types.is_numeric_dtype(kind) for kind in self.shown.dtypes]

    @cached_property
    def cells(self) -> list[list[str]]:
        """Rows as shown; NaN reads ``not measured``, empty text stays empty."""
        columns = [
            [self.formats.get(str(name), number if is_number else _text)(value) for value in self.shown[name]]
            for name, is_number in zip(self.shown.columns, self.numeric, strict=True)
        ]
        return [list(row) for row in zip(*columns, strict=True)]

    @property
    def csv(self) -> str:
        """The whole table as CSV; NaN is an empty field."""
        return str(self.frame.to_csv(index=False))


def _text(value: Any) -> str:
    return NOT_MEASURED if not isinstance(value, str) and pd.isna(value) else str(value)


def flat(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Leaves of nested mappings and lists as (dotted path, text); short lists of plain things stay on one line."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from flat(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
        for index, item in enumerate(value):
            yield from flat(item, f"{path}.{index}")
    else:
        shown = ", ".join(map(str, value)) if isinstance(value, list) else "" if value is None else str(value)
        yield path, shown or "(empty)"
