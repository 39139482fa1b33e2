"""What a section is: a question about the run, answered as a dictionary that a template renders.

A section is one file here and one template of the same name in ``templates/sections`` (a section from another package
keeps its template beside its module). The file name is the section's anchor on the page. ``collect`` knows no HTML and
its template no statistics.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import pandas as pd

from imprint.models.registry import Family
from imprint.reports.run_data import RunData
from imprint.reports.words import NOT_MEASURED, number

SECTIONS = Family("sections", "imprint.reports.sections", "Section")

ROWS = 400
"""Rows of a table that are shown on the page; the download has all of them."""


@dataclass(frozen=True)
class Figure:
    """A Plotly figure with its heading, its one-line reading and its caption."""

    id: str
    """Anchor; made from the section and a counter, never from a name found in the run."""
    heading: str
    plot: dict[str, Any]
    """Plotly ``data`` and ``layout``, from :mod:`imprint.reports.figures`."""
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


class Section(ABC):
    """One part of the page. Concrete sections are final and live one to a file."""

    order: ClassVar[int]
    """Place on the page, from 0."""
    title: ClassVar[str]
    short: ClassVar[str]
    """Word for the table of contents."""

    @abstractmethod
    def collect(self, run: RunData) -> dict[str, Any] | None:
        """What the template needs, or None when the section does not apply to this run.

        Keys that the page knows: ``figures`` (list of :class:`Figure`), ``tables`` (list of :class:`Table`),
        ``missing`` (sentences that say what could not be shown and why), and ``script`` (a template with the
        section's own script, which runs after all else and must hold no template marks).
        """
