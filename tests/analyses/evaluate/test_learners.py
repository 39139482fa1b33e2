"""The main job end to end, small.

It finishes, resumes with the same bytes, shows its failures and refuses damaged folders.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import imprint
from imprint.analyses import engine
from imprint.analyses.engine import Cell, Step, run_cells
from imprint.analyses.evaluate.evaluate import evaluate
from imprint.analyses.evaluate.run import Run, open_finished
from imprint.analyses.findings import COLUMNS, findings
from imprint.models.errors import DamagedFileError, ImprintError, UnknownNameError
from imprint.models.files import StorageError, write_bytes

TINY = {
    "schedule.seeds": 2, "schedule.together": 2, "schedule.experiences": 640, "schedule.ages": 3,
    "evaluation.episodes": 600, "evaluation.resamples": 100, "evaluation.twins": 2, "evaluation.placebos": 2,
}  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return evaluate("nursery", out=tmp_path_factory.mktemp("runs"), changes=TINY)


def test_findings_are_whole(run: Run) -> None:
    table = run.findings
    assert list(table.columns) == list(COLUMNS)
    assert set(table["analysis"]) == {"locate", "latch", "planted"}
    grid = table[(table["metric"] == "selectivity") & table["seed"].isna()]
    assert len(grid) == 8 * 9 * 3  # concepts x (hooks x moments) x ages
    assert grid["verdict"].notna().all() and grid["why"].notna().all()
    shares = table[(table["metric"] == "share") & table["seed"].isna()]
    assert len(shares) == 3 * 6
    assert (table[table["metric"] == "self_check"]["estimate"] == 1.0).all()
    assert run.verdict in {"intended", "mixed", "none", "undetermined", "proxy:red", "proxy:from_left", "proxy:lamp"}
    assert "caregiver" in run.sentence
    assert run.record["failed"] == []


def test_birth_is_never_present(run: Run) -> None:
    """At birth a learner is one more untrained twin."""
    table = run.findings
    birth = table[(table["metric"] == "selectivity") & (table["age"] == 0) & table["seed"].isna()]
    assert "present" not in set(birth["verdict"])
    share = table[(table["metric"] == "share") & (table["age"] == 0) & table["seed"].isna()]
    assert share["estimate"].isna().all()  # the value is constant at birth: missing, not zero


def test_resumed_at_every_stage_gives_the_same_bytes(run: Run, tmp_path: Path) -> None:
    whole = (run.path / "findings.parquet").read_bytes()
    for lost in (
        ["findings.parquet"],
        ["findings.parquet", "cells/latch-seed-1.parquet"],
        ["findings.parquet", "seed-0/age-640.safetensors", "cells"],
    ):
        folder = tmp_path / str(len(list(tmp_path.iterdir()))) / run.path.name
        shutil.copytree(run.path, folder)
        for name in lost:
            path = folder / name
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        again = evaluate("nursery", out=folder.parent, changes=TINY)
        assert (again.path / "findings.parquet").read_bytes() == whole


def test_a_finished_run_is_reused(run: Run) -> None:
    steps: list[Step] = []
    again = evaluate("nursery", out=run.path.parent, changes=TINY, progress=steps.append)
    assert again.path == run.path and not steps


def test_tampering_is_noticed(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / run.path.name
    shutil.copytree(run.path, folder)
    text = (folder / "setup.yaml").read_text()
    (folder / "setup.yaml").write_text(text.replace("colour_cue: 0.8", "colour_cue: 0.1"))
    with pytest.raises(DamagedFileError, match="changed after the run began"):
        _ = open_finished(folder).setup
    with pytest.raises(DamagedFileError):
        evaluate("nursery", out=tmp_path, changes=TINY)
    write_bytes(folder / "setup.yaml", text.encode())
    whole = (folder / "findings.parquet").read_bytes()
    (folder / "findings.parquet").write_bytes(whole[:100])
    with pytest.raises(DamagedFileError, match="cannot be read as parquet"):
        _ = open_finished(folder).findings


def test_compare_pairs_by_seed(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / run.path.name
    shutil.copytree(run.path, folder)
    table = run.findings.copy()
    moved = (table["metric"] == "share") & (table["concept"] == "caregiver")
    table.loc[moved, "estimate"] += 0.25
    table.to_parquet(folder / "findings.parquet", index=False)
    compared = imprint.compare([run, folder])
    rows = compared[(compared["concept"] == "caregiver") & compared["versus"].notna()]
    assert rows["difference"].iloc[0] == pytest.approx(0.25)
    assert rows["pairs"].iloc[0] == 2
    assert list(compared["rank"]) == [1] * 4 + [2] * 4
    with pytest.raises(ImprintError, match="at least two"):
        imprint.compare([run])


def test_unfinished_runs_say_how_to_finish(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / run.path.name
    shutil.copytree(run.path, folder)
    (folder / "findings.parquet").unlink()
    with pytest.raises(ImprintError, match="--resume"):
        open_finished(folder)
    with pytest.raises(UnknownNameError, match="run folder"):
        open_finished(tmp_path / "nowhere")


def write(path: Path, fail: str = "") -> None:
    if fail == "defect":
        raise ZeroDivisionError("by design")
    if fail == "full":
        raise StorageError("cannot write: No space left on device")
    engine.say(path.parent / "watch", path.name, 1, 2, "half")
    write_bytes(path, b"done")


def test_one_failed_cell_does_not_hold_up_the_rest(tmp_path: Path) -> None:
    cells = [
        Cell(str(i), write, (tmp_path / str(i), "defect" if i == 1 else ""), (tmp_path / str(i),)) for i in range(4)
    ]
    failures = [o for o in run_cells(cells, watch=tmp_path / "watch") if o.error is not None]
    assert [f.cell for f in failures] == ["1"] and "ZeroDivisionError: by design" in failures[0].error
    assert sorted(p.name for p in tmp_path.iterdir() if p.is_file()) == ["0", "2", "3"]
    steps: list[Step] = []
    assert run_cells(cells[:1], watch=tmp_path / "watch", progress=steps.append) == []
    assert steps == [Step("0", 1, 1, "done before")]


def test_a_full_disk_ends_everything(tmp_path: Path) -> None:
    cells = [Cell(str(i), write, (tmp_path / str(i), "full"), (tmp_path / str(i),)) for i in range(2)]
    with pytest.raises(StorageError, match="No space left"):
        run_cells(cells, watch=tmp_path / "watch")


def test_backends(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'dask'"):
        evaluate("nursery", out=tmp_path, backend="dsk")
    cells = [Cell(str(i), write, (tmp_path / str(i),), (tmp_path / str(i),)) for i in range(2)]
    with pytest.raises(ImprintError, match=r"imprint\[dask\]"):
        run_cells(cells, backend="dask", watch=tmp_path / "watch")


def test_findings_refuse_unknown_columns() -> None:
    with pytest.raises(KeyError, match="no column 'estimat'"):
        findings([{"estimat": 1.0}])
    table = findings([{"concept": "a"}])
    assert np.isnan(table["estimate"][0]) and table["seed"].isna().all()
    pd.testing.assert_frame_equal(findings(table), table)
