"""Rows as they enter: which are used, and which belong together.

Letters: n rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from imprint.models.errors import ImprintError, NotMeasurableError, unknown_name
from imprint.probes.door.arrays import real_array
from imprint.probes.door.labels import plain, require_order


def column_or(what: str, given: Any, labels: pd.DataFrame) -> tuple[Any, pd.DataFrame]:
    """``given``, or the column of the labels that it names, and the labels without that column."""
    if not isinstance(given, str):
        return given, labels
    if given not in labels.columns:
        raise unknown_name(f"column for {what}", given, list(map(str, labels.columns)))
    return labels[given], labels.drop(columns=given)


def require_one_order(rows: pd.Index, **given: Any) -> None:
    """Raise :class:`ImprintError` for tables among what is given that hold the rows in another order.

    They may be alone, in lists, or in mappings.
    """
    for name, value in given.items():
        if isinstance(value, Mapping):
            require_one_order(rows, **{f"{name}[{key!r}]": part for key, part in value.items()})
        elif isinstance(value, list | tuple):
            for part in value if isinstance(next(iter(value), None), pd.DataFrame | pd.Series | Mapping) else ():
                require_one_order(rows, **{name: part})
        else:
            require_order(name, value, rows)


def mask_of(given: Any, shape: tuple[int, ...]) -> NDArray[np.bool_] | None:
    """Which rows are used, bool ``[n]``; true (or 1) means used, as in attention masks. None: all.

    ``shape`` is ``(n,)``, or ``(sequences, positions)`` where the rows come as sequences; the mask may have either.
    """
    if given is None:
        return None
    n = int(np.prod(shape))
    array = real_array("mask", given)
    if array.size != n or array.shape not in ((n,), shape, (n, 1)):
        raise ImprintError(f"mask has shape {array.shape}; expected one truth value per row, {shape}.")
    if not np.isin(array, (0, 1)).all():
        raise ImprintError("mask holds numbers besides 0 and 1; expected true for the rows that are used.")
    mask = array.reshape(n).astype(bool)
    if not mask.any():
        raise ImprintError("mask leaves no row; expected true (or 1) for the rows that are used.")
    return np.asarray(mask)


def groups_of(given: Any, shape: tuple[int, ...], used: NDArray[np.bool_] | None) -> NDArray[np.int64] | None:
    """Group of each used row, as numbers 0..; ``shape`` and ``used`` as in :func:`mask_of`.

    One group per sequence is repeated for its positions. Without groups, rows of one sequence are of one group.
    """
    n, sequences = int(np.prod(shape)), shape[0]
    repeats = n // sequences if sequences else 1
    if given is None:
        if len(shape) == 1:
            return None
        codes = np.repeat(np.arange(sequences), repeats)
    else:
        codes = _codes(given, n, sequences)
        codes = np.repeat(codes, repeats) if len(codes) != n else codes
    codes = codes if used is None else codes[used]
    if (codes < 0).any():
        raise ImprintError(f"groups is missing in {int((codes < 0).sum())} rows; every row needs its group.")
    return np.asarray(np.unique(codes, return_inverse=True)[1], dtype=np.int64)


def _codes(given: Any, n: int, sequences: int) -> NDArray[np.int64]:
    if hasattr(given, "layout") and hasattr(given, "detach"):
        given = real_array("groups", given)
    elif type(given).__module__.partition(".")[0] == "pyarrow":
        given = given.to_pandas()
    if isinstance(given, pd.DataFrame):
        if given.shape[1] != 1:
            raise ImprintError(f"groups has {given.shape[1]} columns; expected one label per row.")
        given = given.iloc[:, 0]
    if isinstance(given, np.ndarray) and given.ndim == 2 and (given.shape[1] == 1 or given.size == n != len(given)):
        given = given.reshape(-1)
    if isinstance(given, np.ndarray) and given.ndim != 1:
        raise ImprintError(f"groups has shape {given.shape}; expected one label per row, ({n},).")
    if np.ma.isMaskedArray(given):
        given = pd.Series(np.ma.filled(np.ma.asarray(given).astype(object), None))
    if not isinstance(given, np.ndarray | pd.Series | pd.Index | list | tuple | pd.api.extensions.ExtensionArray):
        raise ImprintError(f"groups is {given!r:.60}; expected one label per row, or the name of a column.")
    if len(given) not in (n, sequences):
        raise ImprintError(f"groups has {len(given)} labels but concepts has {n} rows; expected one per row.")
    labels = given if isinstance(given, pd.Series) else pd.Series(list(given) if isinstance(given, tuple) else given)
    try:
        return np.asarray(pd.factorize(plain(labels), sort=False)[0], dtype=np.int64)
    except (TypeError, NotMeasurableError) as error:
        raise ImprintError(f"groups cannot be told apart: {error}; expected one label per row.") from None
