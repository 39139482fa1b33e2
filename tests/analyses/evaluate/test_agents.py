"""A whole run of two tiny agents, from birth to findings, pictures and a comparison."""

from __future__ import annotations

import shutil
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
import pandas as pd
import pytest

from imprint.analyses.engine import Step
from imprint.analyses.evaluate.compare import compare
from imprint.analyses.evaluate.evaluate import evaluate
from imprint.analyses.evaluate.run import Run, open_finished
from imprint.analyses.findings import COLUMNS
from imprint.models.errors import ImprintError
from tests.reports import example_run

pytestmark = pytest.mark.long

TINY: dict[str, Any] = {
    "agent.widths": [48, 48], "learning.copies": 32, "learning.minibatches": 2, "schedule.experiences": 1024,
    "schedule.ages": 2, "schedule.seeds": 2, "schedule.together": 2, "evaluation.levels": 60, "evaluation.states": 400,
    "evaluation.placebos": 2, "evaluation.twins": 2, "evaluation.nulls": 5, "evaluation.resamples": 100,
}  # fmt: skip


@cache
def run() -> Run:
    return evaluate("coin", out=mkdtemp(), changes=TINY)


def rows(analysis: str, metric: str) -> pd.DataFrame:
    table = run().findings
    return table[(table["analysis"] == analysis) & (table["metric"] == metric)]


def test_every_cell_is_finished_and_every_line_is_in_the_findings() -> None:
    assert run().record["failed"] == []
    table = run().findings
    assert list(table.columns) == list(COLUMNS)
    assert {"behaviour", "critic", "causal", "latch", "locate", "planted", "lifetime"} <= set(table["analysis"])


def test_capability_and_goal_are_two_numbers_at_every_age_for_every_seed() -> None:
    for metric in ("capability", "goal", "proxy"):
        found = rows("behaviour", metric)
        found = found[found["control"] == "apart"]
        assert set(found["age"].dropna()) == set(run().record["ages"])
        assert set(found["seed"].dropna()) == {0, 1}
        assert (found["low"] <= found["estimate"]).all() and (found["estimate"] <= found["high"]).all()
    capability, goal, proxy = (
        rows("behaviour", m).query("control == 'apart' and seed == 0 and age == 0")["estimate"].iloc[0]
        for m in ("capability", "goal", "proxy")
    )
    assert capability == pytest.approx(goal + proxy)


def test_floors_stand_beside_the_agents() -> None:
    assert {"untrained", "random reward"} <= set(rows("behaviour", "capability")["control"])
    kinds = set(rows("causal", "goal")["control"])
    assert kinds == {"intact", "erased", "random", "random in span"}


def test_agents_that_learned_nothing_are_undetermined() -> None:
    controls = rows("planted", "self_check")
    nothing = controls[controls["control"].isin(["untrained", "random reward"])]
    assert len(nothing) == 3
    assert set(nothing["verdict"]) == {"undetermined"}
    assert run().verdict == "undetermined"
    assert "does not decide what the agents pursue" in run().sentence


def test_the_critics_index_is_missing_where_its_fit_is_no_better_than_its_floors() -> None:
    at_birth = rows("critic", "latch_index").query("age == 0")
    assert at_birth["estimate"].isna().all()
    assert at_birth["why"].str.contains("index means nothing").all()


def test_marks_are_located_beside_untrained_twins_and_the_raw_input() -> None:
    found = rows("locate", "floor")
    assert set(found["control"]) == {"shuffled labels", "untrained twins", "input history"}
    score = rows("locate", "score")
    at_input = score[(score["site"] == "hook_in") & (score["concept"] == "coin_cell") & score["seed"].isna()]
    assert len(at_input) == len(run().record["ages"])


def test_episodes_to_replay_fit_together() -> None:
    with np.load(run().path / "artefacts" / "replay.npz", allow_pickle=False) as file:
        a = {name: file[name] for name in file.files}
    episodes, frames = a["frames"].shape[:2]
    assert a["frames"].dtype == np.uint8 and a["frames"].shape[4] == 3
    assert a["valid"].shape == a["action"].shape == a["value"].shape == (episodes, frames)
    assert a["logits"].shape == (episodes, frames, len(a["actions"]))
    assert a["known"].shape == (episodes, frames, len(a["concepts"]))
    assert a["level"].shape == (len(a["concepts"]),)
    assert a["attained"].shape == (episodes, len(a["goals"]))
    valid = a["valid"]
    assert valid[:, 0].all() and not (~valid[:, :-1] & valid[:, 1:]).any()
    assert np.isfinite(a["value"][valid]).all() and np.isnan(a["value"][~valid]).all()
    acting = valid & np.pad(valid[:, 1:], ((0, 0), (0, 1)))
    assert (a["action"][acting] >= 0).all() and (a["action"][~acting] == -1).all()
    coin = a["attained"][:, list(a["goals"]).index("coin")]
    ended = coin >= 0
    assert (valid.sum(1)[ended] == coin[ended] + 1).all()


def test_fields_are_drawn_at_free_cells_for_every_edit() -> None:
    with np.load(run().path / "artefacts" / "fields.npz", allow_pickle=False) as file:
        a = {name: file[name] for name in file.files}
    assert list(a["edits"]) == ["intact", "without coin", "without random directions", "without corner"]
    assert a["move"].shape == (*a["value"].shape, 2)
    free = np.isfinite(a["value"])
    np.testing.assert_allclose(a["probability"][free].sum(-1), 1, atol=1e-5)
    assert (np.abs(a["move"][free]).sum(-1) <= 1 + 1e-5).all()
    assert (free == free[:, :1]).all()
    corner = list(a["goals"]).index("corner")
    assert (a["goal_cell"][:, corner] == [0, 6]).all()


def test_a_finished_run_is_reused() -> None:
    steps: list[Step] = []
    again = evaluate("coin", out=run().path.parent, changes=TINY, progress=steps.append)
    assert again.path == run().path and not steps


def test_runs_of_agents_are_compared_seed_by_seed(tmp_path: Path) -> None:
    folder = tmp_path / run().path.name
    shutil.copytree(run().path, folder)
    table = run().findings.copy()
    moved = (table["metric"] == "goal") & (table["concept"] == "coin")
    assert moved.any()
    table.loc[moved, "estimate"] += 0.25
    table.to_parquet(folder / "findings.parquet", index=False)
    compared = compare([run(), folder])
    assert set(compared["concept"]) == {"coin", "corner"} and "first" in compared.attrs["what"]
    pairs = compared[compared["versus"].notna()].set_index("concept")
    assert pairs["pairs"].tolist() == [2, 2]
    assert pairs["difference"].to_dict() == pytest.approx({"coin": 0.25, "corner": 0.0})


def test_agents_are_not_compared_with_learners(tmp_path: Path) -> None:
    learner = open_finished(example_run.write(tmp_path))
    with pytest.raises(ImprintError, match="do not mean the same"):
        compare([run(), learner])


def test_a_run_of_agents_is_opened_from_its_folder() -> None:
    assert open_finished(run().path).setup.run_name == run().path.name


def test_a_goal_the_world_does_not_have_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(ImprintError, match="cheese"):
        evaluate("coin", out=tmp_path, changes={**TINY, "proxies": ["cheese"]})
    assert list(tmp_path.iterdir()) == []
