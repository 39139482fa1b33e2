"""The line of a run or a study: its verdict, and the numbers behind it, at the last age."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from imprint.analyses.verdicts import latch_age, sentence
from imprint.models.errors import ImprintError
from imprint.reports.viewer.entry import (
    DAMAGED,
    FAILED,
    UNFINISHED,
    WHOLE,
    Entry,
    Held,
    finite,
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
from imprint.reports.viewer.tables import FINDINGS, pooled_rows

APART = "apart"
"""Design in which the goals of agents lie in different places."""
Rows = Sequence[Mapping[str, Any]]


def run_entry(place: Place) -> Entry:
    """The line of a run or study, finished or not."""
    problems: list[str] = []
    setup = read(place, "setup.yaml", problems)
    finished = place.file(FINDINGS) is not None
    record = read(place, "run.json", problems) if finished else {}
    registration = read(place, "registration.json", problems) if place.file("registration.json") else {}
    failed = record.get("failed")
    failures = [one for one in failed if isinstance(one, dict)] if isinstance(failed, list) else []
    problems += [f"{one.get('cell')} failed: {one.get('error')}" for one in failures]
    rows: Rows = ()
    if finished:
        try:
            rows = pooled_rows(place)
        except ImprintError as error:
            problems.append(str(error))
    study, agents = text(setup.get("study")), "environment" in setup or setup.get("study") == "agents"
    begun = time_of(record.get("started")) or time_of(registration.get("registered"))
    intended, schedule = text(setup.get("intended")), part(setup, "schedule")
    said = _said(rows, intended, agents=agents)
    seeds = said.pop("seeds") or whole(record.get("seeds")) or whole(schedule.get("seeds"))
    worlds = whole(schedule.get("worlds"))
    damaged = finished and len(problems) > len(failures)
    return Entry(
        id=place.id,
        kind="study" if study else "run",
        setup=text(setup.get("name")) or place.path.name,
        of="agents" if agents else "learners",
        question=text(setup.get("question")),
        intended=intended,
        held=_held(rows, intended, setup),
        level=level_of(registration, dict(setup), record) if finished else "",
        registration=text(registration.get("registration")),
        replicates=text(registration.get("replicates")),
        latch_age=_age_of_behaviour(rows, intended) if agents else _latch_age(rows, said["verdict"]),
        unit=text(setup.get("unit")) or "experiences",
        seeds=seeds,
        worlds=None if worlds is None else min(worlds, seeds or worlds),
        cost=None if study else seconds_of(record),
        took=took_in(part(record, "cell_seconds")),
        date=written(begun),
        state=DAMAGED if damaged else FAILED if failures else WHOLE if finished else UNFINISHED,
        failed=len(failures),
        problems=tuple(problems),
        report=place.file("report.html") is not None,
        command=_command(place, finished=finished, study=bool(study)),
        settings=flat_settings({k: v for k, v in setup.items() if k not in ("description", "question")}),
        **said,
    )


def _command(place: Place, *, finished: bool, study: bool) -> str:
    if finished:
        return f"imprint report {shlex.quote(str(place.named))}"
    if study:
        return ""  # the loop of its author goes on with it
    folder, out = shlex.quote(str(place.named / "setup.yaml")), shlex.quote(str(place.named.parent))
    return f"imprint run {folder} --out {out} --resume"


def _of(rows: Rows, analysis: str, metric: str) -> list[Mapping[str, Any]]:
    return [row for row in rows if row["analysis"] == analysis and row["metric"] == metric]


def _last(rows: Rows) -> list[Mapping[str, Any]]:
    """The rows of the last age; all when none has an age."""
    ages = [row["age"] for row in rows if row["age"] is not None]
    return [row for row in rows if not ages or row["age"] == max(ages)]


def _said(rows: Rows, intended: str, *, agents: bool) -> dict[str, Any]:
    """Verdict, sentence, probabilities of words and number of seeds."""
    latch = next(iter(_last(_of(rows, "latch", "latch"))), None)
    verdict = text(latch["verdict"]) if latch is not None else ""
    odds = {row["control"]: finite(row["estimate"]) for row in _last(_of(rows, "latch", "probability"))}
    words = dict(sorted(((w, p) for w, p in odds.items() if p is not None), key=lambda item: (-item[1], item[0])))
    likeliest = next(iter(words), "")
    return {
        "verdict": verdict,
        "sentence": sentence(verdict, intended, agents=agents) if verdict else "",
        "probability": words.get(likeliest),
        "word": likeliest,
        "words": words,
        "seeds": whole(latch["seeds"]) if latch is not None else None,
    }


def _held(rows: Rows, intended: str, setup: Mapping[str, Any]) -> tuple[Held, ...]:
    given = setup.get("proxies")
    proxies = given if isinstance(given, list) else []
    return tuple(
        Held(
            row["concept"],
            "intended" if row["concept"] == intended else "proxy" if row["concept"] in proxies else "",
            *(finite(row[name]) for name in ("estimate", "low", "high")),
        )
        for row in _last(_of(rows, "latch", "dominance"))
    )


def _latch_age(rows: Rows, verdict: str) -> float | None:
    """First age from which on the word of the verdict is the likeliest, as ``compare`` has it."""
    known = [row for row in _of(rows, "latch", "probability") if row["age"] is not None and row["estimate"] is not None]
    best: dict[int, Mapping[str, Any]] = {}
    for row in sorted(known, key=lambda row: (row["age"], row["control"])):
        if row["age"] not in best or row["estimate"] > best[row["age"]]["estimate"]:
            best[row["age"]] = row
    return finite(latch_age({age: row["control"] for age, row in best.items()}, verdict))


def _age_of_behaviour(rows: Rows, intended: str) -> float | None:
    """First age from which on the goal that comes first most often at the end does so, as ``compare`` has it."""
    firsts = [
        row
        for row in rows
        if row["metric"] in ("goal", "proxy") and row["analysis"] == "behaviour" and row["control"] == APART
        if row["age"] is not None
    ]
    leaders = []
    goals = {_goal(row, intended) for row in firsts}
    for age, at_age in groupby(sorted(firsts, key=lambda row: row["age"]), key=lambda row: row["age"]):
        rates = {_goal(row, intended): finite(row["estimate"]) for row in at_age}
        known = {goal: rate for goal, rate in rates.items() if rate is not None}
        if known.keys() == goals:
            leaders.append((age, min(known, key=lambda goal: (-known[goal], goal))))
    since = math.nan
    for age, leader in reversed(leaders):
        if leader != leaders[-1][1]:
            break
        since = float(age)
    return finite(since)


def _goal(row: Mapping[str, Any], intended: str) -> str:
    return str(row["concept"]) if row["metric"] == "proxy" else intended
