"""The main job end to end, small.

It finishes, resumes with the same bytes, shows its failures and refuses damaged folders.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import imprint
from imprint.analyses.engine import Step
from imprint.analyses.evaluate.evaluate import evaluate
from imprint.analyses.evaluate.run import Run, open_finished
from imprint.analyses.findings import COLUMNS, findings
from imprint.models.errors import DamagedFileError, ImprintError, UnknownNameError
from imprint.models.files import write_bytes
from imprint.models.setup.learner import Setup
from imprint.reports.pages.run import report
from tests.known.tiny import TINY

pytestmark = pytest.mark.long


def test_findings_are_whole(run: Run) -> None:
    table = run.findings
    assert list(table.columns) == list(COLUMNS)
    assert set(table["analysis"]) == {"worlds", "locate", "latch", "planted"}
    grid = table[(table["metric"] == "selectivity") & table["seed"].isna()]
    assert len(grid) == 8 * 9 * 3  # concepts x (hooks x moments) x ages
    assert grid["verdict"].notna().all() and grid["why"].notna().all()
    shares = table[(table["metric"] == "share") & table["seed"].isna()]
    assert len(shares) == 3 * 6
    assert (table[table["metric"] == "self_check"]["estimate"] == 1.0).all()
    last = table[(table["age"] == 640) & table["seed"].isna() & (table["analysis"] == "latch")]
    words = last[last["metric"] == "probability"]
    assert words["estimate"].sum() == pytest.approx(1.0)
    assert run.verdict == (words["control"].iloc[0] if words["estimate"].iloc[0] >= 0.95 else "undetermined")
    assert len(last[last["metric"] == "dominance"]) == len(last[last["metric"] == "untrained_share"]) == 5
    assert "(belief)" in set(last.loc[last["metric"] == "residual", "control"])
    assert "caregiver" in run.sentence
    assert run.record["failed"] == []


def test_birth_is_never_present(run: Run) -> None:
    """At birth a learner is one more untrained twin."""
    table = run.findings
    birth = table[(table["metric"] == "selectivity") & (table["age"] == 0) & table["seed"].isna()]
    assert "present" not in set(birth["verdict"])
    share = table[(table["metric"] == "share") & (table["age"] == 0) & table["seed"].isna()]
    assert share["estimate"].isna().all()  # the value is constant at birth: missing, not zero


def test_a_run_that_lost_files_of_every_stage_is_resumed_to_the_same_bytes(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / run.path.name
    shutil.copytree(run.path, folder)
    for name in ("findings.parquet", "seed-0/age-640.safetensors", "cells"):
        path = folder / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    again = evaluate("nursery", out=folder.parent, changes=TINY)
    assert (again.path / "findings.parquet").read_bytes() == (run.path / "findings.parquet").read_bytes()


def test_a_finished_run_is_reused_its_setup_validated_once_and_its_findings_read_once(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    validated: list[str] = []
    tables: list[str] = []
    steps: list[Step] = []
    validate, read = Setup.__init__, pd.read_parquet

    def counted_setup(self: Setup, **data: Any) -> None:
        validated.append(data["name"])
        validate(self, **data)

    def counted_table(path: Path, *args: Any, **options: Any) -> pd.DataFrame:
        tables.append(Path(path).name)
        return read(path, *args, **options)

    monkeypatch.setattr(Setup, "__init__", counted_setup)
    monkeypatch.setattr(pd, "read_parquet", counted_table)
    again = evaluate("nursery", out=run.path.parent, changes=TINY, progress=steps.append)
    report(again)
    assert validated == ["nursery"] and tables.count("findings.parquet") == 1
    assert again.path == run.path and not steps and again.verdict and again.sentence


def test_tampering_is_noticed(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / run.path.name
    shutil.copytree(run.path, folder)
    text = (folder / "setup.yaml").read_text()
    (folder / "setup.yaml").write_text(text.replace("colour_cue: 0.8", "colour_cue: 0.1"))
    with pytest.raises(DamagedFileError, match="was begun in its folder; it was changed since"):
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
    with pytest.raises(ImprintError, match=f"setup.yaml --out {tmp_path} --resume"):
        open_finished(folder)
    with pytest.raises(UnknownNameError, match="run folder"):
        open_finished(tmp_path / "nowhere")


def test_a_backend_that_is_not_there_is_named_with_its_near_miss(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'dask'"):
        evaluate("nursery", out=tmp_path, backend="dsk")


def test_findings_refuse_unknown_columns() -> None:
    with pytest.raises(KeyError, match="no column 'estimat'"):
        findings([{"estimat": 1.0}])
    table = findings([{"concept": "a"}])
    assert np.isnan(table["estimate"][0]) and table["seed"].isna().all()
    pd.testing.assert_frame_equal(findings(table), table)
