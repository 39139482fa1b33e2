"""What ``imprint sweep`` says of a sweep before it begins."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console

from imprint.analyses.evaluate.sweeps.plan import plan_of
from imprint.commands.sweep import _announce


@pytest.mark.parametrize(
    ("grid", "words"),
    [
        ({"schedule.seeds": [1, 3]}, "2 cells of 1 to 3 seeds, raised in 2 upbringings; 4 lives"),
        ({"assessor.lag": [0, 1]}, "2 cells of 1 seed, raised in 1 upbringing; 1 life"),
    ],
)
def test_the_seeds_of_the_cells_are_told_not_those_of_the_setup(grid: dict[str, list[int]], words: str) -> None:
    said = StringIO()
    plan = plan_of("nursery", grid, seeds=None if "schedule.seeds" in grid else 1)
    _announce(Console(file=said, width=200), plan)
    assert words in said.getvalue()
