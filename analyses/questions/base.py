"""The contract of a question: a card that says beforehand what is expected, work cut into pieces, and a conclusion.

A question's settings and card, decision rule included, are written to disk before any piece of its work begins. Pieces
of work are pure functions that return tables; they run side by side, and one that fails does not hold up the rest. The
conclusion sees only the tables.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from imprint.analyses.verdicts import Conclusion
from imprint.models.registry import Family

QUESTIONS = Family("questions", "imprint.analyses.questions", "Question")


@dataclass(frozen=True)
class Card:
    """What is asked, fixed before the answer is known."""

    question: str
    prediction: str
    """What is expected."""
    refuted_if: str
    """What would show that the prediction is wrong."""
    decision: str
    """The rule that turns numbers into a verdict, with its thresholds."""
    source: str
    """Where the question or the prediction comes from."""


@dataclass(frozen=True)
class Work:
    """A piece of work: ``function(**arguments, say=...)`` returns a table."""

    name: str
    function: Callable[..., pd.DataFrame]
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Chart:
    """How a table is drawn; fields name its columns."""

    kind: Literal["points", "lines", "bars", "heat"]
    x: str
    """Horizontal axis (``points`` and ``bars``: a category or a number)."""
    y: str
    """Vertical axis; ``heat``: the row category."""
    x_title: str
    """With its unit."""
    y_title: str
    """With its unit."""
    low: str | None = None
    """Lower end of the interval."""
    high: str | None = None
    """Upper end of the interval."""
    colour: str | None = None
    """Category drawn in its own colour; ``heat``: the number that is shown."""
    panel: str | None = None
    """Category drawn in a panel of its own."""
    reference: float | None = None
    """A level to compare with, drawn as a line."""


@dataclass(frozen=True)
class Exhibit:
    """One table of the answer, with a sentence that reads it and, if it has a chart, a figure."""

    name: str
    """Letters, digits and hyphens; unique within the answer."""
    heading: str
    frame: pd.DataFrame
    reading: str
    """One sentence made from the numbers."""
    caption: str = ""
    """What is shown: units, interval, sample sizes."""
    chart: Chart | None = None


@dataclass(frozen=True)
class Answer:
    """What came out."""

    verdict: Conclusion
    why: str
    """The verdict in a sentence with its numbers."""
    findings: pd.DataFrame
    """Columns as in :mod:`imprint.analyses.findings`."""
    exhibits: tuple[Exhibit, ...]


class QuestionSettings(BaseModel):
    """What every question can be told."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = Field(0, ge=0)
    """Of everything drawn."""


class Question(ABC):
    """Abstract question; concrete ones are final."""

    Settings: ClassVar[type[QuestionSettings]] = QuestionSettings
    card: ClassVar[Card]

    def __init__(self, settings: QuestionSettings | None = None) -> None:
        self.settings = self.Settings() if settings is None else settings

    @abstractmethod
    def work(self) -> list[Work]:
        """The pieces of work, independent of one another."""

    @abstractmethod
    def conclude(self, tables: Mapping[str, pd.DataFrame], failed: Mapping[str, str]) -> Answer:
        """The answer from the pieces' tables; ``failed``: name of a piece that has none -> why."""
