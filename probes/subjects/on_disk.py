"""Arrays in files, read in batches: ``.npz``, ``.npy`` and ``.safetensors`` that do not fit in memory.

    .npz            one member per site; compressed members are decompressed as they are read
    .npy            one site, named after the file
    .safetensors    one tensor per site

Files are read and not mapped, so that what was read does not count as memory of the process. Nothing is unpickled. An
array ``[n, ...]`` gives rows ``[n, d]`` of float32 (float64 and bfloat16 included).

Letters: n rows, b of them in one batch, d width of a site.
"""

from __future__ import annotations

import json
import math
import zipfile
from collections.abc import Collection, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from io import BufferedIOBase
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.lib import format as npy
from torch import Tensor

from imprint.models.errors import DamagedFileError, ImprintError, unknown_name
from imprint.models.files import DAMAGE

SUFFIXES = (".npz", ".npy", ".safetensors")
ROWS = 8192
"""Rows of a batch, at most."""
BATCH_BYTES = 2**26
"""Bytes of a batch, at most, all sites together."""
TENSORS = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
"""Names of types in safetensors."""


@dataclass(frozen=True)
class OnDisk:
    """One array of a file, whose rows lie one after another."""

    path: Path
    name: str
    """Name of the site."""
    member: str | None
    """Member of a ``.npz``."""
    offset: int
    """Bytes before the first row; of a member, in the decompressed member."""
    dtype: Any
    """Type in NumPy or PyTorch."""
    shape: tuple[int, ...]

    @property
    def width(self) -> int:
        """Numbers in a row."""
        return math.prod(self.shape[1:])

    @property
    def row_bytes(self) -> int:
        """Bytes of one row."""
        return self.width * int(self.dtype.itemsize)

    def open(self, stack: ExitStack) -> BufferedIOBase:
        """The file, at the first row."""
        if self.member is not None:
            archive = stack.enter_context(zipfile.ZipFile(self.path))
            file = cast("BufferedIOBase", stack.enter_context(archive.open(self.member)))
            file.read(self.offset)
            return file
        plain = stack.enter_context(self.path.open("rb"))
        plain.seek(self.offset)
        return plain

    def read(self, file: BufferedIOBase, rows: int) -> Tensor:
        """The next ``rows`` rows of an opened file, ``[rows, d]``."""
        data = bytearray(file.read(rows * self.row_bytes))
        if len(data) != rows * self.row_bytes:
            raise DamagedFileError(f"{self.path}: {self.name!r} ends before its last row; the file is truncated.")
        if isinstance(self.dtype, torch.dtype):
            flat = torch.frombuffer(data, dtype=self.dtype)
        else:
            flat = torch.from_numpy(np.frombuffer(data, dtype=self.dtype).astype(self.dtype.newbyteorder("=")))
        return flat.reshape(rows, self.width).float()


