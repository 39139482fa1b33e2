"""Everything under a folder, one entry each; what has not changed since it was read is not read again."""

from __future__ import annotations

import threading
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from imprint.reports.viewer.answers import answer_entry
from imprint.reports.viewer.entry import DAMAGED, RUNNING, UNFINISHED, Entry
from imprint.reports.viewer.places import MANIFESTS, Place, places_in, root_of
from imprint.reports.viewer.running import standing_of, worked_on
from imprint.reports.viewer.runs import run_entry
from imprint.reports.viewer.sweeps import sweep_entry

READERS = {"run": run_entry, "question": answer_entry, "sweep": sweep_entry}
FILES = (
    *MANIFESTS,
    *("registration.json", "run.json", "record.json", "answer.json", "report.html"),
    *("findings.parquet", "cells.parquet", "seconds.parquet"),
)
"""Files on which an entry depends."""
Stamp = tuple[tuple[int, int], ...]


class Listing:
    """The entries of all folders under one, found anew whenever they are asked for. Safe to be used by threads."""

    def __init__(self, folder: str | Path) -> None:
        """Raises :class:`ImprintError` when there is no such folder."""
        self.root, self.given = root_of(folder), Path(folder)
        self._read: dict[str, tuple[Stamp, Entry]] = {}
        self._lock = threading.Lock()

    def entries(self) -> list[Entry]:
        """Every entry, those that were begun last first."""
        with self._lock:
            places = self.places()
            self._read = {place.id: self._entry(place) for place in places.values()}
            found = {id_: entry for id_, (_, entry) in self._read.items()}
        levelled = [replace(entry, level="replicated") if _again(entry, found) else entry for entry in found.values()]
        standing = [_with_progress(places[entry.id], entry, levelled) for entry in levelled]
        return sorted(standing, key=lambda entry: (entry.date, entry.id), reverse=True)

    def entry(self, id_: str) -> Entry | None:
        """One entry, or nothing when there is none of this name."""
        return next((entry for entry in self.entries() if entry.id == id_), None)

    def places(self) -> dict[str, Place]:
        """The folders of all entries, by their names."""
        return {place.id: place for place in places_in(self.root, self.given)}

    def _entry(self, place: Place) -> tuple[Stamp, Entry]:
        stamp = place.stamp(*FILES)
        before = self._read.get(place.id)
        if before is not None and before[0] == stamp:
            return before
        try:
            return stamp, READERS[place.kind](place)
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:  # one bad folder, among many good ones
            problems = (f"its files hold what ours never do ({type(error).__name__})",)
            return stamp, Entry(place.id, place.kind, place.path.name, state=DAMAGED, problems=problems)


def live(entries: Sequence[Entry]) -> dict[str, Any]:
    """What an open page asks for again and again: a number for each entry, other when it changed, and what goes on."""
    return {
        "versions": {entry.id: version(entry) for entry in entries},
        "progress": {entry.id: entry.progress for entry in entries if entry.progress is not None},
    }


def version(entry: Entry) -> str:
    """A number that is another one when anything but the progress of an entry is."""
    return f"{zlib.crc32(repr(replace(entry, progress=None)).encode()):08x}"


def _again(entry: Entry, found: Mapping[str, Entry]) -> bool:
    """Whether a run beside it, registered later, said the same on other seeds."""
    if entry.level != "registered" or not entry.registration or entry.verdict in ("", "undetermined"):
        return False
    parent = Path(entry.id).parent
    return any(
        other.replicates == entry.registration
        and other.level == "registered"
        and other.verdict == entry.verdict
        and other.date > entry.date
        and Path(other.id).parent == parent
        for other in found.values()
    )


def _with_progress(place: Place, entry: Entry, others: Sequence[Entry]) -> Entry:
    """The same entry or, of work that goes on, one that says so and how far it is."""
    finished = entry.state != UNFINISHED
    if not worked_on(place, finished=finished):
        return entry
    known = [other for other in others if other.kind == entry.kind and other.setup == entry.setup and other.took]
    took = max(known, key=lambda other: other.date).took if known else None
    standing = standing_of(place, took)
    progress = {} if standing is None else standing.data()
    return replace(entry, state=RUNNING, progress=progress)
