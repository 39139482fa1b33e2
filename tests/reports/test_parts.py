"""What tables say of themselves."""

from __future__ import annotations

import pandas as pd

from imprint.reports.parts import LONG, Table


def test_rows_become_paragraphs_on_narrow_screens_where_a_cell_holds_sentences() -> None:
    short, long = pd.DataFrame({"why": ["x" * LONG], "n": [3]}), pd.DataFrame({"why": ["x" * (LONG + 1)], "n": [3]})
    assert not Table("a", "", short).wordy and Table("a", "", long).wordy
    assert not Table("a", "", long, rows=0).wordy, "rows that are in the download alone take no room"
