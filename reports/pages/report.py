"""``imprint.report``: the page of whatever is given: a run, a sweep, a latch, or the table of ``imprint.locate``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from imprint.models.files import write_bytes, write_page
from imprint.reports.pages import latched, located
from imprint.reports.pages import question as questions
from imprint.reports.pages import run as runs
from imprint.reports.pages import sweep as sweeps
from imprint.reports.reading.folders import QUESTION, is_sweep
from imprint.reports.reading.question import load_answer
from imprint.reports.reading.run import load_run
from imprint.reports.reading.sweep import load_sweep


def report(of: object, path: str | Path | None = None) -> Path:
    """Write one self-contained HTML page; its path.

    ``of``: a run or a sweep (its folder, or anything with a ``path``), whose page is ``report.html`` in the folder; a
    study, which is finished first; the table that ``imprint.locate`` returned, whose page is ``located.html`` in the
    current folder;
    or what ``imprint.latch`` returned, ``latched.html``. ``path``: another file.
    """
    if isinstance(of, pd.DataFrame):
        return located.report_located(of, path)
    if latched.is_latch(of):
        return latched.report_latched(of, path)
    if callable(finish := getattr(of, "finish", None)):
        of = finish()
    swept = is_sweep(of)
    if path is None:
        return sweeps.report_sweep(of) if swept else runs.report(of)
    target = Path(path)
    text = sweeps.render_sweep(load_sweep(of)) if swept else runs.render(load_run(of))
    write_bytes(target, text.encode("utf-8"))
    return target


def report_folder(folder: Path) -> dict[str, Any]:
    """Write ``report.html`` into the folder of a run, a sweep or an answered question.

    Returns its path as ``report``, and as ``missing`` the files that could not be read with the reasons.
    """
    text, missing = rendered(folder)
    target = folder / "report.html"
    write_page(target, text, folder / ("cells.parquet" if is_sweep(folder) else "findings.parquet"))
    return {"report": target, "missing": missing}


def rendered(folder: Path) -> tuple[str, dict[str, str]]:
    """The page of such a folder, and the files that could not be read with the reasons."""
    if is_sweep(folder):
        return sweeps.render_sweep(load_sweep(folder)), {}
    if (folder / QUESTION).exists():
        return questions.render_question(load_answer(folder)), {}
    data = load_run(folder)
    return runs.render(data), dict(data.missing)
