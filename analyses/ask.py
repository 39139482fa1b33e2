"""Answer a question: its card goes to disk first, then its work is done, then its conclusion is drawn and stored.

    <name>-<hash>/
      question.json                   card, settings, versions, written before any work
      registration.json               hash of settings, card, rule and commit, written before any work
      cells/<piece>.parquet           finished pieces of work; a question that was stopped goes on from these
      findings.parquet, findings.csv  the evidence
      exhibits/<name>.parquet         the tables of the answer
      answer.json                     verdict, why, predictions, exhibits and how they are drawn, failed pieces
      record.json                     commit, machine and the SHA-256 of all files; written last
      report.html                     written by imprint.reports.pages.question

The hash is that of the settings, so that the same question with the same settings has one answer.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError

from imprint.analyses import engine
from imprint.analyses.engine import Cell, Outcome, Progress, opened, run_cells
from imprint.analyses.questions.base import QUESTIONS, Answer, Question, Work
from imprint.analyses.registration import OF_ANSWERS, begin, ledger, replaced, results_in, source_of
from imprint.models.errors import ImprintError
from imprint.models.files import alone_in, csv_text, read_json, read_table, write_bytes, write_json, write_table
from imprint.models.setup.reasons import explain

PACKAGES = ("torch", "numpy", "pandas", "scikit-learn", "captum", "transformer-lens")


LEFT = (
    *("question.json", "registration.json", "sessions.json", "cells", ".progress", "answer.json", "record.json"),
    *("findings.csv", "findings.parquet", "exhibits", "report.html"),
)
"""Files and folders of an answer."""


@dataclass(frozen=True)
class Asked:
    """A question that has been answered, on disk."""

    path: Path
    answer: Answer
    failed: Mapping[str, str]
    """Piece of work that could not be finished -> why."""


def load_question(name: str, settings: Mapping[str, Any] | None = None) -> Question[Any]:
    """The question called ``name`` (hyphens or underscores), with settings.

    Raises :class:`ImprintError` for unknown names and values, with the near miss.
    """
    kind: type[Question[Any]] = QUESTIONS.load(name.replace("-", "_"))
    try:
        return kind(kind.Settings(**(settings or {})))
    except ValidationError as error:
        raise ImprintError(explain(error, model=kind.Settings)) from None


def folder_of(question: Question[Any], out: Path) -> Path:
    """Folder of the question's answer."""
    settings = json.dumps(question.settings.model_dump(mode="json"), sort_keys=True)
    return out / f"{question.name}-{hashlib.sha256(settings.encode()).hexdigest()[:8]}"


def ask(
    question: Question[Any],
    *,
    out: Path = Path("runs"),
    backend: str = "local",
    address: str | None = None,
    jobs: int | None = None,
    resume: bool = True,
    progress: Progress | None = None,
) -> Asked:
    """Answer a question, going on from the pieces of work that are finished (unless ``resume`` is false).

    ``backend`` and ``address`` are those of :func:`imprint.evaluate`. Raises :class:`ImprintError` when the folder was
    begun with another card or other versions, for a cluster that cannot be used and, before anything is written, for
    settings from which no work can be planned.
    """
    folder, pieces = folder_of(question, out), question.work()
    with opened(backend, address, folder=folder, jobs=jobs) as workers, alone_in(folder):
        rule = rule_of(question)
        earlier = [] if resume else replaced(folder, rule)
        if not resume:
            _clear(folder)
        _write_card(question, folder)
        settings, empty = question.settings.model_dump(mode="json"), not results_in(folder, OF_ANSWERS)
        begin(folder, settings, rule, empty=empty, earlier=earlier, computing=workers.machine)
        place = folder.absolute()
        cells = [Cell(piece.name, _perform, (place, piece), (_table(place, piece.name),)) for piece in pieces]
        outcomes = run_cells(cells, backend=workers, watch=place / ".progress", progress=progress)
        return _answered(question, folder, outcomes)


def analyse(
    name: str,
    *,
    settings: Mapping[str, Any] | None = None,
    out: str | Path = "runs",
    backend: str = "local",
    address: str | None = None,
    resume: bool = True,
    progress: Progress | None = None,
) -> Asked:
    """Answer the question called ``name``, as ``imprint analyse`` does; errors are those of the two functions used.

    ``settings``: as for :func:`load_question`; everything else: as for :func:`imprint.evaluate`.
    """
    where: dict[str, Any] = {"out": Path(out), "backend": backend, "address": address}
    return ask(load_question(name, settings), **where, resume=resume, progress=progress)


def _answered(question: Question[Any], folder: Path, outcomes: Sequence[Outcome]) -> Asked:
    failed = {outcome.cell: outcome.error for outcome in outcomes if outcome.error is not None}
    answer = concluded(question, folder, failed)
    _write_answer(folder, answer, failed, {outcome.cell: outcome.seconds for outcome in outcomes})
    shutil.rmtree(folder / ".progress", ignore_errors=True)
    return Asked(folder, answer, failed)


def rule_of(question: Question[Any]) -> dict[str, str]:
    """Name -> text of what turns a question's tables into its answer: its card, and the source of its module."""
    return {"card": json.dumps(asdict(question.whole_card), indent=2), **source_of([type(question).__module__])}


def concluded(question: Question[Any], folder: Path, failed: Mapping[str, str]) -> Answer:
    """The answer that follows from the tables that the pieces of work left; ``failed``: those without one -> why."""
    pieces = [piece.name for piece in question.work() if piece.name not in failed]
    return question.conclude({piece: read_table(_table(folder, piece)) for piece in pieces}, failed)


def _clear(folder: Path) -> None:
    """Remove what an earlier answer left; what others put there stays."""
    for name in LEFT:
        if (path := folder / name).is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _table(folder: Path, piece: str) -> Path:
    return folder / "cells" / f"{piece}.parquet"


def _perform(folder: Path, piece: Work) -> None:
    torch.set_num_threads(1)
    say = engine.Reporter(folder / ".progress", piece.name)
    write_table(_table(folder, piece.name), piece.function(**piece.arguments, say=say))


def _write_card(question: Question[Any], folder: Path) -> None:
    """Store what was decided beforehand; going on with other versions or another card would mix two experiments."""
    card = {
        "name": question.name,
        "card": asdict(question.whole_card),
        "settings": question.settings.model_dump(mode="json"),
        "versions": {name: metadata.version(name) for name in PACKAGES},
    }
    path = folder / "question.json"
    if path.exists() and (stored := read_json(path)) != card:
        changed = [key for key in card if stored.get(key) != card[key]]
        raise ImprintError(
            f"{folder} was begun with another {' and '.join(changed)}; begin again with --no-resume, "
            "or choose another folder with --out."
        )
    write_json(path, card)


def _write_answer(folder: Path, answer: Answer, failed: Mapping[str, str], seconds: Mapping[str, float]) -> None:
    write_bytes(folder / "findings.csv", csv_text(answer.findings).encode())
    write_table(folder / "findings.parquet", answer.findings)
    for exhibit in answer.exhibits:
        write_table(folder / "exhibits" / f"{exhibit.name}.parquet", exhibit.frame)
    shown = [{key: value for key, value in asdict(exhibit).items() if key != "frame"} for exhibit in answer.exhibits]
    verdict = {"verdict": answer.verdict, "why": answer.why, "sentence": answer.sentence}
    told = {"predictions": [each.stored() for each in answer.predictions], "exhibits": shown, "failed": dict(failed)}
    write_json(folder / "answer.json", {**verdict, **told})
    write_json(folder / "record.json", {**ledger(folder, OF_ANSWERS), "cell_seconds": dict(seconds)})
