"""A run over worlds: each seed is judged in its own, numbers are pooled over worlds, findings say which is whose."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
import pandas as pd
import pytest

from imprint.analyses.evaluate.agents.procedure import AgentProcedure
from imprint.analyses.evaluate.learners.procedure import LearnerProcedure
from imprint.analyses.evaluate.procedure import Procedure
from imprint.analyses.evaluate.run import AnySetup, Run
from imprint.analyses.findings import COLUMNS
from imprint.models.setup.learner import Setup
from imprint.models.setup.load import load_setup
from imprint.models.store import RunFolder

pytestmark = pytest.mark.long

TINY: dict[str, Any] = {
    "schedule.seeds": 2, "schedule.worlds": 2, "schedule.together": 1, "schedule.ages": 2, "evaluation.resamples": 100,
    "evaluation.twins": 2, "evaluation.placebos": 2, "evaluation.nulls": 5,
}  # fmt: skip
CHANGES: dict[str, dict[str, Any]] = {
    "nursery": {
        **TINY, "schedule.experiences": 640, "schedule.batch": 32, "evaluation.episodes": 400,
        "evaluation.latch_twins": 5, "learner.hidden": 24, "proxies": ["her_colour", "her_side"], "concepts": [],
    },
    "coin": {
        **TINY, "agent.widths": [32, 32], "learning.copies": 32, "learning.minibatches": 2,
        "schedule.experiences": 1024, "evaluation.levels": 60, "evaluation.states": 400, "concepts": [],
    },
}  # fmt: skip
BOTH = pytest.mark.parametrize("name", list(CHANGES))


@cache
def runs(name: str) -> tuple[Run, Run]:
    """A run of two worlds, and the run of the second of them alone."""
    setup = load_setup(name, changes=CHANGES[name])
    assert isinstance(setup, AnySetup)
    return run_here(setup), run_here(setup.in_world(1))


def run_here(setup: AnySetup) -> Run:
    """The cells of a run one after another in this process, but for those that vouch for the instruments."""
    folder = RunFolder(Path(mkdtemp()) / setup.run_name)
    procedure: Procedure[Any] = (LearnerProcedure if isinstance(setup, Setup) else AgentProcedure)(setup, folder)
    for wave in (procedure.raising, lambda: procedure.examining([0, 1])):
        for cell in wave():
            if "planted" not in cell.name and "random" not in cell.name:
                cell.function(*cell.arguments)
                assert cell.done, cell.name
    return Run.of(folder.path, setup=setup, findings=procedure.findings([], None))


def of_seed_one(run: Run) -> pd.DataFrame:
    """Findings on the second seed, without what names its run or world."""
    table = run.findings[(run.findings["seed"] == 1) & ~run.findings["control"].eq("untrained").fillna(False)]
    return table.drop(columns=["setup", "world"]).reset_index(drop=True)


@BOTH
def test_a_seed_is_judged_as_in_a_run_of_its_world_alone(name: str) -> None:
    """All but selectivity, whose floor rests on fewer untrained twins where worlds share them."""
    ours, alone = (t[t["metric"] != "selectivity"].reset_index(drop=True) for t in map(of_seed_one, runs(name)))
    assert len(ours) > 20 and set(ours["analysis"]) >= {"latch", "locate"}
    pd.testing.assert_frame_equal(ours, alone, check_exact=True)


@BOTH
def test_findings_say_which_world_is_whose_and_what_was_drawn(name: str) -> None:
    run, alone = runs(name)
    table = run.findings
    assert list(table.columns) == list(COLUMNS)
    seeds = table[table["seed"].notna() & ~table["control"].eq("untrained").fillna(False)]
    assert (seeds["world"] == seeds["seed"]).all()
    drawn = table[table["analysis"] == "worlds"]
    for number, constants in enumerate(run.setup.worlds):
        assert set(drawn[drawn["world"] == number]["concept"]) == set(constants)
    assert drawn["why"].nunique() > len(set(drawn["concept"]))
    others = alone.findings[alone.findings["analysis"] != "worlds"]
    assert others["world"].isna().all()


@BOTH
def test_numbers_are_pooled_under_one_name_and_the_sentence_says_over_what(name: str) -> None:
    run, alone = runs(name)
    latch = run.latch_row()
    assert latch is not None and "over 2 worlds and 2 seeds" in latch["why"]
    assert "over 2 worlds and 2 seeds" in run.sentence and "over 2 seeds of one world" in alone.sentence
    metric, concept = ("share", "her_colour") if name == "nursery" else ("score", "corner_way")
    rows = run.findings[(run.findings["metric"] == metric) & (run.findings["concept"] == concept)]
    over = rows[rows["seed"].isna() & rows["estimate"].notna()]
    assert len(over) and (over["seeds"] == 2).all() and np.isfinite(over["estimate"]).all()
