"""Files are written whole, carry digests, obey the umask and hold nothing that a spreadsheet would run."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from imprint.models.errors import DamagedFileError, ImprintError
from imprint.models.files import (
    REGISTRATION,
    StorageError,
    alone_in,
    csv_text,
    page_fault,
    parse_yaml,
    plain_data,
    read_table,
    seal_of,
    write_bytes,
    write_json,
    write_page,
    write_table,
)
from imprint.models.setup.load import load_setup


def test_permissions_are_those_that_the_umask_leaves(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        write_bytes(tmp_path / "private", b"1")
    finally:
        os.umask(before)
    assert (tmp_path / "private").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["private"]


def test_a_table_carries_its_digest_its_name_and_its_registration(tmp_path: Path) -> None:
    write_json(tmp_path / REGISTRATION, {"registration": "abc"})
    table, path = pd.DataFrame({"a": [1.5, 2.5], "b": ["x", None]}), tmp_path / "cells" / "one.parquet"
    write_table(path, table)
    whole = path.read_bytes()
    seal = seal_of(path)
    assert (seal["name"], seal["registration"], len(seal["digest"])) == ("one", "abc", 64)
    pd.testing.assert_frame_equal(read_table(path), table, check_dtype=False)
    write_table(path, table)
    assert path.read_bytes() == whole
    for place in (10, len(whole) // 2, len(whole) - 40):  # data, metadata, footer
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(DamagedFileError):
            read_table(path)
    table.to_parquet(path)
    assert seal_of(path) == {}
    assert len(read_table(path)) == 2


def test_a_spreadsheet_runs_nothing_of_a_csv() -> None:
    texts = ["=1+1", "+cmd", "-2+3", "@sum", "\tx", "-0.5", "plain", None]
    lines = csv_text(pd.DataFrame({"=name": texts, "number": [-1.0] * 8})).splitlines()
    assert lines[0] == "'=name,number"
    assert [line.rsplit(",", 1)[0] for line in lines[1:]] == [
        "'=1+1",
        "'+cmd",
        "'-2+3",
        "'@sum",
        "'\tx",
        "-0.5",
        "plain",
        "",
    ]
    assert {line.rsplit(",", 1)[1] for line in lines[1:]} == {"-1.0"}


def test_a_folder_is_kept_until_the_process_that_has_it_ends(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from imprint.models.files import alone_in\n"
        "with alone_in(pathlib.Path(sys.argv[1])): print('mine', flush=True); sys.stdin.read()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout is not None and other.stdout.readline() == "mine\n"
    with pytest.raises(ImprintError, match=rf"another process \(number {other.pid}\)"), alone_in(tmp_path):
        pass
    other.kill()
    other.communicate()
    with alone_in(tmp_path):
        pass


def test_on_a_full_disk_the_first_file_that_is_needed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match=r"a\.json: No space left on device"), alone_in(tmp_path / "run"):
        write_json(tmp_path / "run" / "a.json", {})
    assert [path.name for path in (tmp_path / "run").iterdir()] == [".lock"]


LAUGHS = "\n".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}' if i else 'x'] * 9)}]" for i in range(9))
"""A few lines that stand for nine to the ninth entries."""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: 1\na: 2\n", "'a' occurs twice"),
        ("a: {b: 1, b: 2}\n", "'b' occurs twice"),
        ("1: x\n", "the key 1 is int"),
        ("a: [1\n", "not readable YAML"),
        ("a: 2020-01-01\n", "a is date"),
        ("a: " + "[" * 60 + "]" * 60, "more than 32 levels"),
        ("a: " + "[" * 5000 + "]" * 5000, "not readable YAML|levels"),
        ("a: &a [*a]\n", "more than 32 levels"),
        (
            "\n".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}' if i else 'x'] * 9)}]" for i in range(9)),
            "100,000 entries",
        ),
    ],
)
def test_yaml_that_is_no_plain_mapping_is_refused(text: str, words: str) -> None:
    with pytest.raises(ImprintError, match=words):
        parse_yaml(text, "x.yaml")


def test_plain_data_is_copied() -> None:
    given = {"a": [1, {"b": None}], "c": (True, 0.5)}
    assert plain_data(given, "it") == {"a": [1, {"b": None}], "c": [True, 0.5]}
    numbers = plain_data({"a": np.int64(3), "b": [np.float32(0.5), np.bool_(True), np.str_("x"), np.array(2)]}, "it")
    assert numbers == {"a": 3, "b": [0.5, True, "x", 2]}
    assert [type(value) for value in (numbers["a"], *numbers["b"])] == [int, float, bool, str, int]
    with pytest.raises(ImprintError, match="a is ndarray"):
        plain_data({"a": np.zeros(1)}, "it")
    with pytest.raises(ImprintError, match="a is set"):
        plain_data({"a": {1}}, "it")


def test_characters_that_json_writes_in_halves_are_joined_and_half_ones_refused() -> None:
    joined = "a\N{COLLISION SYMBOL}"
    assert parse_yaml('{"a\\ud83d\\udca5": ["a\\ud83d\\udca5"]}', "it") == {joined: [joined]}
    with pytest.raises(ImprintError, match=r"it: a\.0 is '.ud83d', with half a character"):
        plain_data({"a": ["\ud83d"]}, "it")
    setup = load_setup("nursery")
    with pytest.raises(ValueError, match="half a character"):
        type(setup).model_validate({**setup.resolved(), "question": "\ud83d?"})


def test_a_page_is_as_it_was_written_until_it_or_its_results_change(tmp_path: Path) -> None:
    page, results = tmp_path / "report.html", tmp_path / "findings.parquet"
    results.write_bytes(b"numbers")
    write_page(page, "<html>undetermined</html>", results)
    assert page_fault(page, results) == ""
    content = page.read_bytes()
    page.write_bytes(content.replace(b"undetermined", b"intended"))
    assert "changed after" in str(page_fault(page, results))
    page.write_bytes(content)
    results.write_bytes(b"other numbers")
    assert "other results" in str(page_fault(page, results))
    results.unlink()
    assert "other results" in str(page_fault(page, results))
    with pytest.raises(DamagedFileError, match="no results to report"):
        write_page(page, "<html>undetermined</html>", results)
    page.write_bytes(b"<html>undetermined</html>\n")
    assert page_fault(page, results) is None
