"""The contract of a question: a card that says beforehand what is expected, work cut into pieces, and a conclusion.

A question's settings and card, decision rule included, are written to disk before any piece of its work begins. Pieces
of work are pure functions that return tables; they run side by side, and one that fails does not hold up the rest. The
conclusion sees only the tables.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Generic, Literal, TypeVar, cast, get_args

import pandas as pd
from pydantic import Field, field_validator

from imprint.analyses.findings import findings
from imprint.analyses.metrics import Metrics
from imprint.analyses.predictions import Bought, Judgement, Prediction
from imprint.analyses.statistics import mean_of_all
from imprint.analyses.verdicts import Conclusion
from imprint.models.registry import Family
from imprint.models.settings import FrozenSettings

QUESTIONS = Family("questions", "imprint.analyses.questions", "Question")


@dataclass(frozen=True)
class Card:
    """What is asked, fixed before the answer is known."""

    question: str
    prediction: str
    refuted_if: str
    decision: str
    """The rule that turns numbers into a verdict, with its thresholds."""
    source: str
    """Where the question or the prediction comes from."""
    power: str = ""
    """Number of training seeds and what it buys, from :meth:`Question.power`; empty where no seeds are trained."""


@dataclass(frozen=True)
class Work:
    """A piece of work: ``function(**arguments, say=...)`` returns a table."""

    name: str
    function: Callable[..., pd.DataFrame]
    arguments: Mapping[str, Any] = field(default_factory=dict)


ChartKind = Literal["points", "lines", "bars", "heat"]


@dataclass(frozen=True)
class Chart:
    """How a table is drawn; fields name its columns."""

    kind: ChartKind
    x: str
    """Horizontal axis (``points`` and ``bars``: a category or a number)."""
    y: str
    """Vertical axis; ``heat``: the row category."""
    x_title: str
    y_title: str
    """Titles have their units."""
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
    predictions: tuple[Prediction, ...] = ()
    """The numbers that decide, and the controls; empty where the rule is not one of bounds."""
    sentence: str = ""
    """What was found, for somebody who has not read the card; empty: the first exhibit's reading says it."""


MOST = 1_000_000
"""Largest whole number of a setting that has no bound of its own."""


class QuestionSettings(FrozenSettings):
    """What every question can be told."""

    seed: int = Field(0, ge=0, lt=2**63)
    """Seed of everything that is drawn."""

    @field_validator("*", mode="after")
    @classmethod
    def _bounded(cls, value: Any, about: Any) -> Any:
        own = cls.model_fields[str(about.field_name)].metadata
        if type(value) is int and value > MOST and not any(hasattr(m, "le") or hasattr(m, "lt") for m in own):
            raise ValueError(f"expected at most {MOST:,}")
        return value

    @field_validator("learner", mode="after", check_fields=False)
    @classmethod
    def _member(cls, learner: str) -> str:
        from imprint.models.learners.base import LEARNERS  # which needs torch, and pages do not

        LEARNERS.require(learner)
        return learner


S = TypeVar("S", bound=QuestionSettings)


