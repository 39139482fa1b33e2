"""``imprint.report``: the page of whatever is given: a run, a latch, or the table of ``imprint.locate``."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from imprint.models.files import write_bytes
from imprint.reports.pages import latched, located
from imprint.reports.pages import run as runs
from imprint.reports.reading.run import load_run


def report(of: object, path: str | Path | None = None) -> Path:
    """Write one self-contained HTML page; its path.

    ``of``: a run (its folder, or anything with a ``path``), whose page is ``report.html`` in the folder; a study, which
    is finished first; the table that ``imprint.locate`` returned, whose page is ``located.html`` in the current folder;
    or what ``imprint.latch`` returned, ``latched.html``. ``path``: another file.
    """
    if isinstance(of, pd.DataFrame):
        return located.report_located(of, path)
    if latched.is_latch(of):
        return latched.report_latched(of, path)
    if callable(finish := getattr(of, "finish", None)):
        of = finish()
    if path is None:
        return runs.report(of)
    target = Path(path)
    write_bytes(target, runs.render(load_run(of)).encode("utf-8"))
    return target
