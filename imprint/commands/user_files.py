"""A user's own arrays and labels, read without unpickling anything and checked before anything is computed.

Arrays come from ``.npz`` or ``.safetensors`` (name -> array, first axis the rows), labels from ``.csv`` or ``.parquet``
(one line per row of the arrays, one column per concept). NaN and infinite values are refused with their name and row.
"""

from __future__ import annotations

import re
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

    from imprint.probes.samples.arrays import real_array

    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise DamagedFileError(f"{path} cannot be read as .safetensors: {error}.") from None
    return {name: real_array(f"{path}: {name!r}", value) for name, value in tensors.items()}


MISSING = frozenset({"na", "n/a", "#n/a", "nan", "null", "none", "-nan"})
"""Words that mean a missing number in a column of numbers; in a column of text they are classes like others."""
NAMELESS = re.compile(r"(Unnamed: \d+)?")
"""What pandas and spreadsheets call a column without a name."""


def read_labels(path: Path) -> pd.DataFrame:
    """The labels of a ``.csv`` or ``.parquet`` file, as they stand there.

    In CSV an empty field is missing, and so is a word such as ``NA`` in a column of numbers; among text it is a class.
    A column without a name that counts the rows is left out. The index of a parquet file is a column if it has a name.
    Raises :class:`ImprintError` for another separator, columns without a name and names that occur twice.
    """
    import pyarrow

    suffix = _existing(path, "labels", (".csv", ".parquet"))
    try:
        frame = _csv(path) if suffix == ".csv" else _parquet(path)
    except ImprintError:
        raise
    except (OSError, ValueError, pyarrow.ArrowException) as error:
        raise DamagedFileError(f"{path} cannot be read as {suffix[1:]}: {error}") from None
    if frame.empty:
        raise ImprintError(f"{path} holds no rows.")
    names = [str(name) for name in frame.columns]
    if twice := [name for name in names if names.count(name) > 1]:
        raise ImprintError(f"{path} has two columns called {twice[0]!r}; give each its own name.")
    return frame


def _csv(path: Path) -> pd.DataFrame:
    whole = pd.read_csv(path, header=None, dtype=str, keep_default_na=False).fillna("")
    header, body = [str(name).strip() for name in whole.iloc[0]], whole.iloc[1:].reset_index(drop=True)
    if len(header) == 1 and (sign := next((sign for sign in ";\t|" if sign in header[0]), "")):
        raise ImprintError(f"{path}: its columns are separated by {sign!r}; expected commas. Save it with commas.")
    frame = pd.concat([_typed(body[place]) for place in body], axis=1)
    frame.columns = pd.Index(header)
    nameless = [NAMELESS.fullmatch(name) is not None for name in header]
    for place in np.flatnonzero(nameless):
        column = pd.Series(frame.iloc[:, int(place)])
        counted = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64)
        if not any(np.array_equal(counted, np.arange(len(frame)) + first) for first in (0, 1)):
            raise ImprintError(f"{path}: column {place + 1} has no name; give it one, or leave it out.")
    return frame.loc[:, np.logical_not(nameless)]


def _typed(column: pd.Series) -> pd.Series:
    """A column of text as numbers, truth values or text; an empty field is missing."""
    given = column[column != ""]
    known = given[~given.str.strip().str.lower().isin(MISSING)]
    codes = known.str.match(r"\s*[+-]?0\d").any()  # 007 is a name: as a number it would be the same as 7
    if len(known) and not codes and pd.to_numeric(known, errors="coerce").notna().all():
        return pd.to_numeric(known).reindex(column.index)
    if len(given) == len(column) and given.str.lower().isin(["true", "false"]).all():
        return given.str.lower() == "true"
    return column.where(column != "")


def _parquet(path: Path) -> pd.DataFrame:
    frame = pd.read_parquet(path)
    named = [name for name in frame.index.names if name is not None]
    if clash := [name for name in named if name in frame.columns]:
        raise ImprintError(f"{path}: the index and a column are both called {clash[0]!r}; give each its own name.")
    return frame.reset_index(level=named) if named else frame


def check_rows(path: Path, arrays: Mapping[str, np.ndarray], rows: int, labels: Path) -> None:
    """Every array has ``rows`` rows of finite numbers, or an error that names the array."""
    for name, array in arrays.items():
        if array.ndim == 0 or len(array) != rows:
            came = "a single number" if array.ndim == 0 else f"{len(array)} rows"
            raise ImprintError(f"{path}: {name!r} has {came}, {labels} has {rows}; row i of both must be one example.")
        if array.dtype.kind == "c":
            raise ImprintError(f"{path}: {name!r} holds complex numbers; pass real and imaginary parts as two arrays.")
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