class Question(ABC, Generic[S]):
    """Abstract question; concrete ones are final and name their settings: ``class Credit(Question[Settings])``."""

    Settings: ClassVar[type[QuestionSettings]] = QuestionSettings
    """Class of the settings."""
    card: ClassVar[Card]
    metrics: ClassVar[Metrics] = {}
    """Of all rows under the question's name; a metric that is called like the question has the verdict in its row."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        for base in cls.__dict__.get("__orig_bases__", ()):
            for settings in get_args(base):
                cls.Settings = settings

    def __init__(self, settings: S | None = None) -> None:
        self.settings = cast("S", self.Settings()) if settings is None else settings

    def power(self) -> str | Bought:
        """Number of training seeds, and the probability of a verdict that it buys if the predicted effect is true.

        A sentence, made from the settings and from a spread over seeds that was known before the run (it says from
        where), for instance by :func:`imprint.analyses.predictions.bought`, which also keeps it for every prediction.
        """
        return ""

    @property
    def whole_card(self) -> Card:
        """The card with its power under these settings, as it is stored before any work."""
        return replace(self.card, power=str(self.power()))

    @property
    def name(self) -> str:
        """Id on the command line and in findings: the name of the question's folder with hyphens."""
        return type(self).__module__.removesuffix(".question").rpartition(".")[2].replace("_", "-")

    @abstractmethod
    def work(self) -> list[Work]:
        """The pieces of work, independent of one another."""

    @abstractmethod
    def conclude(self, tables: Mapping[str, pd.DataFrame], failed: Mapping[str, str]) -> Answer:
        """The answer from the pieces' tables; ``failed``: name of a piece that has none -> why."""

    def missing(
        self, tables: Iterable[str], failed: Mapping[str, str], prefix: str = "", *, every: bool = False
    ) -> Answer | None:
        """An undetermined answer when pieces of work are missing without which there is none; None when none is.

        Needed is one piece, or ``every`` one, of those whose name starts with ``prefix``.
        """
        lost = [name for name in failed if name.startswith(prefix)]
        if any(name.startswith(prefix) for name in tables) and not (every and lost):
            return None
        errors = "; ".join(f"{name}: {failed[name]}" for name in lost) or "none was finished"
        return Answer("undetermined", f"Pieces of work are missing ({errors}).", findings([]), ())

    def answer(
        self,
        conclusion: tuple[Conclusion, str],
        rows: Iterable[Mapping[str, Any]],
        exhibits: Iterable[Exhibit],
        *,
        verdict_row: Mapping[str, Any] | None = None,
        every_row: Mapping[str, Any] | None = None,
        sentence: str = "",
    ) -> Answer:
        """The answer with its verdict and sentence, rows of findings, and exhibits.

        The first row holds the verdict. The ``analysis`` of rows is this question unless they say. ``verdict_row``:
        more columns of the first row; ``every_row``: of all rows. ``sentence``: see :class:`Answer`.
        """
        verdict, why = conclusion
        own = [metric for metric in self.metrics if metric.replace("_", "-") == self.name]
        first = [{"metric": metric, "verdict": verdict, "why": why, **(verdict_row or {})} for metric in own]
        table = [{"analysis": self.name, **(every_row or {}), **row} for row in (*first, *rows)]
        numbers, power = conclusion.predictions if isinstance(conclusion, Judgement) else (), self.power()
        numbers = tuple(power.of(each) for each in numbers) if isinstance(power, Bought) else numbers
        return Answer(verdict, why, findings(table, {self.name: self.metrics}), tuple(exhibits), numbers, sentence)

    @staticmethod
    def rows(
        table: pd.DataFrame, value: str, about: Callable[[Mapping[str, Any]], Mapping[str, Any]]
    ) -> list[dict[str, Any]]:
        """Rows of findings from a table of numbers over seeds, or of one seed each (those have a column ``seed``).

        The estimate is the column ``value``; interval, counts and seed are taken over; ``about`` gives other columns.
        """
        taken = [column for column in ("low", "high", "n", "seeds", "seed") if column in table]
        alone = {"seeds": 1} if "seed" in table else {}
        records = [{str(column): entry for column, entry in row.items()} for row in table.to_dict("records")]
        return [{"estimate": r[value], **{name: r[name] for name in taken}, **alone, **about(r)} for r in records]

    @staticmethod
    def batches(first: int, seeds: int, together: int) -> list[tuple[int, ...]]:
        """Training seeds ``first``, ``first`` + 1, ... in batches of those that train together."""
        numbers = range(first, first + seeds)
        return [tuple(numbers[i : i + together]) for i in range(0, seeds, together)]


def over_seeds(
    table: pd.DataFrame, by: Sequence[str], value: str = "value", *, named: str | None = None
) -> pd.DataFrame:
    """Mean of a number per seed for each combination of ``by``, in the order in which they first occur.

    Columns: ``by``, the mean (called ``named``, or as it was), ``low``, ``high``, ``seeds`` and, when the table has a
    column ``n``, its sum. A seed in which the number is missing makes the mean missing.
    """
    rows: list[dict[str, Any]] = []
    for key, part in table.groupby(list(by), sort=False):
        count = {"n": int(part["n"].sum())} if "n" in part else {}
        rows.append({**dict(zip(by, key, strict=True)), **mean_of_all(part[value]).row(named or value), **count})
    return pd.DataFrame(rows)


def joined(tables: Mapping[str, pd.DataFrame], prefix: str = "") -> pd.DataFrame:
    """Tables of the pieces of work whose names start with ``prefix``, one below the other; empty without any."""
    chosen = [table for name, table in tables.items() if name.startswith(prefix)]
    return pd.concat(chosen, ignore_index=True) if chosen else pd.DataFrame()


def chart_over_seeds(kind: ChartKind, x: str, y: str, titles: tuple[str, str], **more: Any) -> Chart:
    """A chart of means with their intervals (columns ``low`` and ``high``); ``titles``: of the two axes."""
    return Chart(kind, x, y, *titles, low="low", high="high", **more)


def exhibit_of_seeds(table: pd.DataFrame, caption: str = "") -> Exhibit:
    """The numbers of every training seed behind the other exhibits."""
    return Exhibit("seeds", "Every seed", table, f"{table['seed'].nunique()} seeds.", caption)
