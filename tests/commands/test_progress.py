"""Progress in a terminal and in a log."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from imprint.analyses.engine import Step
from imprint.commands import progress
from imprint.commands.progress import Bars


@pytest.mark.parametrize("terminal", [False, True])
def test_progress_shows_every_cell_to_its_end(terminal: bool) -> None:
    page = Console(file=io.StringIO(), force_terminal=terminal, width=100)
    with Bars(page) as bars:
        bars(Step("seeds 0-2", 64, 640, ""))
        bars(Step("seeds 0-2", 128, 640, ""))
        bars(Step("[x]", 0, 1, "failed"))
        bars(Step("seeds 0-2", 1, 1, "done"))
    assert isinstance(page.file, io.StringIO)
    text = page.file.getvalue()
    assert "seeds 0-2" in text
    assert "[x]" in text
    assert "failed" in text
    assert ("640/640" if terminal else "seeds 0-2: 1 of 1  done") in text


def test_a_log_says_how_much_time_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    page = Console(file=io.StringIO(), force_terminal=False, width=100)
    clock = iter([100.0, 160.0, 220.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    with Bars(page) as bars:
        for done in (100, 400, 1000):
            bars(Step("sweep", done, 1000, "lives"))
        for done, clock in ((100, 300.0), (400, 360.0)):
            monkeypatch.setattr(progress.time, "monotonic", lambda now=clock: now)
            bars(Step("locate", done, 1000, "reading  3 min left"))
    assert isinstance(page.file, io.StringIO)
    # 300 units took a minute, so that 600 take two; a cell that has just begun, or has ended, says nothing
    assert page.file.getvalue().splitlines() == [
        "sweep: 100 of 1,000  lives",
        "sweep: 400 of 1,000  lives, 2 min left",
        "sweep: 1,000 of 1,000  lives",
        *[f"locate: {done} of 1,000  reading  3 min left" for done in (100, 400)],  # said once
    ]
