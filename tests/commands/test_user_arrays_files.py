"""Files of a user that are damaged, or do not fit one another, are refused by name."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from imprint.reports.reading.run import load_run
from tests.commands.commands import arrays, printed, refused


@pytest.mark.parametrize(
    ("changes", "options", "words"),
    [
        ({"late": np.zeros((59, 4))}, [], ["'late' has 59 rows", "has 60"]),
        ({"late": np.full((60, 4), np.nan)}, [], ["'late' holds NaN", "row 0"]),
        ({"late": np.full((60, 4), "x")}, [], ["'late' holds <U1"]),
        ({}, ["--groups", "famly"], ["famly", "Did you mean 'family'?"]),
        ({}, ["--inputs", "pixel"], ["pixel", "Did you mean 'pixels'?"]),
        ({}, ["--site", "lat"], ["unknown site", "Did you mean 'late'?"]),
        ({}, ["--concept", "tal"], ["unknown concept", "Did you mean 'tall'?"]),
    ],
)
def test_arrays_that_do_not_fit_are_refused_by_name(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    changes: dict[str, np.ndarray],
    options: list[str],
    words: list[str],
) -> None:
    message = refused(capsys, "locate", *arrays(tmp_path, **changes), *options)
    for word in words:
        assert word in message


def test_damaged_and_pickled_arrays_are_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    acts, labels = arrays(tmp_path)
    whole = Path(acts).read_bytes()
    Path(acts).write_bytes(whole[: len(whole) // 2])
    assert "truncated" in refused(capsys, "locate", acts, labels)
    np.savez(acts, late=np.array([{"a": 1}] * 60, dtype=object))
    assert "Python objects" in refused(capsys, "locate", acts, labels)
    Path(labels).write_bytes(b"")
    arrays_again = tmp_path / "good.npz"
    np.savez(arrays_again, late=np.zeros((3, 2)))
    assert "labels.csv" in refused(capsys, "locate", str(arrays_again), labels)


def test_an_altered_compressed_array_is_said_to_be_damaged(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    acts, labels = arrays(tmp_path)
    np.savez_compressed(acts, late=np.random.default_rng(0).normal(size=(60, 4)))
    whole = bytearray(Path(acts).read_bytes())
    whole[100:110] = b"\xff" * 10
    Path(acts).write_bytes(whole)
    with pytest.raises(zlib.error), np.load(acts) as file:
        file["late"]
    assert "damaged" in refused(capsys, "locate", acts, labels)

    (tmp_path / "setup.yaml").write_text("name: altered\n")
    artefact = tmp_path / "artefacts" / "gallery.npz"
    artefact.parent.mkdir()
    artefact.write_bytes(whole)
    found = load_run(tmp_path).arrays("gallery", ("late",))
    assert not found.values
    assert "gallery.npz cannot be read: the file is damaged" in found.missing


def test_labels_that_are_no_parquet_are_said_to_be_so(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    acts, labels = arrays(tmp_path)
    table = tmp_path / "labels.parquet"
    table.write_bytes(Path(labels).read_bytes())
    message = refused(capsys, "locate", acts, str(table))
    assert "labels.parquet cannot be read as parquet" in message
    assert "--resume" not in message
    pd.read_csv(labels).to_parquet(table)
    assert "late" in printed(capsys, "locate", acts, str(table), "--groups", "family")


def test_npy_files_and_folders_of_shards_give_what_one_file_gives(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    acts, labels = arrays(tmp_path)
    with np.load(acts) as file:
        late = file["late"]
    np.save(tmp_path / "late.npy", late)
    (tmp_path / "shards").mkdir()
    for i, rows in enumerate((slice(0, 30), slice(30, 60))):
        np.savez(tmp_path / "shards" / f"part-{i}.npz", late=late[rows])
    tables = []
    for given in (acts, str(tmp_path / "late.npy"), str(tmp_path / "shards")):
        out = tmp_path / "found.csv"
        printed(capsys, "locate", given, labels, "--groups", "family", "--nulls", "5", "--csv", str(out))
        found = pd.read_csv(out)
        tables.append(found[found["site"] == "late"]["score"].tolist())
    assert tables[0] == tables[1] == tables[2]
    assert "expected 70 rows" in refused(capsys, "locate", str(tmp_path / "shards"), _longer(tmp_path))


def _longer(folder: Path) -> str:
    pd.DataFrame({"tall": [0, 1] * 35}).to_csv(folder / "longer.csv", index=False)
    return str(folder / "longer.csv")


def test_rows_and_labels_that_do_not_count_are_left_out(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    acts, labels = arrays(tmp_path)
    frame, out = pd.read_csv(labels), tmp_path / "found.csv"
    frame.loc[::5, "tall"] = -100
    frame["real"] = (np.arange(60) % 4 != 0).astype(int)
    frame.to_csv(labels, index=False)
    options = ["--groups", "family", "--nulls", "5", "--csv", str(out), "--concept", "tall", "--ignore", "-100"]
    printed(capsys, "locate", acts, labels, *options, "--mask", "real")
    found = pd.read_csv(out).set_index("concept")
    assert "real" not in found.index
    assert found.loc[["tall"], "missing"].iloc[0] == int(((frame["tall"] == -100) & (frame["real"] == 1)).sum())
    assert "Did you mean 'real'?" in refused(capsys, "locate", acts, labels, "--mask", "reel")


def test_a_data_set_brings_its_own_labels(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    datasets.disable_progress_bars()
    tall = np.arange(60) % 2
    late = np.random.default_rng(0).normal(size=(60, 3)) + 4 * tall[:, None]
    datasets.Dataset.from_dict({"late": late.tolist(), "tall": tall.tolist()}).save_to_disk(str(tmp_path / "data"))
    assert "tall" in printed(capsys, "locate", str(tmp_path / "data"), "--nulls", "20")
