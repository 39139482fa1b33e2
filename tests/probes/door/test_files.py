"""Activations from every kind of file and folder are the arrays that were saved."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from imprint.models.errors import DamagedFileError, ImprintError
from imprint.probes.door.arrays import real_array
from imprint.probes.door.files import Shards, open_activations

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what it imports warns of its own future
    import datasets

A = np.random.default_rng(0).normal(size=(12, 3)).astype(np.float32)
B = A[:, :2] + 1


def shards(folder: Path, write: Callable[[Path, slice], None]) -> None:
    for i, rows in enumerate((slice(0, 5), slice(5, 10), slice(10, 12))):
        write(folder / f"part-{i + 9}", rows)


def data_set(path: Path) -> None:
    datasets.Dataset.from_dict({"a": A.tolist(), "b": B.tolist(), "label": list(range(12))}).save_to_disk(str(path))


KINDS: dict[str, Callable[[Path], Path]] = {
    "npz": lambda p: (np.savez(p / "x.npz", a=A, b=B), p / "x.npz")[1],
    "safetensors": lambda p: (
        save_file({"a": torch.tensor(A), "b": torch.tensor(B)}, p / "x.safetensors"),
        p / "x.safetensors",
    )[1],
    "sites": lambda p: (np.save(p / "a.npy", A), np.save(p / "b.npy", B), p)[2],
    "npz shards": lambda p: (shards(p, lambda q, r: np.savez(q.with_suffix(".npz"), a=A[r], b=B[r])), p)[1],
    "safetensors shards": lambda p: (
        shards(
            p, lambda q, r: save_file({"a": torch.tensor(A[r]), "b": torch.tensor(B[r])}, q.with_suffix(".safetensors"))
        ),
        p,
    )[1],
    "data set": lambda p: (data_set(p / "data"), p / "data")[1],
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_file_gives_what_was_saved(tmp_path: Path, kind: str) -> None:
    opened = open_activations(KINDS[kind](tmp_path), 12)
    assert isinstance(opened, dict) and set(opened) == {"a", "b"}
    np.testing.assert_allclose(real_array("a", opened["a"]), A, rtol=1e-6)
    np.testing.assert_allclose(real_array("b", opened["b"]), B, rtol=1e-6)


def test_npy_is_read_from_disk_and_shards_of_it_follow_their_numbers(tmp_path: Path) -> None:
    np.save(tmp_path / "acts.npy", A)
    alone = open_activations(tmp_path / "acts.npy")
    assert isinstance(alone, dict) and isinstance(alone["acts"], np.memmap) and np.array_equal(alone["acts"], A)
    (tmp_path / "folder").mkdir()
    shards(tmp_path / "folder", lambda q, r: np.save(q.with_suffix(".npy"), A[r]))
    joined = open_activations(tmp_path / "folder", 12)
    assert isinstance(joined, dict) and np.array_equal(joined["part"], A)
    streamed = Shards(tmp_path, sorted((tmp_path / "folder").iterdir(), key=lambda p: int(p.stem[5:])), "part")
    assert np.array_equal(np.concatenate([batch["part"] for batch in streamed]), A)
    with pytest.raises(ImprintError, match="12 rows in all; expected 13"):
        open_activations(tmp_path / "folder", 13)


def test_bfloat16_and_damaged_files(tmp_path: Path) -> None:
    save_file({"a": torch.tensor(A).bfloat16()}, tmp_path / "x.safetensors")
    opened = open_activations(tmp_path / "x.safetensors")
    assert isinstance(opened, dict)
    np.testing.assert_allclose(real_array("a", opened["a"]), A, rtol=0.01)
    for name in ("x.safetensors", "y.npy", "y.npz"):
        (tmp_path / name).write_bytes(b"nothing of the kind")
        with pytest.raises(DamagedFileError, match=name):
            open_activations(tmp_path / name)
    np.save(tmp_path / "o.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(ImprintError, match="Python objects"):
        open_activations(tmp_path / "o.npy")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ImprintError, match="holds no activations"):
        open_activations(tmp_path / "empty")


@pytest.mark.skipif(importlib.util.find_spec("zarr") is not None, reason="zarr is installed")
def test_zarr_without_its_package_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "zarr.json").write_text("{}")
    with pytest.raises(ImprintError, match="zarr is not installed"):
        open_activations(tmp_path)


@pytest.mark.skipif(importlib.util.find_spec("zarr") is None, reason="zarr is not installed")
def test_zarr_arrays_and_groups(tmp_path: Path) -> None:
    import zarr

    group = zarr.open_group(str(tmp_path / "x.zarr"), mode="w")
    for name, array in (("a", A), ("b", B)):
        group.create_array(name, data=array) if hasattr(group, "create_array") else group.create_dataset(
            name, data=array
        )
    opened = open_activations(tmp_path / "x.zarr")
    assert isinstance(opened, dict) and np.array_equal(opened["a"], A)
