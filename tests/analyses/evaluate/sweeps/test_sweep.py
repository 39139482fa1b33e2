"""A sweep says of every cell what a run of it would say, to the bit, however it came about."""

from __future__ import annotations

import hashlib
import shutil
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest

from imprint.analyses.evaluate.learners.exam import exam_of, signal_sign
from imprint.analyses.evaluate.learners.latch import record_of, twins_of
from imprint.analyses.evaluate.learners.pooled import latch_findings
from imprint.analyses.evaluate.learners.procedure import LearnerProcedure
from imprint.analyses.evaluate.run import Run
from imprint.analyses.evaluate.sweeps.cost import estimate
from imprint.analyses.evaluate.sweeps.plan import Plan, SweptCell, plan_of
from imprint.analyses.evaluate.sweeps.rows import row_of_run
from imprint.analyses.evaluate.sweeps.sweep import Sweep, carry_out, sweep
from imprint.analyses.registration import OF_SWEEPS, results_in
from imprint.analyses.verdicts import latch_age
from imprint.analyses.verification.verify import verify
from imprint.models.errors import ImprintError
from imprint.models.files import read_record, read_table, write_json, write_table
from imprint.models.lifetimes.shared import SharedLifetime
from imprint.models.setup.learner import Setup
from imprint.models.store import RunFolder, read_tensors

pytestmark = pytest.mark.long

TINY: dict[str, Any] = {
    "schedule.seeds": 2, "schedule.worlds": 2, "schedule.together": 2, "schedule.ages": 3, "schedule.experiences": 960,
    "schedule.batch": 32, "evaluation.episodes": 400, "evaluation.latch_twins": 5, "evaluation.resamples": 100,
    "evaluation.placebos": 2, "evaluation.nulls": 5, "learner.hidden": 16, "proxies": ["her_colour", "lamp"],
    "concepts": [],
}  # fmt: skip
GRID: dict[str, Any] = {
    "world.colour_cue": [0.4, 0.9],
    "steering.0.miss": [0.0, 0.4],
    "assessor.closes_at": [480, None],
}


def tiny_plan(**grid: Any) -> Plan:
    return plan_of("nursery", grid or GRID, changes=TINY)


@cache
def swept() -> Sweep:
    return carry_out(tiny_plan(), Path(mkdtemp()))


def latch_of_its_own(setup: Setup, out: Path) -> pd.DataFrame:
    """What a run of the setup alone finds over seeds at its last age, by the run's own pieces of work."""
    folder = RunFolder(out / setup.run_name)
    procedure = LearnerProcedure(setup, folder)
    nothing = pd.DataFrame(columns=["concept", "mass", "area"])
    skipped = {"mediating_sites": lambda *_: [], "_attribution": lambda *_, **__: nothing}  # no part of the verdict
    with patch.multiple("imprint.analyses.latch.latch", **skipped):
        for wave in (procedure.raising, lambda: procedure.examining(procedure.reached)):
            for cell in wave():
                if cell.name.startswith(("seed", "latch")):
                    cell.function(*cell.arguments)
    exams = [exam_of(setup, number) for number in range(2)]
    designs = [exam.design for exam in exams]
    records = [record_of(folder, seed, designs[seed], seed) for seed in range(2)]
    sign = signal_sign(setup, exams[0].world)
    found = latch_findings(exams[0], records, twins_of(folder, designs), ages=procedure.ages, sign=sign)
    return found[found["seed"].isna()]


def test_a_cell_says_what_a_run_of_its_own_says_to_the_bit(tmp_path: Path) -> None:
    cell, row = tiny_plan().cells[6], swept().frame.iloc[6]
    assert isinstance(cell.setup, Setup) and cell.values == {key: cell.values[key] for key in GRID}
    found = latch_of_its_own(cell.setup, tmp_path)
    last = found[found["age"] == 960]
    assert row["verdict"] == last[last["metric"] == "latch"]["verdict"].item()
    probabilities = last[last["metric"] == "probability"].set_index("control")["estimate"]
    assert {word: row[f"probability|{word}"] for word in probabilities.index} == probabilities.to_dict()
    assert row.filter(like="probability|").sum() == pytest.approx(1.0)
    dominance = last[last["metric"] == "dominance"].set_index("concept")
    ends = dominance.loc["caregiver", ["estimate", "low", "high"]].to_list()
    assert [row["dominance"], row["dominance_low"], row["dominance_high"]] == ends
    assert all(row[f"dominance|{concept}"] == dominance.loc[concept, "estimate"] for concept in ("her_colour", "lamp"))
    assert row["leads"] == last[last["metric"] == "leads"]["concept"].item() and row["seeds"] == 2
    first = found[found["metric"] == "probability"].groupby("age").first()["control"]
    words = {int(age): str(word) for age, word in first.items()}
    np.testing.assert_equal(row["latch_age"], latch_age(words, row["verdict"]))


