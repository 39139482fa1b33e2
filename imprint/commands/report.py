"""``imprint report``: the page of a run, an answered question or a sweep, written again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from imprint.reports.reading.folders import QUESTION, is_sweep


def report_folder(folder: Path) -> dict[str, Any]:
    """Write the page; its path, and the files that could not be read with the reasons."""
    if is_sweep(folder):
        from imprint.reports.pages.sweep import report_sweep

        return {"report": report_sweep(folder), "missing": {}}
    if (folder / QUESTION).exists():
        from imprint.reports.pages.question import report_question

        return {"report": report_question(folder), "missing": {}}
    from imprint.reports.pages.run import report
    from imprint.reports.reading.run import load_run

    data = load_run(folder)
    return {"report": report(data), "missing": dict(data.missing)}
