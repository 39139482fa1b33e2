"""``--json``: the numbers of every command that prints tables, and nothing else on standard output."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from imprint.analyses.latch.latch import latch_from_arrays
from imprint.commands.text import jsonable
from imprint.models.files import read_table
from tests.commands.commands import answered, arrays, printed
from tests.reports import example_run


def test_tables_become_rows_and_what_is_missing_null() -> None:
    table = pd.DataFrame({"a": [1, 2], "b": [np.nan, 0.5], "c": pd.array(["x", None], dtype="string")})
    assert jsonable(table) == [{"a": 1, "b": None, "c": "x"}, {"a": 2, "b": 0.5, "c": None}]
    given = {"p": Path("a/b"), 3: (np.int64(4), np.float32(0.5), np.bool_(True), float("inf"), None)}
    assert jsonable(given) == {"p": "a/b", "3": [4, 0.5, True, None, None]}


def test_arrays_located_and_latched(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    acts, labels = arrays(tmp_path)
    out = tmp_path / "found.csv"
    given = ("--groups", "family", "--csv", str(out), "--site", "late")
    found = answered(capsys, "locate", acts, labels, *given)
    table = pd.read_csv(out)
    late = table[table["site"] == "late"]
    assert [cell["score"] for cell in found["cells"]] == pytest.approx(list(late["score"]))
    assert {cell["site"] for cell in found["cells"]} == {"late"} and found["best"]["tall"]["site"] == "late"
    assert {"auc", "recall_at_1_percent_false_positives"} <= set(found["rates"][0])
    frame = pd.read_csv(labels)
    told = answered(capsys, "latch", acts, labels, "--value", "score", "--intended", "tall", "--proxies", "family")
    latch = latch_from_arrays(frame["score"].to_numpy(), frame, intended="tall", proxies=["family"])
    assert told["verdict"] == latch.verdict and told["why"] == latch.why
    assert [row["concept"] for row in told["shares"]] == list(latch.shares["concept"])


def test_a_run_s_numbers_are_those_of_its_findings(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    run = example_run.write(tmp_path)
    findings = read_table(run / "findings.parquet")
    own = findings[(findings["analysis"] == "latch") & (findings["metric"] == "share") & findings["seed"].isna()]
    told = answered(capsys, "latch", str(run))
    shares = [row["estimate"] for row in told["findings"] if row["metric"] == "share"]
    assert shares == pytest.approx(list(own["estimate"])) and told["verdict"]
    located = answered(capsys, "locate", str(run))["cells"]
    assert located and {row["metric"] for row in located} == {"selectivity"}
    assert answered(capsys, "verify", str(run), code=1)["level"] == "exploratory"  # made up: nothing to derive from


def test_lists(capsys: pytest.CaptureFixture[str]) -> None:
    listed = answered(capsys, "list", "readouts")
    assert set(listed["families"]) == {"readouts"} and "least squares" in listed["families"]["readouts"]["ridge"]


def test_shell_completion_is_offered(capsys: pytest.CaptureFixture[str]) -> None:
    assert "--install-completion" in printed(capsys, "--help")