def test_lives_are_shared_where_they_are_equal_and_nowhere_else() -> None:
    plan = tiny_plan()
    assert plan.raised == ("world.colour_cue",) and len(plan.upbringings) == 2 and plan.lives == 4
    one, other = (read_tensors(swept().folder / u.name / "seed-0/age-960.safetensors")[0] for u in plan.upbringings)
    learned = [name for name in one if name.startswith("learner.learner.")]
    assert learned and not all(one[name].equal(other[name]) for name in learned)
    assert tiny_plan(**{"schedule.learning_rate": [1e-3, 2e-3]}).raised == ("schedule.learning_rate",)
    judged = {"evaluation.alpha": [0.05, 0.1], "decision.dominates": [0.6, 0.75], "intended": ["caregiver", "side"]}
    assert tiny_plan(**judged).raised == () and tiny_plan(**judged).lives == 2


def test_steering_that_shapes_the_learner_and_agents_share_nothing() -> None:
    believing = {
        "scorecard": {"warm": {"kind": "valence", "signal": "contact"}},
        "steering.1": {"kind": "belief", "name": "comfort", "reading": "warm"},
    }
    grid = {"steering.1.weight": [0.5, 1.0], "steering.1.gradient_into_learner": [0.0, 0.5]}
    plan = plan_of("nursery", grid, changes={**TINY, **believing})
    assert [cell.number for cell in plan.alone] == [1, 3] and len(plan.upbringings) == 1 and plan.lives == 6
    assert plan.raised == ("steering.1.weight", "steering.1.gradient_into_learner")
    agents = plan_of("coin", {"decision.dominates": [0.6, 0.8]}, seeds=2)
    assert len(agents.alone) == 2 and agents.lives == 4 and agents.shared == ()


def test_the_frame_has_a_row_for_every_cell_and_every_column_of_the_contract() -> None:
    frame = swept().frame
    assert frame["cell"].tolist() == list(range(8)) and (frame["error"] == "").all() and (frame["seconds"] > 0).all()
    assert frame["assessor.closes_at"].unique().tolist() == ["480", "null"] and swept().setup.name == "nursery"
    assert frame["steering.0.miss"].dtype == float and frame["wanting"].isna().all() and swept().failed.empty
    assert frame["causal_share"].between(-0.1, 1.1).all() and (frame["diverged"] == 0).all()
    chosen = swept().cells(**{"assessor.closes_at": None, "steering.0.miss": 0.4})
    assert chosen["cell"].tolist() == [3, 7] and (chosen["steering.0.miss"] == 0.4).all()
    with pytest.raises(ImprintError, match=r"steering\.0\.mis'.*Did you mean 'steering.0.miss'"):
        swept().cells(**{"steering.0.mis": 0.4})


def test_windows_that_close_later_differ_and_those_that_never_do_are_the_life_s_end() -> None:
    last = read_tensors(swept().folder / tiny_plan().upbringings[0].name / "seed-0/age-960.safetensors")[0]
    early = read_tensors(swept().folder / tiny_plan().upbringings[0].name / "seed-0/age-32.safetensors")[0]
    assert not last["closed.0.480.weight"].equal(last["track.0.weight"])
    assert not [name for name in early if name.startswith("closed")]
    assert int(last["closed.0.480.updates"]) == 15 and int(last["track.0.updates"]) == 30


def test_what_a_sweep_leaves_is_estimated() -> None:
    left = sum(path.stat().st_size for path in swept().folder.rglob("*.safetensors"))
    assert 0.8 * left < estimate(tiny_plan()).bytes < 1.2 * left


def test_a_sweep_that_was_stopped_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    steps, read_along = iter(range(100)), SharedLifetime.read_along

    def stopping(life: SharedLifetime, *arguments: Any) -> None:
        if next(steps) == 40:  # in the second upbringing, between two ages
            raise KeyboardInterrupt
        read_along(life, *arguments)

    with patch.object(SharedLifetime, "read_along", stopping), pytest.raises(KeyboardInterrupt):
        carry_out(tiny_plan(), tmp_path)
    assert not list(tmp_path.glob("*/cells.parquet"))
    again = carry_out(tiny_plan(), tmp_path)
    assert again.folder.name == swept().folder.name and bytes_of(again) == bytes_of(swept())
    (again.folder / tiny_plan().upbringings[1].name / "cells" / "judged-4-7.parquet").unlink()
    (again.folder / "cells.parquet").unlink()
    assert bytes_of(carry_out(tiny_plan(), tmp_path)) == bytes_of(swept())


def bytes_of(done: Sweep) -> dict[str, str]:
    """Digest of every result, but for the hash of the registration, which holds the time."""
    files = results_in(done.folder, OF_SWEEPS)
    tensors = {f: read_tensors(f)[1]["digest"] for f in files if f.suffix == ".safetensors"}
    tables = {f: hashlib.sha256(pd.read_parquet(f).to_csv().encode()).hexdigest() for f in files if f not in tensors}
    return {f.relative_to(done.folder).as_posix(): digest for f, digest in (tensors | tables).items()}


