"""The report of an entry: the file in its folder or, where there is none, one that is made and not stored there."""

from __future__ import annotations

import os
from pathlib import Path

from imprint.models.errors import ImprintError
from imprint.reports.viewer.places import Place

LARGEST = 256 * 1024**2
"""Bytes of a report that is sent."""


def report_of(place: Place) -> bytes:
    """The page. Raises :class:`ImprintError` when there is none and none can be made, with what would make it."""
    file = place.file("report.html")
    if file is None:
        return _made(place).encode("utf-8")
    try:
        if file.stat().st_size > LARGEST:
            raise ImprintError(f"the report of {place.id} is larger than {LARGEST // 1024**2} MB.")
        return file.read_bytes()
    except OSError as error:
        raise ImprintError(f"the report of {place.id} cannot be read: {error.strerror}.") from None


def _made(place: Place) -> str:
    """A page that is made now, of a folder none of whose files lies elsewhere."""
    for path, folders, files in os.walk(place.path):
        for name in (*folders, *files):
            if not Path(os.path.realpath(Path(path) / name)).is_relative_to(place.root):
                raise ImprintError(f"{place.id} holds a link that leads out of what is shown ({name}): not followed.")
    if place.file("findings.parquet") is None and place.kind != "sweep":
        raise ImprintError(f"{place.id} holds no findings yet, so there is nothing to report.")
    from imprint.reports.pages.report import rendered

    return rendered(place.path)[0]
