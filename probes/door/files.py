"""Activations from files, read without unpickling anything.

.npy                         one site, called after the file; read from disk as it is needed
.npz, .safetensors           name -> array
.zarr                        an array, or a group of arrays (needs the package zarr)
folder of an ActivationStore its sites, as a stream
folder of a Hugging Face     columns of lists of numbers are sites (needs the package datasets)
data set
folder of such files         one site each when every file has all rows, else shards of the rows, in the order of
their numbers
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow
import torch

from imprint.models.errors import DamagedFileError, ImprintError, unknown_name
from imprint.models.files import DAMAGE
from imprint.probes.subjects.on_disk import DiskStream, disk_stream
from imprint.probes.subjects.stored import INDEX, ActivationStore, open_store

Arrays = dict[str, Any]
"""Name -> array or tensor, first axis the rows."""
SUFFIXES = (".npy", ".npz", ".safetensors")
"""Files that hold arrays."""
IN_MEMORY = 2**31
"""Bytes of a file, or of shards together, that are read into memory; more are streamed."""


def existing(path: Path, what: str, suffixes: tuple[str, ...], *, folders: bool = False) -> str:
    """The suffix of a file that is there; of a folder, where these are allowed, an empty text."""
    if folders and path.is_dir():
        return ""
    if not path.is_file():
        near = [p.name for p in path.parent.iterdir() if p.suffix in suffixes] if path.parent.is_dir() else []
        none = f"{path.parent} holds no file that ends in {' or '.join(suffixes)}."
        none = none if path.parent.is_dir() else f"There is no folder {path.parent}."
        raise unknown_name(f"file of {what}", path, near) if near else ImprintError(f"there is no file {path}. {none}")
    if path.suffix.lower() not in suffixes:
        raise ImprintError(f"{path} ends in {path.suffix or 'nothing'!r}; {what} come from {' or '.join(suffixes)}.")
    return path.suffix.lower()


def open_activations(
    path: str | PathLike[str], rows: int | None = None
) -> Arrays | ActivationStore | Shards | DiskStream:
    """Activations in a file or folder; see the module docstring. ``rows``: how many there are, to tell shards by."""
    path = Path(path)
    try:
        folder = path.is_dir()
    except (OSError, ValueError) as error:
        raise ImprintError(f"{str(path)[:80]!r} is no path: {error}.") from None
    if folder:
        return _folder(path, rows)
    existing(path, "activations", SUFFIXES)
    if path.stat().st_size > IN_MEMORY:
        return disk_stream(path)
    arrays = read_file(path)
    if not arrays:
        raise ImprintError(f"{path} holds no arrays.")
    return arrays


def _folder(path: Path, rows: int | None) -> Opened:
    if (path / INDEX).exists():
        return open_store(path)
    if any((path / name).exists() for name in (".zarray", ".zgroup", "zarr.json")):
        return _zarr(path)
    if (path / "dataset_info.json").exists() or (path / "dataset_dict.json").exists():
        return huggingface(path)[0]
    files = sorted((p for p in path.iterdir() if p.suffix.lower() in SUFFIXES), key=_by_numbers)
    if not files:
        raise ImprintError(
            f"{path} holds no activations; expected {', '.join(SUFFIXES)} files, a store written by imprint, a zarr "
            "array or a Hugging Face data set."
        )
    return _joined(path, files, rows)


def _by_numbers(path: Path) -> list[tuple[bool, int, str]]:
    """Order of names in which numbers count as numbers."""
    parts = re.split(r"(\d+)", path.name)
    return [(part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in parts]


def _joined(path: Path, files: list[Path], rows: int | None) -> Arrays | Shards:
    """Files of a folder as sites, or as shards of the rows."""
    held = {file: {name: len(array) for name, array in read_file(file).items() if array.ndim} for file in files}
    counts = {file: set(of_file.values()) for file, of_file in held.items()}
    if bad := [file for file, count in counts.items() if len(count) != 1]:
        raise ImprintError(f"{bad[0]} holds arrays with different numbers of rows; expected the same rows in each.")
    lengths = [count.pop() for count in counts.values()]
    alone = all(len(of_file) == 1 and file.suffix == ".npy" for file, of_file in held.items())
    shards = rows is not None and sum(lengths) == rows and len(files) > 1
    if len(files) == 1 or (not shards and len(set(lengths)) == 1):
        names = [name for of_file in held.values() for name in of_file]
        if len(set(names)) == len(names):
            return {name: array for file in files for name, array in read_file(file).items()}
    if rows is not None and not shards:
        raise ImprintError(
            f"{path} holds {len(files)} files with {sum(lengths)} rows in all; expected {rows} rows in every file "
            f"(one site each) or in all together (shards)."
        )
    forms = {tuple(sorted(of_file)) for of_file in held.values()}
    if not alone and len(forms) > 1:
        raise ImprintError(f"the files in {path} hold arrays of different names; expected the same in every shard.")
    shards_ = Shards(path, files, re.sub(r"[\W_]*\d.*$", "", files[0].stem) or path.stem if alone else "")
    if sum(file.stat().st_size for file in files) <= IN_MEMORY:
        return shards_.joined()
    return shards_


class Shards:
    """Files that hold the rows one after another: a stream of batches, one per file."""

    def __init__(self, path: Path, files: list[Path], name: str) -> None:
        self.path, self.files, self.name = path, files, name

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        for file in self.files:
            arrays = read_file(file)
            yield {self.name: next(iter(arrays.values()))} if self.name else arrays

    def joined(self) -> Arrays:
        """All rows in memory."""
        parts: dict[str, list[Any]] = {}
        for batch in self:
            for name, array in batch.items():
                parts.setdefault(name, []).append(array)
        shapes = {name: {tuple(part.shape[1:]) for part in held} for name, held in parts.items()}
        if bad := [name for name, forms in shapes.items() if len(forms) > 1]:
            raise ImprintError(f"the shards in {self.path} differ in width at {bad[0]!r}: {sorted(shapes[bad[0]])}.")
        return {name: _one_after_another(held) for name, held in parts.items()}


def _one_after_another(parts: list[Any]) -> torch.Tensor:
    """All rows of arrays, which may be on disk and read-only, or of tensors."""
    tensors = isinstance(parts[0], torch.Tensor)
    return torch.cat(parts) if tensors else torch.from_numpy(np.concatenate(parts))


def read_file(path: Path) -> Arrays:
    """All arrays of one file, name -> array; those of ``.npy`` stay on disk until they are used."""
    suffix = existing(path, "activations", (*SUFFIXES, ".zarr"))
    if suffix == ".safetensors":
        return _safetensors(path)
    try:
        if suffix == ".npy":
            array = np.load(path, mmap_mode="r", allow_pickle=False)
            if not isinstance(array, np.ndarray):
                raise ImprintError(f"{path} is no .npy array; if it is an .npz archive, name it so.")
            return {path.stem: array}
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            if not isinstance(file, np.lib.npyio.NpzFile):
                raise ImprintError(f"{path} is a single .npy array; call it {path.stem}.npy.")
            return {name: np.asarray(file[name]) for name in file.files}
    except ImprintError:
        raise
    except OSError as error:
        raise ImprintError(f"{path} cannot be read: {error.strerror or error}.") from None
    except DAMAGE as error:
        if "pickle" in str(error) and ("Object arrays" in str(error) or "Python objects" in str(error)):
            raise ImprintError(f"{path} holds an array of Python objects; convert it to numbers first.") from None
        raise DamagedFileError(
            f"{path} cannot be read as {suffix}: the file is damaged (truncated or altered) or something else. "
            f"The reason: {error or type(error).__name__}."
        ) from None


def _safetensors(path: Path) -> Arrays:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors: Arrays = load_file(path)
    except (OSError, SafetensorError, KeyError) as error:
        raise DamagedFileError(f"{path} cannot be read as .safetensors: {error}.") from None
    return tensors


def _zarr(path: Path) -> Arrays:
    try:
        import zarr  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        raise ImprintError(
            f"{path} is a zarr array, and the package zarr is not installed; pip install zarr."
        ) from None
    try:
        found = zarr.open(str(path), mode="r")
        arrays = {path.stem: found} if hasattr(found, "shape") else dict(found.arrays())
        if not arrays:
            raise ImprintError(f"{path} holds no arrays.")
        return {name: np.asarray(array[:]) for name, array in arrays.items()}
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        if isinstance(error, ImprintError):
            raise
        raise DamagedFileError(f"{path} cannot be read as zarr: {error}") from None


def huggingface(path: Path) -> tuple[Arrays, pd.DataFrame]:
    """Columns of a Hugging Face data set: lists of numbers as arrays ``[n, ...]``, all others as a table of labels."""
    try:
        import datasets
    except ImportError:
        raise ImprintError(
            f"{path} is a Hugging Face data set, and the package datasets is not installed; pip install datasets."
        ) from None
    if (path / "dataset_dict.json").exists():
        splits = sorted(p.name for p in path.iterdir() if (p / "dataset_info.json").exists())
        raise ImprintError(f"{path} holds several splits; name one of its folders: {', '.join(splits)}.")
    if not (path / "dataset_info.json").exists():
        raise ImprintError(f"{path} is no Hugging Face data set written by save_to_disk (it lacks dataset_info.json).")
    try:
        data = datasets.load_from_disk(str(path))
    except (OSError, ValueError, KeyError, TypeError, pyarrow.ArrowException) as error:
        raise DamagedFileError(f"{path} cannot be read as a Hugging Face data set: {error}") from None
    table = data.with_format(None).to_pandas()
    arrays: Arrays = {}
    names = []
    for name in table.columns:
        first = next((value for value in table[name] if value is not None), None)
        if not isinstance(first, np.ndarray | list):
            names.append(name)
            continue
        try:
            arrays[str(name)] = np.stack([np.asarray(_rows(value)) for value in table[name]])
        except ValueError:
            raise ImprintError(
                f"{path}: the lists in {name!r} differ in length; expected as many numbers in each row."
            ) from None
    return arrays, _named(data, table[names])


def _rows(value: Any) -> Any:
    nested = isinstance(value, np.ndarray) and value.dtype.kind == "O"
    return np.stack([_rows(part) for part in value]) if nested else value


def _named(data: Any, table: pd.DataFrame) -> pd.DataFrame:
    """The table with class labels by their names."""
    out = {}
    for name in table.columns:
        names = getattr(data.features[name], "names", None)
        out[name] = (
            table[name].map(lambda i, of=names: of[int(i)] if pd.notna(i) and i >= 0 else None)
            if names
            else table[name]
        )
    return pd.DataFrame(out, index=table.index)


def as_float_rows(arrays: Mapping[str, Any]) -> Arrays:
    """Every array as rows by units ``[n, d]``, in its own type."""
    return {name: array.reshape(len(array), -1) if array.ndim != 2 else array for name, array in arrays.items()}


Opened = Arrays | ActivationStore | Shards | DiskStream
"""Arrays by name, or a stream of them."""
