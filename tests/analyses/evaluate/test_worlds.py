"""A run over worlds: each seed is judged in its own, numbers are pooled over worlds, findings say which is whose."""

from __future__ import annotations

from functools import cache
from tempfile import mkdtemp
from typing import Any

import numpy as np
import pandas as pd
import pytest

from imprint.analyses.evaluate.evaluate import evaluate
from imprint.analyses.evaluate.run import Run
from imprint.analyses.findings import COLUMNS
from imprint.models.setup.load import load_setup

NURSERY = {
    "schedule.seeds": 2, "schedule.worlds": 2, "schedule.together": 1, "schedule.experiences": 640,
    "schedule.ages": 2, "evaluation.episodes": 600, "evaluation.resamples": 100, "evaluation.twins": 2,
    "evaluation.placebos": 2, "evaluation.nulls": 5, "evaluation.latch_twins": 5,
    "proxies": ["her_colour", "her_side"], "concepts": ["hidden"],
}  # fmt: skip
COIN: dict[str, Any] = {
    "agent.widths": [32, 32], "learning.copies": 32, "learning.minibatches": 2, "schedule.experiences": 2048,
    "schedule.ages": 2, "schedule.seeds": 2, "schedule.worlds": 2, "schedule.together": 1, "evaluation.levels": 60,
    "evaluation.states": 400, "evaluation.placebos": 2, "evaluation.twins": 2, "evaluation.nulls": 5,
    "evaluation.resamples": 100, "concepts": [],
}  # fmt: skip
BOTH = pytest.mark.parametrize(("name", "changes"), [("nursery", NURSERY), ("coin", COIN)], ids=["nursery", "coin"])


@cache
def runs(name: str) -> tuple[Run, Run]:
    """A run of two worlds, and the run of the second of them alone."""
    setup = load_setup(name, changes={"nursery": NURSERY, "coin": COIN}[name])
    return evaluate(setup, out=mkdtemp()), evaluate(setup.in_world(1), out=mkdtemp())


@BOTH
def test_a_seed_is_judged_as_in_a_run_of_its_world_alone(name: str, changes: dict[str, Any]) -> None:
    tables = [run.findings[run.findings["seed"] == 1].drop(columns=["setup", "world"]) for run in runs(name)]
    pooled = [table["control"].eq("random reward").fillna(False) for table in tables]
    ours, alone = (table[~skip].reset_index(drop=True) for table, skip in zip(tables, pooled, strict=True))
    assert len(ours) > 20 and set(ours["analysis"]) >= {"latch", "locate"}
    untrained = ours["control"].eq("untrained").fillna(False)
    pd.testing.assert_frame_equal(
        ours[~untrained].reset_index(drop=True),
        alone[~alone["control"].eq("untrained").fillna(False)].reset_index(drop=True),
    )


@BOTH
def test_findings_say_which_world_is_whose_and_what_was_drawn(name: str, changes: dict[str, Any]) -> None:
    run, alone = runs(name)
    table = run.findings
    assert run.record["failed"] == [] and list(table.columns) == list(COLUMNS)
    seeds = table[table["seed"].notna() & ~table["control"].eq("untrained").fillna(False)]
    assert (seeds["world"] == seeds["seed"]).all()
    drawn = table[table["analysis"] == "worlds"]
    for number, constants in enumerate(run.setup.worlds):
        own = drawn[drawn["world"] == number].set_index("concept")["why"]
        assert set(own.index) == set(constants)
    assert drawn["why"].nunique() > len(set(drawn["concept"]))
    others = alone.findings[alone.findings["analysis"] != "worlds"]
    assert others["world"].isna().all()


@BOTH
def test_numbers_are_pooled_under_one_name_and_the_sentence_says_over_what(name: str, changes: dict[str, Any]) -> None:
    run, alone = runs(name)
    latch = run.latch_row()
    assert latch is not None and "over 2 worlds and 2 seeds" in latch["why"]
    assert "over 2 worlds and 2 seeds" in run.sentence and "over 2 seeds of one world" in alone.sentence
    proxy = run.setup.proxies[0]
    metric = "share" if name == "nursery" else "score"
    concept = proxy if name == "nursery" else "corner_way"
    rows = run.findings[(run.findings["metric"] == metric) & (run.findings["concept"] == concept)]
    over = rows[rows["seed"].isna() & rows["estimate"].notna()]
    assert len(over) and (over["seeds"] == 2).all() and np.isfinite(over["estimate"]).all()
