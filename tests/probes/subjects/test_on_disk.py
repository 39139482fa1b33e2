"""Files are read in batches, and give the rows that were written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from imprint.models.errors import DamagedFileError, ImprintError
from imprint.probes.subjects import on_disk
from imprint.probes.subjects.on_disk import disk_stream

ARRAYS = {
    "half": np.arange(60, dtype=np.float16).reshape(20, 3),
    "maps": np.arange(160, dtype=np.float64).reshape(20, 2, 4),
    "whole": np.arange(20, dtype=np.int64)[:, None],
}


def files(folder: Path) -> dict[str, Path]:
    np.savez(folder / "plain.npz", **ARRAYS)
    np.savez_compressed(folder / "small.npz", **ARRAYS)
    save_file({name: torch.from_numpy(a) for name, a in ARRAYS.items()}, folder / "a.safetensors")
    np.save(folder / "maps.npy", ARRAYS["maps"])
    return {p.name: p for p in folder.iterdir()}


@pytest.mark.parametrize("name", ["plain.npz", "small.npz", "a.safetensors", "maps.npy"])
def test_batches_hold_the_rows_in_order(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(on_disk, "ROWS", 7)
    stream = disk_stream(files(tmp_path)[name])
    assert len(stream) == 20
    for _ in range(2):
        batches = list(stream)
        assert [len(next(iter(batch.values()))) for batch in batches] == [7, 7, 6]
        for site in stream.sites:
            rows = torch.cat([batch[site] for batch in batches])
            assert rows.dtype == torch.float32
            np.testing.assert_array_equal(rows.numpy(), ARRAYS[site].reshape(20, -1))
    assert list(next(iter(stream.only(["maps"])))) == ["maps"]


def test_bad_files_are_refused_by_name(tmp_path: Path) -> None:
    known = files(tmp_path)
    np.save(tmp_path / "objects.npy", np.array([{}]), allow_pickle=True)
    np.save(tmp_path / "columns.npy", np.asfortranarray(np.ones((4, 3))))
    (tmp_path / "torn.safetensors").write_bytes(known["a.safetensors"].read_bytes()[:40])
    (tmp_path / "short.npy").write_bytes(known["maps.npy"].read_bytes()[:-8])
    for name, kind, text in (
        ("objects.npy", ImprintError, "Python objects"),
        ("columns.npy", ImprintError, "column by column"),
        ("torn.safetensors", DamagedFileError, "not a safetensors file"),
    ):
        with pytest.raises(kind, match=text):
            disk_stream(tmp_path / name)
    with pytest.raises(DamagedFileError, match="ends before its last row"):
        list(disk_stream(tmp_path / "short.npy"))
