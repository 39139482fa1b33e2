"""The line of a sweep: how many of its cells say what."""

from __future__ import annotations

import shlex
from collections import Counter

from imprint.models.errors import ImprintError
from imprint.reports.viewer.entry import (
    DAMAGED,
    FAILED,
    UNFINISHED,
    WHOLE,
    Entry,
    finite,
    flat_settings,
    level_of,
    part,
    read,
    text,
    time_of,
    whole,
    written,
)
from imprint.reports.viewer.places import Place
from imprint.reports.viewer.tables import columns_of

CELLS, SECONDS = "cells.parquet", "seconds.parquet"
REGISTERED = ("base", "grid")
"""Entries of ``sweep.json`` that were registered, in the order in which they were."""


def sweep_entry(place: Place) -> Entry:
    """The line of a sweep, finished or not."""
    problems: list[str] = []
    about = read(place, "sweep.json", problems)
    finished = place.file(CELLS) is not None
    record = read(place, "record.json", problems) if place.file("record.json") else {}
    registration = read(place, "registration.json", problems) if place.file("registration.json") else {}
    verdicts, errors, cost = [], [], None
    if finished:
        try:
            cells = columns_of(place, CELLS, ("verdict", "error"))
            verdicts, errors = cells.get("verdict", []), [one for one in cells.get("error", []) if one]
            seconds = columns_of(place, SECONDS, ("seconds",)).get("seconds", []) if place.file(SECONDS) else []
            cost = sum(one for one in map(finite, seconds) if one is not None) if seconds else None
        except ImprintError as error:
            problems.append(str(error))
    damaged = finished and bool(problems)
    problems += [f"a cell failed: {error}" for error in errors[:5]]
    counts = Counter(str(verdict) for verdict in verdicts if verdict)
    most = counts.most_common(1)[0] if counts else None
    base = part(about, "base")
    cells_in_all = len(verdicts) or whole(about.get("cells")) or 0
    settings = {**{f"grid.{key}": values for key, values in part(about, "grid").items()}, **base}
    return Entry(
        id=place.id,
        kind="sweep",
        setup=text(base.get("name")) or text(about.get("base")) or place.path.name,
        of="agents" if "environment" in base else "learners",
        question=text(base.get("question")),
        verdict=f"{most[0]} in {most[1]} of {cells_in_all} cells" if most else "",
        sentence=f"Of {cells_in_all} cells: {', '.join(f'{n} {word}' for word, n in counts.most_common())}."
        if counts
        else "",
        words=dict(counts.most_common()),
        intended=text(base.get("intended")),
        level=level_of(registration, {key: about.get(key) for key in REGISTERED}, record) if finished else "",
        seeds=whole(about.get("seeds")),
        worlds=whole(part(base, "schedule").get("worlds")),
        cost=cost,
        date=written(time_of(record.get("started")) or time_of(registration.get("registered"))),
        state=DAMAGED if damaged else FAILED if errors else WHOLE if finished else UNFINISHED,
        failed=len(errors),
        problems=tuple(problems),
        report=place.file("report.html") is not None,
        command=f"imprint report {shlex.quote(str(place.named))}" if finished else "",
        settings=flat_settings({k: v for k, v in settings.items() if k not in ("description", "question")}),
    )
