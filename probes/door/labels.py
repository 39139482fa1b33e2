"""Labels as they enter: a table of concepts, and each of its columns as classes or numbers.

    classes   truth values, whole numbers, text, dates, categories, and Python objects that can be told apart
    numbers   floats of every kind, also decimals and fractions among Python objects

Nullable, arrow-backed and sparse columns are read as what they hold. Missing entries stay missing. A number is constant
when its range is at most two roundings of its largest value in the type it came in.

Letters: n rows.
"""

from __future__ import annotations

import numbers
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from imprint.models.errors import ImprintError, NotMeasurableError, unknown_name
from imprint.probes.door.arrays import EXTREME, ULPS, real_array, texts

SCALARS = (str, bytes, int, float, bool)


def table_of(concepts: Any) -> pd.DataFrame:
    """Concepts as a table: a DataFrame, a named Series, an arrow table, or a mapping from names to columns."""
    if type(concepts).__module__.partition(".")[0] == "pyarrow" and hasattr(concepts, "to_pandas"):
        concepts = concepts.to_pandas()
    if isinstance(concepts, pd.Series):
        if concepts.name is None:
            raise ImprintError("concepts is a Series without a name; give it the concept's name, or pass a DataFrame.")
        concepts = concepts.to_frame()
    if isinstance(concepts, Mapping):
        concepts = _of_columns(concepts)
    if not isinstance(concepts, pd.DataFrame):
        raise ImprintError(f"concepts is a {type(concepts).__name__}; expected a pandas DataFrame, one row per sample.")
    names = [str(name) for name in concepts.columns]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise ImprintError(f"concepts has two columns called {repeated[0]!r}; give each its own name.")
    if not len(concepts):
        raise ImprintError("concepts has no rows; expected one row per sample.")
    return _native(concepts.set_axis(names, axis=1))


def _of_columns(concepts: Mapping[Any, Any]) -> pd.DataFrame:
    """A table of columns that may be of different kinds; those that are Series must have their rows in one order."""
    names = texts("a concept", concepts)
    columns = {name: _series(name, column) for name, column in zip(names, concepts.values(), strict=True)}
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise ImprintError(f"the concepts differ in rows: {lengths}; expected one label per row in each.")
    given = [column for column in concepts.values() if isinstance(column, pd.Series)]
    for name, column in concepts.items():
        require_order(f"concepts[{str(name)!r}]", column, given[0].index if given else None)
    table = pd.DataFrame({name: column.reset_index(drop=True) for name, column in columns.items()})
    return table.set_axis(given[0].index, axis=0) if given else table


def _native(table: pd.DataFrame) -> pd.DataFrame:
    """The table with every number in the byte order of this machine, as pandas wants it."""
    foreign = {
        name: kind.newbyteorder("=")
        for name, kind in table.dtypes.items()
        if isinstance(kind, np.dtype) and not kind.isnative
    }
    return table.astype(foreign) if foreign else table


def require_order(name: str, given: Any, rows: pd.Index | None) -> None:
    """Raise :class:`ImprintError` for a table whose index holds the labels of ``rows`` in another order.

    Rows belong together by their place. Two indexes with the same labels say that they may not.
    """
    if rows is None or not isinstance(given, pd.DataFrame | pd.Series) or len(given) != len(rows):
        return
    index = given.index
    if index.equals(rows) or not (index.is_unique and rows.is_unique) or not bool(index.isin(rows).all()):
        return
    raise ImprintError(
        f"{name} holds the same rows in another order: its index is that of the concepts, shuffled. Bring both into "
        "one order with .loc; or, if they do belong together as they stand, pass it after .reset_index(drop=True), "
        "and the concepts, too."
    )


def _series(name: str, column: Any) -> pd.Series[Any]:
    if isinstance(column, pd.Series):
        return column
    if isinstance(column, torch.Tensor):
        column = real_array(f"concepts[{name!r}]", column)
    if isinstance(column, np.ndarray) and column.ndim != 1:
        raise ImprintError(f"concepts[{name!r}] has shape {column.shape}; expected one label per row, [n].")
    if not isinstance(column, np.ndarray | list | tuple | pd.api.extensions.ExtensionArray | pd.Index):
        raise ImprintError(f"concepts[{name!r}] is a {type(column).__name__}; expected one label per row, [n].")
    if isinstance(column, list | tuple):
        return pd.Series(np.fromiter(column, dtype=object, count=len(column))).infer_objects()
    return pd.Series(column)


