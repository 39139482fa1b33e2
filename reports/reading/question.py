"""A question's folder as its page reads it: the card, the answer and its tables. Knows no torch.

The report of a run shows what is left of a damaged run. The verdict, figures and tables of an answer refer to one
another, so here a file that is missing, damaged or does not fit is an error that names it. The files were written by
:mod:`imprint.analyses.ask`; nothing in them is trusted, names of files least of all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

import pandas as pd
from pydantic import BaseModel, StringConstraints, ValidationError, field_validator

from imprint.analyses.predictions import Prediction
from imprint.analyses.questions.base import Answer, Card, Chart, Exhibit
from imprint.analyses.verdicts import Conclusion
from imprint.models.errors import DamagedFileError
from imprint.models.files import read_json, read_table
from imprint.reports.reading.folders import run_folder

Kind = TypeVar("Kind", bound=BaseModel)


class _Question(BaseModel):
    """``question.json``, written before any work."""

    name: str
    card: Card
    settings: dict[str, Any]
    versions: dict[str, str]


class _Shown(BaseModel):
    """An exhibit in ``answer.json``; its name is a file name, so it holds no dots and no slashes."""

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]+$")]
    heading: str
    reading: str
    caption: str
    chart: Chart | None


class _Predicted(BaseModel):
    """A prediction in ``answer.json``, as :meth:`imprint.analyses.predictions.Prediction.stored` gives it."""

    name: str
    part: str
    control: bool
    estimate: float | None
    low: float | None
    high: float | None
    n: int
    least: float | None
    most: float | None
    power: float | None


class _Answer(BaseModel):
    """``answer.json``, written last."""

    verdict: Conclusion
    why: str
    sentence: str = ""
    predictions: tuple[_Predicted, ...] = ()
    """Answers of earlier versions have neither."""
    exhibits: tuple[_Shown, ...]
    failed: dict[str, str]

    @field_validator("exhibits")
    @classmethod
    def _unique(cls, exhibits: tuple[_Shown, ...]) -> tuple[_Shown, ...]:
        names = [exhibit.name for exhibit in exhibits]
        if twice := [name for name in names if names.count(name) > 1]:
            raise ValueError(f"two exhibits are called {twice[0]!r}")
        return exhibits


@dataclass(frozen=True)
class QuestionData:
    """A question, its answer, and the pieces of work that failed."""

    path: Path
    name: str
    """As on the command line."""
    card: Card
    settings: Mapping[str, Any]
    versions: Mapping[str, str]
    answer: Answer
    failed: Mapping[str, str]
    """Piece of work -> its error."""

    @property
    def folder(self) -> str:
        """Name of the folder, ``<name>-<hash of the settings>``."""
        return self.path.resolve().name


def load_answer(folder: object) -> QuestionData:
    """Read a question's folder, given as a path or as anything with a ``path``.

    Raises :class:`ImprintError` when there is no such folder, or a file in it is missing, damaged or does not fit.
    """
    path = run_folder(folder)
    question = _checked(path / "question.json", _Question)
    answer = _checked(path / "answer.json", _Answer)
    exhibits = tuple(
        Exhibit(e.name, e.heading, _table(path / "exhibits" / f"{e.name}.parquet"), e.reading, e.caption, e.chart)
        for e in answer.exhibits
    )
    findings = _table(path / "findings.parquet")
    predictions = tuple(Prediction.restored(each.model_dump()) for each in answer.predictions)
    return QuestionData(
        path,
        question.name,
        question.card,
        question.settings,
        question.versions,
        Answer(answer.verdict, answer.why, findings, exhibits, predictions, answer.sentence),
        answer.failed,
    )


def _present(path: Path) -> Path:
    if not path.is_file():
        raise DamagedFileError(
            f"{path} is missing, so this is not a question that was answered to its end. "
            "Ask it again with `imprint analyse`; it goes on from what is finished."
        )
    return path


def _table(path: Path) -> pd.DataFrame:
    return read_table(_present(path))


def _checked(path: Path, kind: type[Kind]) -> Kind:
    try:
        return kind.model_validate(read_json(_present(path)))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(key) for key in first["loc"]) or "the whole file"
        raise DamagedFileError(
            f"{path} is damaged or was written by another version: {where}: {first['msg']}. "
            "Ask it again with `imprint analyse --no-resume`."
        ) from None
