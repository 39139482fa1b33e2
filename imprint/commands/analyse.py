"""``imprint analyse``: ask a question, show how far it is, print the answer."""

from __future__ import annotations

import json
import shlex
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console
from rich.text import Text

from imprint.commands.progress import Bars
from imprint.commands.text import console, number, parse_changes, plain, say, table

WIDTH = 100
ROWS = 60
"""Rows of a table that are printed; the report has all."""
COLUMNS = 10
"""Columns of a table that are printed; more would be too narrow to read."""


def analyse(
    name: str,
    *,
    seeds: int | None,
    changes: Sequence[str],
    out: Path,
    backend: str,
    resume: bool,
    markdown: Path | None,
) -> None:
    """Answer one question and print its card, its tables and its verdict."""
    from imprint.analyses.ask import ask, folder_of, load_question
    from imprint.reports.pages.question import report_question

    page = console()
    question = load_question(name, _settings(seeds, changes))
    _print_card(page, question.card)
    folder = folder_of(question, out)
    if folder.exists() and resume:
        say(page, f"{folder} was begun before: what is finished is kept. (--no-resume begins again.)")
    with Bars(page) as bars:
        asked = ask(question, out=out, backend=backend, resume=resume, progress=bars)
    for exhibit in asked.answer.exhibits:
        _print_exhibit(page, exhibit)
    if markdown is not None:
        from imprint.models.files import write_bytes

        write_bytes(markdown, _as_markdown(name, question, asked.answer).encode())
    page.print()
    say(page, f"{asked.answer.verdict}: {asked.answer.why}", "bold")
    say(page, f"report  {report_question(asked.path)}", "bold")


def _settings(seeds: int | None, changes: Sequence[str]) -> dict[str, Any]:
    return parse_changes(changes) | ({} if seeds is None else {"seeds": seeds})


def _print_card(page: Console, card: Any) -> None:
    say(page, card.question, "bold")
    for label, text in (
        ("prediction", card.prediction), ("refuted if", card.refuted_if), ("decision", card.decision),
        ("source", card.source),
    ):  # fmt: skip
        say(page, textwrap.fill(f"{label}: {text}", WIDTH, subsequent_indent="    "))


def _print_exhibit(page: Console, exhibit: Any) -> None:
    whole: pd.DataFrame = exhibit.frame
    frame = whole.iloc[:, :COLUMNS]
    numeric = [str(c) for c in frame if pd.api.types.is_numeric_dtype(frame[c])]
    rows = [[_cell(value) for value in row] for row in frame.head(ROWS).itertuples(index=False)]
    page.print()
    page.print(table(exhibit.heading, [str(c).replace("_", " ") for c in frame], rows,
                     right=[c.replace("_", " ") for c in numeric]))  # fmt: skip
    if len(frame) > ROWS:
        say(page, f"({len(frame) - ROWS} more rows in the report)")
    if whole.shape[1] > COLUMNS:
        say(page, f"({whole.shape[1] - COLUMNS} more columns in the report)")
    page.print(Text(plain(exhibit.reading), style="italic"))


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return number(value, 3)
    return "-" if value is None or value is pd.NA else str(value)


def _as_markdown(name: str, question: Any, answer: Any) -> str:
    """The card and the tables of an answer, for the documentation."""
    card, again = question.card, " ".join(["imprint analyse", name, *_changes(question.settings), "--markdown FILE"])
    lines = [
        f"# {name}", "", f"Regenerate with `{again}`.", "", f"**{card.question}**", "",
        f"- Prediction: {card.prediction}", f"- Refuted if: {card.refuted_if}", f"- Decision: {card.decision}",
        f"- Source: {card.source}", "", f"**{answer.verdict}**: {answer.why}",
    ]  # fmt: skip
    for exhibit in answer.exhibits:
        lines += ["", f"## {exhibit.heading}", "", exhibit.reading, *([exhibit.caption] if exhibit.caption else []), ""]
        lines += _markdown_table(exhibit.frame)
    return "\n".join(lines) + "\n"


def _changes(settings: Any) -> list[str]:
    """The words on the command line that give these settings."""
    usual, said = type(settings)().model_dump(mode="json"), settings.model_dump(mode="json")
    changed = {key: json.dumps(value) for key, value in said.items() if value != usual[key]}
    return [f"--set {shlex.quote(f'{key}={value}')}" for key, value in changed.items()]


def _markdown_table(frame: pd.DataFrame) -> list[str]:
    def row(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"

    numeric: Mapping[Any, bool] = {c: pd.api.types.is_numeric_dtype(frame[c]) for c in frame}
    return [
        row([str(c).replace("_", " ") for c in frame]),
        row(["---:" if numeric[c] else "---" for c in frame]),
        *(row([_cell(value) for value in values]) for values in frame.itertuples(index=False)),
    ]