def plain(labels: pd.Series[Any]) -> pd.Series[Any]:
    """The same labels in a type that can be sorted and compared: numbers as float64, everything else as classes.

    Raises :class:`NotMeasurableError` for complex numbers and for cells that are no labels, such as lists.
    """
    kind = labels.dtype
    if isinstance(kind, pd.CategoricalDtype):
        return labels
    if pd.api.types.is_complex_dtype(kind):
        raise NotMeasurableError("the label holds complex numbers; expected real ones")
    if isinstance(kind, np.dtype) and kind.kind in "biuMm":
        return labels
    if kind in (np.float32, np.float64):
        return labels
    if pd.api.types.is_float_dtype(kind):
        return pd.Series(labels.to_numpy(dtype=np.float64, na_value=np.nan), index=labels.index)
    if pd.api.types.is_bool_dtype(kind) or pd.api.types.is_integer_dtype(kind):
        return labels.astype(object).where(labels.notna(), None) if labels.isna().any() else _numpy(labels)
    if isinstance(kind, pd.StringDtype):
        return labels
    return _of_objects(labels.astype(object))


def _numpy(labels: pd.Series[Any]) -> pd.Series[Any]:
    return pd.Series(labels.to_numpy(), index=labels.index)


def _of_objects(labels: pd.Series[Any]) -> pd.Series[Any]:
    """Labels among Python objects."""
    there = labels.notna().to_numpy()
    known = labels[there].to_numpy(dtype=object)
    kinds = set(map(type, known))
    if not kinds <= set(SCALARS):
        known = np.fromiter(map(_scalar, known), dtype=object, count=len(known))
        kinds = set(map(type, known))
    if bad := sorted(kind.__name__ for kind in kinds if kind.__hash__ is None):
        raise NotMeasurableError(
            f"the label holds {bad[0]}s, which are no labels; expected one class or number per row"
        )
    if any(issubclass(kind, complex | np.complexfloating) and not issubclass(kind, numbers.Real) for kind in kinds):
        raise NotMeasurableError("the label holds complex numbers; expected real ones")
    out = pd.Series([None] * len(labels), index=labels.index, dtype=object)
    if kinds and all(issubclass(kind, numbers.Number) for kind in kinds) and kinds != {bool}:
        if all(issubclass(kind, numbers.Integral) for kind in kinds):
            out[there] = [int(value) for value in known]
            return out
        return _floats(labels, there, known)
    out[there] = known
    try:
        sorted(set(known.tolist()))
        return out
    except TypeError:
        pass
    try:
        keys = list(dict.fromkeys((type(value).__name__, value) for value in known.tolist()))
    except TypeError as error:
        raise NotMeasurableError(f"the label cannot be told apart: {error}") from None
    texts = [str(value) for _, value in keys]
    names = {
        key: text if texts.count(text) == 1 else f"{text} ({key[0]})" for key, text in zip(keys, texts, strict=True)
    }
    out[there] = [names[type(value).__name__, value] for value in known.tolist()]
    return out


def _floats(labels: pd.Series[Any], there: NDArray[np.bool_], known: NDArray[Any]) -> pd.Series[Any]:
    numbers_ = np.full(len(labels), np.nan)
    try:
        numbers_[there] = [float(value) for value in known]
    except (OverflowError, TypeError, ValueError) as error:
        raise NotMeasurableError(f"the label holds numbers that no float can be: {error}") from None
    return pd.Series(numbers_, index=labels.index)


def _scalar(value: Any) -> Any:
    """What a 0-dimensional array or tensor holds; anything else unchanged."""
    if isinstance(value, torch.Tensor | np.ndarray) and value.ndim == 0 and getattr(value, "is_nested", False) is False:
        return value.item()
    if isinstance(value, np.ndarray | torch.Tensor):
        return value.tolist() if value.ndim else value
    if isinstance(value, np.generic):
        return value.item()
    return float(value) if isinstance(value, Decimal) else value


