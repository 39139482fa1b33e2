"""Exit codes of commands that find something wrong, and requests that would silently do something else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from imprint.analyses.evaluate.compare import compare
from imprint.analyses.evaluate.run import Run
from imprint.models.errors import ImprintError
from imprint.models.setup.load import load_setup
from imprint.probes.door.tables import read_labels
from tests.commands.commands import printed, refused
from tests.reports import example_run


def test_resuming_what_was_never_begun_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    message = refused(capsys, "run", "nursery", "--resume", "--out", str(tmp_path))
    assert "unknown run to resume" in message and "Leave --resume out" in message
    assert not list(tmp_path.iterdir())
    message = refused(capsys, "analyse", "credit", "--resume", "--out", str(tmp_path))
    assert "unknown run to resume" in message and not list(tmp_path.iterdir())


def test_a_report_of_garbage_says_so_and_exits_with_1(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    run = example_run.write(tmp_path)
    printed(capsys, "report", str(run))
    (run / "findings.parquet").write_bytes(b"garbage")
    message = refused(capsys, "report", str(run), code=1)
    assert "findings.parquet cannot be read" in message and (run / "report.html").exists()


def test_a_report_of_a_run_without_results_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    run = example_run.write(tmp_path)
    (run / "findings.parquet").unlink()
    message = refused(capsys, "report", str(run))
    assert "no results to report" in message and not (run / "report.html").exists()


def test_verify_exits_with_1_when_something_is_wrong(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    run = example_run.write(tmp_path)
    (run / "cells").mkdir(exist_ok=True)
    said = printed(capsys, "verify", str(run), code=1)  # made up: no cell is there to derive the verdict from
    assert "level of evidence: exploratory" in said and "cannot be derived anew" in said


def test_unrelated_tasks_are_not_ranked() -> None:
    runs = [Run.of(Path(name), setup=load_setup(name)) for name in ("nursery", "doorkey")]
    with pytest.raises(ImprintError, match=r"unrelated tasks: nursery \(nursery, intended caregiver\), doorkey"):
        compare(runs)


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("a,b\nNone,1\nNA,2\nx,3\n", {"a": ["None", "NA", "x"], "b": [1, 2, 3]}),
        ("a,b\n,1.5\ny,NA\nx,3\n", {"a": [np.nan, "y", "x"], "b": [1.5, np.nan, 3.0]}),
        (",a\n0,x\n1,y\n", {"a": ["x", "y"]}),
        ("Unnamed: 0,a\n1,x\n2,y\n", {"a": ["x", "y"]}),
        ("a\n007\n7\n", {"a": ["007", "7"]}),
        ("a\nTrue\nFalse\n", {"a": [True, False]}),
        ("a\nnull\nnone\n", {"a": ["null", "none"]}),
    ],
)
def test_labels_are_read_as_they_stand(tmp_path: Path, text: str, columns: dict[str, list[object]]) -> None:
    (tmp_path / "labels.csv").write_text(text)
    expected = pd.DataFrame(columns)
    pd.testing.assert_frame_equal(read_labels(tmp_path / "labels.csv"), expected, check_dtype=False)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (",a\n5,x\n9,y\n", "column 1 has no name"),
        ("a,a\n1,2\n", "two columns called 'a'"),
        ("a,b\n1,2,3\n", "cannot be read as csv"),
        ("a\n", "no rows"),
    ],
)
def test_labels_that_are_something_else_are_refused(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "labels.csv").write_text(text)
    with pytest.raises(ImprintError, match=words):
        read_labels(tmp_path / "labels.csv")


def test_the_named_index_of_a_parquet_file_is_a_column(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": [1, 2]}, index=pd.Index([7, 8], name="episode"))
    frame.to_parquet(tmp_path / "labels.parquet")
    assert list(read_labels(tmp_path / "labels.parquet").columns) == ["episode", "a"]
