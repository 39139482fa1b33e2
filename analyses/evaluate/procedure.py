"""The contract of an evaluation: rehearse, raise, examine, pool."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from imprint.analyses.engine import Cell, Outcome
from imprint.analyses.evaluate.agents.cells import raise_agents
from imprint.analyses.evaluate.run import AnySetup
from imprint.analyses.findings import findings
from imprint.models.setup.agent import AgentSetup
from imprint.models.store import RunFolder

METRICS = {
    "lifetime": {
        "diverged": "1: the seed diverged; `age` is its last good one",
        "failed_cell": "1: a cell of work failed; `control` names it, `why` is its error",
        "training_success": "part of the last training episodes that attain the intended goal",
    }
}


def failure_rows(setup: AnySetup, outcomes: list[Outcome]) -> pd.DataFrame:
    """One row of findings for every cell that failed."""
    base = {"analysis": "lifetime", "setup": setup.run_name, "metric": "failed_cell", "verdict": "failed"}
    return findings([{**base, "control": o.cell, "why": o.error} for o in outcomes if o.error is not None])


def groups_of_seeds(setup: AgentSetup, folder: RunFolder, seeds: Sequence[int], watch: Path, what: str) -> list[Cell]:
    """Cells that raise seeds, as many together as the setup says."""
    cells, size = [], setup.schedule.together
    for start in range(0, len(seeds), size):
        some = tuple(seeds[start : start + size])
        name = f"{what} {some[0]}-{some[-1]}" if len(some) > 1 else f"{what} {some[0]}"
        results = tuple(folder.checkpoint(seed, age) for seed in some for age in setup.planned)
        cells.append(Cell(name, raise_agents, (setup.resolved(), folder.path, some, name, watch), results))
    return cells
