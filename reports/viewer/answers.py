"""The line of an answered question: its verdict by the rule that was fixed beforehand."""

from __future__ import annotations

import shlex

from imprint.reports.viewer.entry import (
    DAMAGED,
    FAILED,
    UNFINISHED,
    WHOLE,
    Entry,
    flat_settings,
    level_of,
    part,
    read,
    seconds_of,
    text,
    time_of,
    whole,
    written,
)
from imprint.reports.viewer.places import Place
from imprint.reports.viewer.running import took_in
from imprint.reports.viewer.tables import FINDINGS


def answer_entry(place: Place) -> Entry:
    """The line of a question, answered or not."""
    problems: list[str] = []
    asked = read(place, "question.json", problems)
    finished = place.file("answer.json") is not None and place.file(FINDINGS) is not None
    answer = read(place, "answer.json", problems) if finished else {}
    record = read(place, "record.json", problems) if place.file("record.json") else {}
    registration = read(place, "registration.json", problems) if place.file("registration.json") else {}
    damaged = finished and bool(problems)
    failures = part(answer, "failed")
    problems += [f"{piece} failed: {error}" for piece, error in failures.items()]
    name, settings = text(asked.get("name")) or place.path.name, part(asked, "settings")
    said = text(answer.get("sentence")) or text(answer.get("why")).partition("\n")[0]
    return Entry(
        id=place.id,
        kind="question",
        setup=name,
        question=text(part(asked, "card").get("question")),
        verdict=text(answer.get("verdict")),
        sentence=said,
        level=level_of(registration, dict(settings), record) if finished else "",
        seeds=whole(settings.get("seeds")),
        cost=seconds_of(record),
        took=took_in(part(record, "cell_seconds")),
        date=written(time_of(registration.get("registered"))),
        state=DAMAGED if damaged else FAILED if failures else WHOLE if finished else UNFINISHED,
        failed=len(failures),
        problems=tuple(problems),
        report=place.file("report.html") is not None,
        command=_command(place, name, finished=finished),
        settings=flat_settings(settings),
    )


def _command(place: Place, name: str, *, finished: bool) -> str:
    if finished:
        return f"imprint report {shlex.quote(str(place.named))}"
    return f"imprint analyse {shlex.quote(name)} --out {shlex.quote(str(place.named.parent))} --resume"
