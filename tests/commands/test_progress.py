"""Progress in a terminal and in a log."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from imprint.analyses.engine import Step
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