def test_cells_that_diverge_or_fail_are_empty_and_say_why(tmp_path: Path) -> None:
    def broken(setup: Setup, home: RunFolder) -> None:
        raise ImprintError("the disk of the twins burnt")

    changes = {**TINY, "schedule.experiences": 96}
    done = sweep("nursery", grid={"learner.temperature": [1e-40, 0.1]}, changes=changes, out=tmp_path)
    wild, calm = (row for _, row in done.frame.iterrows())
    assert wild["verdict"] == "undetermined" and "2 of 2 seeds diverged" in wild["error"] and wild["diverged"] == 2
    assert np.isnan(wild["dominance"]) and np.isnan(wild["probability|none"]) and calm["error"] == ""
    assert done.failed["cell"].tolist() == [0] and calm["probability"] > 0

    with patch("imprint.analyses.evaluate.sweeps.lives.read_twins", broken):
        failing = sweep("nursery", grid={"assessor.lag": [1]}, changes=changes, out=tmp_path)
    assert failing.frame["error"].str.contains("the disk of the twins burnt").all()
    repaired = sweep("nursery", grid={"assessor.lag": [1]}, changes=changes, out=tmp_path)
    assert (repaired.frame["error"] == "").all()


def test_a_run_of_its_own_becomes_a_row(run: Run) -> None:
    assert isinstance(run.setup, Setup)
    row = row_of_run(SweptCell(3, {}, run.setup), run)
    latch = run.latch_row()
    assert latch is not None and row["verdict"] == run.verdict == latch["verdict"] and row["seeds"] == latch["seeds"]
    assert row["probability"] == max(value for name, value in row.items() if name.startswith("probability|"))
    assert row["dominance_low"] <= row["dominance"] <= row["dominance_high"] and row["error"] == ""


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        ({}, "grid is empty"),
        ([("a", 1)], "expected a mapping"),
        ({"assessor.lag": []}, "no values"),
        ({"assessor.lag": "01"}, "not a list of values"),
        ({"assessor.lag": 3}, "not a list of values"),
        ({"assessor.lag": [1, 1]}, "given twice"),
        ({3: [1]}, "dotted name"),
        ({"asessor.lag": [1]}, r"Did you mean 'assessor'"),
        ({"assessor.lagg": [1]}, r"Did you mean 'lag'"),
        ({"steering.0.miss": [0, 7]}, r"steering\.0\.miss=7: .*less than or equal to 1"),
        ({"assessor.lag": [0, 6]}, r"assessor\.lag=6: .*at most 5"),
        ({"steering.0.sense": ["warmth", "warmt"]}, r"Did you mean 'warmth'"),
        ({"assessor.opens_at": [0, 640], "assessor.closes_at": [320]}, r"opens_at=640, .*closes_at=320 cannot be comb"),
        ({"assessor": [{}], "assessor.lag": [1]}, "assessor and assessor.lag cannot be combined"),
        ({"schedule.seeds": [2, 3]}, "in the grid and is given for all"),
        ({"steering.0.miss": np.linspace(0, 1, 3000)}, "3,000 combinations.*--yes"),
    ],
)
def test_what_cannot_be_swept_is_refused_before_anything_is_written(grid: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(ImprintError, match=message):
        sweep("nursery", grid=grid, seeds=3, out=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_an_address_needs_a_cluster(tmp_path: Path) -> None:
    with pytest.raises(ImprintError, match="local processes have none"):
        carry_out(tiny_plan(), tmp_path / "runs", address="tcp://here:1")
    assert not (tmp_path / "runs").exists()


def test_a_sweep_verifies_and_what_was_changed_in_it_is_named(tmp_path: Path) -> None:
    whole = verify(swept())
    assert whole.right and whole.level == "registered", whole.wrong
    folder = Path(shutil.copytree(swept().folder, tmp_path / swept().folder.name))
    cells = read_table(folder / "cells.parquet")
    write_table(folder / "cells.parquet", cells.assign(verdict="intended", probability=1.0))
    wrong = {check.name: check.found for check in verify(folder).wrong}
    assert set(wrong) == {"files", "verdict"} and "the verdict of" in wrong["verdict"]
    shutil.copy(swept().folder / "cells.parquet", folder / "cells.parquet")
    about = read_record(folder / "sweep.json")
    about["base"]["assessor"]["lag"] = 0
    write_json(folder / "sweep.json", about)
    assert "registration" in {check.name for check in verify(folder, derive=False).wrong}


@pytest.mark.parametrize("key", ["name", "description"])
def test_cells_that_are_one_setup_are_refused(key: str) -> None:
    with pytest.raises(ImprintError, match="are the same setup"):
        tiny_plan(**{key: ["a", "b"]})
    with pytest.raises(ImprintError, match=r"assessor.lag=0 and assessor.lag=0.0 are the same setup"):
        tiny_plan(**{"assessor.lag": [0, 0.0]})
