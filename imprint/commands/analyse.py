"""``imprint analyse``: answer a question, show progress, print the answer."""

from __future__ import annotations

import json
import shlex
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from imprint.commands.names import families, require_begun
from imprint.commands.progress import Bars
from imprint.commands.text import console, parse_changes, plain, say, table

if TYPE_CHECKING:
    from imprint.analyses.ask import Asked
    from imprint.analyses.questions.base import Card, Exhibit, Question

WIDTH = 100
ROWS = 60
"""Rows of a table that are printed; the report has all."""
COLUMNS = 10
"""Columns of a table that are printed; more would be too narrow to read."""


def analyse(
    name: str,
    *,
    changes: list[str],
    seeds: int | None,
    out: Path,
    backend: str,
    address: str | None,
    resume: bool | None,
    markdown: Path | None,
) -> dict[str, Any]:
    """Answer one question; print and return its tables and its verdict, its report and the pieces that failed."""
    from imprint.models.setup.raw import with_seeds

    changed = with_seeds(parse_changes(changes), seeds, "seeds")
    families()["questions"].require(name.replace("-", "_"))
    from imprint.analyses.ask import ask, folder_of, load_question
    from imprint.models.files import write_bytes
    from imprint.reports.pages.question import report_question

    page, question = console(), load_question(name, changed)
    first, *entries = _card(question.whole_card)
    say(page, first, "bold")
    for entry in entries:
        say(page, textwrap.fill(entry, WIDTH, subsequent_indent="    "))
    folder = folder_of(question, out)
    if resume:
        require_begun(folder)
    if folder.exists() and resume is not False:
        say(page, f"{folder} was begun before; what is finished is kept. (--no-resume begins again.)")
    with Bars(page) as bars:
        where: dict[str, Any] = {"out": out, "backend": backend, "address": address}
        answered = ask(question, **where, resume=resume is not False, progress=bars)
    for exhibit in answered.answer.exhibits:
        _print_exhibit(page, exhibit)
    if markdown is not None:
        write_bytes(markdown, _as_markdown(question, answered).encode())
    page.print()
    said, *numbers = answered.answer.why.splitlines()
    say(page, f"{answered.answer.verdict}: {answered.answer.sentence or said}", "bold")
    for number in [*([said] if answered.answer.sentence else []), *numbers]:
        say(page, f"  {number}")
    report = report_question(answered.path)
    say(page, f"report  {report}", "bold")
    for piece, error in answered.failed.items():
        say(page, f"failed: {piece}: {error}", "bold red")
    about = {"verdict": answered.answer.verdict, "why": answered.answer.why, "findings": answered.answer.findings}
    tables = {exhibit.name: exhibit.frame for exhibit in answered.answer.exhibits}
    return {**about, "tables": tables, "report": report, "failed": dict(answered.failed)}


def _card(card: Card) -> list[str]:
    entries = {name: getattr(card, name) for name in ("prediction", "refuted_if", "decision", "power", "source")}
    return [card.question, *(f"{name.replace('_', ' ')}: {text}" for name, text in entries.items() if text)]


def _print_exhibit(page: Console, exhibit: Exhibit) -> None:
    from imprint.reports.parts import Table

    rows, columns = exhibit.frame.shape
    shown = Table("", exhibit.heading, exhibit.frame.iloc[:ROWS, :COLUMNS])
    numeric = [name for name, is_number in zip(shown.header, shown.numeric, strict=True) if is_number]
    page.print()
    page.print(table(exhibit.heading, shown.header, shown.cells, right=numeric))
    if rows > ROWS:
        say(page, f"({rows - ROWS} more rows in the report)")
    if columns > COLUMNS:
        say(page, f"({columns - COLUMNS} more columns in the report)")
    page.print(Text(plain(exhibit.reading), style="italic"))


def _as_markdown(question: Question[Any], answered: Asked) -> str:
    """The card and the tables of an answer, for the documentation."""
    from imprint.analyses.registration import registration_of

    answer, name, registered = answered.answer, question.name, registration_of(answered.path)
    again = " ".join(["imprint analyse", name, *_changes(question.settings), "--markdown FILE"])
    where = f"Made on CPU capability {registered.machine['capability']}." if registered else ""
    first, *entries = _card(question.whole_card)
    lines = [f"# {name}", "", f"Regenerate with `{again}`. {where}".rstrip(), "", f"**{first}**", ""]
    lines += [f"- {entry[0].upper()}{entry[1:]}" for entry in entries]
    said, *numbers = answer.why.splitlines()
    lines += ["", f"**{answer.verdict}**: {answer.sentence or said}", *(["", said] if answer.sentence else [])]
    lines += [*([""] if numbers else []), *(f"- {number}" for number in numbers)]
    for exhibit in answer.exhibits:
        lines += ["", f"## {exhibit.heading}", "", exhibit.reading, *([exhibit.caption] if exhibit.caption else []), ""]
        lines += _markdown_table(exhibit)
    return "\n".join(lines) + "\n"


def _changes(settings: Any) -> list[str]:
    """The words on the command line that give these settings."""
    usual, given = type(settings)().model_dump(mode="json"), settings.model_dump(mode="json")
    changed = {key: json.dumps(value) for key, value in given.items() if value != usual[key]}
    return [f"--set {shlex.quote(f'{key}={value}')}" for key, value in changed.items()]


def _markdown_table(exhibit: Exhibit) -> list[str]:
    from imprint.reports.parts import Table

    def row(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"

    whole = Table("", exhibit.heading, exhibit.frame, rows=len(exhibit.frame))
    rules = ["---:" if is_number else "---" for is_number in whole.numeric]
    return [row(whole.header), row(rules), *(row(cells) for cells in whole.cells)]
