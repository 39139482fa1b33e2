"""A user's own arrays and labels, read without unpickling anything and checked before anything is computed.

Arrays come from ``.npz`` or ``.safetensors`` (name -> array, first axis the rows), labels from ``.csv`` or ``.parquet``
(one line per row of the arrays, one column per concept). NaN and infinite values are refused with their name and row.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from imprint.models.errors import DamagedFileError, ImprintError, unknown_name
from imprint.models.files import DAMAGE

Arrays = dict[str, np.ndarray]


def _existing(path: Path, what: str, suffixes: tuple[str, ...]) -> str:
    if not path.is_file():
        near = [p.name for p in path.parent.iterdir() if p.suffix in suffixes] if path.parent.is_dir() else []
        raise unknown_name(f"file of {what}", path, near)
    if path.suffix.lower() not in suffixes:
        raise ImprintError(f"{path} ends in {path.suffix or 'nothing'!r}; {what} come from {' or '.join(suffixes)}.")
    return path.suffix.lower()


def read_arrays(path: Path) -> Arrays:
    """All arrays of a ``.npz`` or ``.safetensors`` file, name -> array."""
    suffix = _existing(path, "activations", (".npz", ".safetensors"))
    arrays = _npz(path) if suffix == ".npz" else _safetensors(path)
    if not arrays:
        raise ImprintError(f"{path} holds no arrays.")
    return arrays


def _npz(path: Path) -> Arrays:
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            if not isinstance(file, np.lib.npyio.NpzFile):
                raise ImprintError(f"{path} is a single .npy array; save it by name with numpy.savez.")
            return {name: np.asarray(file[name]) for name in file.files}
    except ImprintError:
        raise
    except OSError as error:
        raise ImprintError(f"{path} cannot be read: {error.strerror or error}.") from None
    except DAMAGE as error:
        if "pickle" in str(error) and "Object arrays" in str(error):
            raise ImprintError(f"{path} holds an array of Python objects; convert it to numbers first.") from None
        raise DamagedFileError(
            f"{path} cannot be read as .npz: the file is damaged (truncated or altered) or something else. "
            f"The reason: {error or type(error).__name__}."
        ) from None


def _safetensors(path: Path) -> Arrays:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return {name: value.float().numpy() for name, value in load_file(path).items()}
    except (OSError, SafetensorError) as error:
        raise DamagedFileError(f"{path} cannot be read as .safetensors: {error}.") from None


def read_labels(path: Path) -> pd.DataFrame:
    """The labels of a ``.csv`` or ``.parquet`` file."""
    import pyarrow

    suffix = _existing(path, "labels", (".csv", ".parquet"))
    try:
        frame = pd.read_csv(path) if suffix == ".csv" else pd.read_parquet(path)
    except (OSError, ValueError, pyarrow.ArrowException) as error:
        raise DamagedFileError(f"{path} cannot be read as {suffix[1:]}: {error}") from None
    if frame.empty:
        raise ImprintError(f"{path} holds no rows.")
    return frame


def check_rows(path: Path, arrays: Mapping[str, np.ndarray], rows: int, labels: Path) -> None:
    """Every array has ``rows`` rows of finite numbers, or an error that names the array."""
    for name, array in arrays.items():
        if array.ndim == 0 or len(array) != rows:
            came = "a single number" if array.ndim == 0 else f"{len(array)} rows"
            raise ImprintError(f"{path}: {name!r} has {came}, {labels} has {rows}; row i of both must be one example.")
        if array.dtype.kind not in "fiub":
            raise ImprintError(f"{path}: {name!r} holds {array.dtype}; expected numbers.")
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            row = int(np.flatnonzero(~np.isfinite(array.reshape(rows, -1)).all(axis=1))[0])
            raise ImprintError(f"{path}: {name!r} holds NaN or infinities, first in row {row}; drop or repair them.")


def flat(arrays: Mapping[str, np.ndarray]) -> Arrays:
    """Every array as floats ``[n, d]``."""
    return {name: np.asarray(array, dtype=np.float64).reshape(len(array), -1) for name, array in arrays.items()}


def without_groups(labels: pd.DataFrame, column: str | None, path: Path) -> tuple[pd.DataFrame, np.ndarray | None]:
    """``labels`` without the column of groups, and the groups as integers ``[n]``; ``path`` is that of the labels."""
    if column is None:
        return labels, None
    if column not in labels.columns:
        raise unknown_name(f"column of {path.name}", column, map(str, labels.columns))
    if bool(labels[column].isna().any()):
        raise ImprintError(f"{path}: the groups in {column!r} are missing in some rows; every row needs its group.")
    groups = pd.factorize(labels[column])[0]
    return labels.drop(columns=column), np.asarray(groups, dtype=np.int64)