def is_constant(values: NDArray[Any], eps: float) -> bool:
    """Whether numbers do not vary by more than rounding; ``eps`` as in :func:`roundoff_of`."""
    if not len(values):
        return True
    with np.errstate(over="ignore"):
        low, high = float(values.min()), float(values.max())
        return bool(high - low <= ULPS * eps * max(abs(low), abs(high)))


def moderate(labels: pd.Series[Any]) -> pd.Series[Any]:
    """Numbers whose squares double precision does not hold, times a power of two; everything else as it is."""
    if not isinstance(labels.dtype, np.dtype) or labels.dtype.kind != "f":
        return labels
    values = labels.to_numpy(dtype=np.float64)
    largest = float(np.abs(values[np.isfinite(values)]).max(initial=0.0))
    if not largest or EXTREME[0] <= largest <= EXTREME[1]:
        return labels
    return pd.Series(np.ldexp(values, -int(np.frexp(largest)[1])), index=labels.index)


def standardised(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Numbers that vary, with mean 0 and variance 1, however large or small they are."""
    scaled = np.ldexp(values, -int(np.frexp(np.abs(values).max())[1]))
    centred = scaled - scaled.mean()
    centred = np.ldexp(centred, -int(np.frexp(np.abs(centred).max())[1]))
    centred -= centred.mean()
    return np.asarray(centred / centred.std())


def without(labels: pd.DataFrame, ignore: Any) -> pd.DataFrame:
    """The table with labels that are in ``ignore`` missing: one value, several, or per concept a value or several."""
    if ignore is None:
        return labels
    if isinstance(ignore, Mapping):
        for name in ignore:
            if str(name) not in labels.columns:
                raise unknown_name("concept in ignore", str(name), list(labels.columns))
        each = {str(name): values for name, values in ignore.items()}
    else:
        each = dict.fromkeys(labels.columns, ignore)
    changed = {}
    for name, values in each.items():
        listed = [values] if isinstance(values, str | bytes) or np.ndim(values) == 0 else list(values)
        column = labels[name]
        try:
            found = column.isin(listed)
        except TypeError:
            continue  # cells that cannot be compared are said to be no labels later
        if not bool(found.any()):
            _require_alike(name, column, listed)
        if bool(found.any()):
            kept = column.astype(object) if column.dtype.kind in "biu" else column
            changed[name] = kept.where(~found, np.nan if column.dtype.kind == "f" else None)
    return labels.assign(**changed)


def _require_alike(name: str, column: pd.Series[Any], ignore: list[Any]) -> None:
    """Raise :class:`ImprintError` where no label is ignored because text was given for numbers, or the reverse."""
    written = {str(value): value for value in pd.unique(column.dropna())}
    for value in ignore:
        other = written.get(str(value))
        if other is not None and isinstance(value, str) != isinstance(other, str):
            raise ImprintError(f"ignore is {value!r}, but the labels of {name!r} hold {_scalar(other)!r}; pass that.")


def sentinel(labels: pd.Series[Any]) -> str:
    """A sentence about the only negative class of a concept, which is often a mark for "no label"; else empty.

    Two classes of opposite sign, such as -1 and 1, are a coding and no mark.
    """
    kind = labels.dtype
    if isinstance(kind, pd.CategoricalDtype):
        kind = kind.categories.dtype
    whole = pd.api.types.is_integer_dtype(kind) and not pd.api.types.is_bool_dtype(kind)
    if not whole and not pd.api.types.is_object_dtype(kind):
        return ""
    known = labels[labels.notna()]
    try:
        classes = [value for value in pd.unique(known) if isinstance(value, int | np.integer)]
    except TypeError:
        return ""
    if len(classes) < 2 or len(classes) != known.nunique():
        return ""
    negative = [int(value) for value in classes if value < 0]
    if len(negative) != 1 or sorted(map(int, classes)) == [negative[0], -negative[0]]:
        return ""
    rows = int((known == negative[0]).sum())
    return (
        f"{labels.name}: {negative[0]} is its only negative class ({rows} of {len(known)} rows); if it marks rows "
        f"without a label, pass ignore={negative[0]}"
    )
