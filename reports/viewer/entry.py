"""One line of the view: what a run, a study, a sweep or an answered question is and says."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from imprint.models.errors import ImprintError
from imprint.reports.viewer.places import Place

LEAVES = 400
"""Settings of one entry that are shown at most."""
GRANULARITY = timedelta(seconds=2)
"""Precision of the times of files on common file systems."""
STRICT = {"extra": "forbid"}
"""For the schema of what ``imprint view --json`` prints: there are no other entries."""
WHOLE, FAILED, RUNNING, UNFINISHED, DAMAGED = "whole", "failed cells", "running", "unfinished", "damaged"


@dataclass(frozen=True)
class Held:
    """What one concept or goal holds, with its 95 % interval over seeds."""

    __pydantic_config__ = STRICT
    concept: str
    role: str
    """``intended``, ``proxy`` or empty."""
    estimate: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Entry:
    """One line of the view. What is missing is None, and never zero."""

    __pydantic_config__ = STRICT
    id: str
    """Path below the folder that is shown."""
    kind: str
    """``run``, ``study``, ``sweep`` or ``question``."""
    setup: str
    """Name of the setup or the question."""
    of: str = ""
    """``agents`` or ``learners``; empty for questions."""
    question: str = ""
    verdict: str = ""
    sentence: str = ""
    """What the verdict says."""
    probability: float | None = None
    """Of ``word``."""
    word: str = ""
    """The likeliest word."""
    words: Mapping[str, float] = field(default_factory=dict)
    """Word -> probability; of a sweep, verdict -> cells."""
    intended: str = ""
    held: tuple[Held, ...] = ()
    """Dominance (of runs of older versions: share) of every concept."""
    level: str = ""
    """Level of evidence as the files state it: ``exploratory``, ``registered`` or ``replicated``."""
    registration: str = ""
    replicates: str = ""
    """Registration of the run that this one repeats on other seeds."""
    latch_age: float | None = None
    unit: str = "experiences"
    seeds: int | None = None
    worlds: int | None = None
    cost: float | None = None
    """Seconds of work of one core."""
    took: Mapping[str, tuple[int, float]] = field(default_factory=dict)
    """Pieces of work without their numbers -> how many there were, and seconds they took together."""
    date: str = ""
    """When it was begun, ISO 8601 in UTC."""
    state: str = WHOLE
    failed: int = 0
    problems: tuple[str, ...] = ()
    """What could not be read, and cells of work that failed."""
    report: bool = False
    """Whether its report lies in its folder."""
    command: str = ""
    """What makes the report or, of unfinished work, goes on with it."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """Dotted setting -> value."""
    progress: Mapping[str, Any] | None = None
    """Of work that goes on; see :mod:`imprint.reports.viewer.running`."""

    def data(self) -> dict[str, Any]:
        """In the types of JSON."""
        return asdict(self)


def read(place: Place, name: str, problems: list[str]) -> Mapping[str, Any]:
    """A record of a place; empty, with a line among the ``problems``, when it cannot be read."""
    try:
        return place.record(name)
    except ImprintError as error:
        problems.append(str(error))
        return {}


def text(value: Any) -> str:
    """A text, or nothing where there is none."""
    return value if isinstance(value, str) else ""


def part(record: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A part of a record that is a mapping; empty when there is no such part."""
    found = record.get(name)
    return found if isinstance(found, dict) else {}


def whole(value: Any) -> int | None:
    """A count, or nothing where there is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def finite(value: Any) -> float | None:
    """A number, or nothing where there is none."""
    try:
        number = float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def seconds_of(record: Mapping[str, Any]) -> float | None:
    """All seconds of work that a record lists, or nothing."""
    took = [seconds for value in part(record, "cell_seconds").values() if (seconds := finite(value)) is not None]
    return finite(sum(took)) if took else None


def flat_settings(settings: Mapping[str, Any]) -> dict[str, str]:
    """Dotted setting -> value, the first :data:`LEAVES` of them."""
    found: dict[str, str] = {}
    for path, value in _leaves(settings, ""):
        if len(found) == LEAVES:
            break
        found[path] = value
    return found


def _leaves(value: Any, path: str, depth: int = 0) -> Iterator[tuple[str, str]]:
    nested = isinstance(value, list) and any(isinstance(item, dict | list) for item in value)
    if depth < 8 and (isinstance(value, dict) or nested):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _leaves(item, f"{path}.{key}" if path else str(key), depth + 1)
    else:
        shown = ", ".join(map(str, value)) if isinstance(value, list) else "" if value is None else str(value)
        yield path, shown[:300]


def time_of(value: Any) -> datetime | None:
    """A time in UTC, or nothing when it is none."""
    try:
        found = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)


def written(when: datetime | None) -> str:
    """A time for JSON; empty where there is none."""
    return "" if when is None else when.isoformat(timespec="seconds").replace("+00:00", "Z")


def level_of(registration: Mapping[str, Any], settings: Any, record: Mapping[str, Any]) -> str:
    """The level that the files state: registration, its hashes and its time are looked at, and no result is.

    ``settings``: what was registered. ``record``: what was recorded at the end. ``imprint verify`` does all of it.
    """
    parts = part(registration, "parts")
    registered, first = time_of(registration.get("registered")), time_of(record.get("first_result"))
    fits = (
        parts.get("settings") == _digest(settings)
        and parts.get("rule") == _digest(registration.get("rule"))
        and registration.get("registration") == _digest(parts)
        and record.get("registration") in (registration.get("registration"), None)
    )
    late = registered is None or (first is not None and registered > first + GRANULARITY)
    return "registered" if fits and not late and not registration.get("earlier") else "exploratory"


def _digest(data: Any) -> str:
    try:
        return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()
    except (TypeError, ValueError, RecursionError):
        return ""