@dataclass(frozen=True)
class DiskStream:
    """Batches ``{site: [b, d]}`` of arrays in files; every iteration starts at the first row."""

    arrays: tuple[OnDisk, ...]

    @property
    def sites(self) -> tuple[str, ...]:
        """Names of the sites."""
        return tuple(array.name for array in self.arrays)

    def __len__(self) -> int:
        return self.arrays[0].shape[0]

    @property
    def total_bytes(self) -> int:
        """Bytes of all sites in float32."""
        return sum(4 * array.width * array.shape[0] for array in self.arrays)

    def only(self, sites: Collection[str]) -> DiskStream:
        """Some of the sites, which alone are read."""
        if unknown := [site for site in sites if site not in self.sites]:
            raise unknown_name("site", unknown[0], self.sites)
        return DiskStream(tuple(array for array in self.arrays if array.name in sites))

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        width = sum(array.width for array in self.arrays)
        rows = max(1, min(ROWS, BATCH_BYTES // (4 * width)))
        with ExitStack() as stack:
            opened = [(array, array.open(stack)) for array in self.arrays]
            for start in range(0, len(self), rows):
                size = min(rows, len(self) - start)
                yield {array.name: array.read(file, size) for array, file in opened}

    def rows(self, site: str) -> Tensor:
        """All rows ``[n, d]`` of one site."""
        return torch.cat([batch[site] for batch in self.only([site])])


def disk_stream(path: str | Path) -> DiskStream:
    """The arrays of a file as a stream, from its headers alone.

    Raises :class:`ImprintError` for a file of another kind, for arrays of different lengths, of other types than
    numbers, or stored column by column, and :class:`DamagedFileError` for one that cannot be read.
    """
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise ImprintError(f"{path} ends in {path.suffix or 'nothing'!r}; expected one of {', '.join(SUFFIXES)}.")
    read = {".npz": _npz, ".npy": _npy, ".safetensors": _safetensors}[path.suffix.lower()]
    try:
        arrays = read(path)
    except ImprintError:
        raise
    except OSError as error:
        raise ImprintError(f"{path} cannot be read: {error.strerror or error}.") from None
    except (*DAMAGE, ValueError, KeyError, TypeError) as error:
        raise DamagedFileError(
            f"{path} cannot be read as {path.suffix}: the file is damaged (truncated or altered) or something else. "
            f"The reason: {error or type(error).__name__}."
        ) from None
    if not arrays:
        raise ImprintError(f"{path} holds no arrays.")
    if scalars := [array.name for array in arrays if not array.shape]:
        raise ImprintError(f"{path}: {scalars[0]!r} is a single number; expected rows [n, ...].")
    first = arrays[0]
    if odd := [array for array in arrays if array.shape[0] != first.shape[0]]:
        raise ImprintError(
            f"{path}: {first.name!r} has {first.shape[0]} rows and {odd[0].name!r} has {odd[0].shape[0]}; row i of all "
            "must be one example."
        )
    return DiskStream(tuple(arrays))


def _npz(path: Path) -> list[OnDisk]:
    with zipfile.ZipFile(path) as archive:
        arrays = []
        for member in archive.namelist():
            with archive.open(member) as file:
                arrays.append(_header(path, member.removesuffix(".npy"), member, cast("BufferedIOBase", file)))
        return arrays


def _npy(path: Path) -> list[OnDisk]:
    with path.open("rb") as file:
        return [_header(path, path.stem, None, file)]


def _header(path: Path, name: str, member: str | None, file: BufferedIOBase) -> OnDisk:
    """The array that an opened file or member holds, from its header."""
    version = npy.read_magic(file)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, columns_first, dtype = read(file)
    if dtype.hasobject:
        raise ImprintError(f"{path}: {name!r} holds Python objects; convert it to numbers first.")
    if dtype.kind not in "fiub":
        raise ImprintError(f"{path}: {name!r} holds {dtype}; expected numbers.")
    if columns_first and len(shape) > 1:
        raise ImprintError(f"{path}: {name!r} is stored column by column; save numpy.ascontiguousarray of it.")
    return OnDisk(path, name, member, file.tell(), dtype, tuple(shape))


def _safetensors(path: Path) -> list[OnDisk]:
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        if not 0 < size < path.stat().st_size:
            raise DamagedFileError(f"{path} is not a safetensors file: its header would be {size} bytes.")
        header = json.loads(file.read(size))
    arrays = []
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        if entry["dtype"] not in TENSORS:
            raise ImprintError(f"{path}: {name!r} holds {entry['dtype']}; expected one of {', '.join(TENSORS)}.")
        shape, (first, last) = tuple(int(s) for s in entry["shape"]), entry["data_offsets"]
        dtype = TENSORS[entry["dtype"]]
        if last - first != math.prod(shape) * dtype.itemsize:
            raise DamagedFileError(f"{path}: the header gives {name!r} {last - first} bytes for {shape}.")
        arrays.append(OnDisk(path, name, None, 8 + size + first, dtype, shape))
    return sorted(arrays, key=lambda array: array.name)
