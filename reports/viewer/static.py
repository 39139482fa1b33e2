"""The view as a folder of files, which any web server or GitHub Pages shows, and a browser without one."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from imprint.models.errors import ImprintError
from imprint.reports.viewer.entry import UNFINISHED, Entry
from imprint.reports.viewer.listing import Listing
from imprint.reports.viewer.page import page
from imprint.reports.viewer.reports import report_of


def export_view(
    folder: str | Path, target: str | Path, *, say: Callable[[str], None] = lambda text: None
) -> tuple[Path, list[str]]:
    """Write ``index.html`` and the report of everything finished under ``folder`` into ``target``.

    Reports that are missing are made there, and nothing is written into the runs. Returns the page, and a line for
    every report that could not be made. ``say`` is told of each report. Raises :class:`ImprintError` when there is no
    such folder or the target cannot be written.
    """
    from imprint.models.files import write_bytes

    listing, target = Listing(folder), Path(target)
    if target.resolve() == listing.root:
        raise ImprintError(f"{target} holds the runs; choose another folder for the page.")
    entries, places, reports, lacking = listing.entries(), listing.places(), dict[str, str](), list[str]()
    for entry in entries:
        if entry.id not in places or not (entry.report or entry.state != UNFINISHED):
            continue
        try:
            content = report_of(places[entry.id])
        except ImprintError as error:
            lacking.append(f"{entry.id}: {error}")
            continue
        reports[entry.id] = f"reports/{_file_name(entry)}"
        write_bytes(target / reports[entry.id], content)
        say(reports[entry.id])
    whole = [replace(entry, command="") for entry in entries]  # which would name folders of this machine
    text = page(listing.root.name, whole, reports, folder=listing.root.name, served=False)
    index = target / "index.html"
    write_bytes(index, text.encode("utf-8"))
    write_bytes(target / ".nojekyll", b"")
    return index, lacking


def _file_name(entry: Entry) -> str:
    """A name that every file system and address takes, other for every entry."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", entry.id).strip(".-") or "root"
    other = "" if plain == entry.id else f"-{hashlib.sha256(entry.id.encode()).hexdigest()[:8]}"
    return f"{plain[:100]}{other}.html"
