"""JSON, tables and bytes written whole or not at all, without importing torch.

Every file is written under a temporary name in the same folder, flushed to disk and renamed, so that a kill, a full
disk or a lost connection leaves either the old file or the new one.
"""

from __future__ import annotations

import io
import json
import os
import tempfile
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from imprint.models.errors import AGAIN, DamagedFileError, ImprintError


class StorageError(ImprintError):
    """A folder that cannot be written to: no permission, no space left, or gone."""

    def __reduce__(self) -> tuple[type[StorageError], tuple[str]]:
        return (StorageError, (str(self),))


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole or not at all. Raises :class:`StorageError` when the folder cannot take it."""
    temporary: str | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except OSError as error:
        if temporary is not None and os.path.exists(temporary):
            os.unlink(temporary)
        reason = error.strerror or str(error)
        raise StorageError(f"cannot write {path}: {reason}. Free space or choose another folder (--out).") from error


def write_json(path: Path, data: Any) -> None:
    """Write indented JSON with keys in the order given; NaN is refused with ``ValueError``."""
    write_bytes(path, (json.dumps(data, indent=2, allow_nan=False) + "\n").encode())


def read_json(path: Path) -> Any:
    """The content of a JSON file. Raises :class:`DamagedFileError` when it cannot be read."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DamagedFileError(f"{path} cannot be read as JSON: {error}") from None


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write a parquet file; the same table gives the same bytes."""
    buffer = io.BytesIO()
    table.to_parquet(buffer, index=False, compression="zstd")
    write_bytes(path, buffer.getvalue())


def read_table(path: Path) -> pd.DataFrame:
    """The table in a parquet file. Raises :class:`DamagedFileError` when it cannot be read."""
    import pyarrow

    try:
        return pd.read_parquet(path)
    except (OSError, ValueError, pyarrow.ArrowException) as error:
        raise DamagedFileError(f"{path} cannot be read as parquet: {error}. {AGAIN}") from None


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Compressed ``.npz`` without pickled objects."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    write_bytes(path, buffer.getvalue())


DAMAGE = (EOFError, RuntimeError, ValueError, zipfile.BadZipFile, zlib.error)
"""What reading a truncated or altered ``.npz`` raises; ``RuntimeError`` comes with impossible flags or methods."""
