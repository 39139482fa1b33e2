"""Arrays and counts as they enter: converted in one place, refused where a conversion would lose something.

What comes as rows of activations leaves as ``[n, d]``, centred in float64 where its mean is far from zero, so that a
large offset costs no digit later. A column is *constant* when its range is at most two roundings of its largest value,
in the type it came in: never because it is small beside another number. Constant columns become exactly zero.

Letters: n rows, d columns.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch.masked import MaskedTensor

from imprint.models.errors import ImprintError
from imprint.probes.door.sums import column_means

OFFSET = 32.0
"""A column is centred when its mean is more than this many standard deviations from zero."""
SAMPLE = 512
"""Rows from which that is estimated."""
ULPS = 2.0
"""A column whose range is at most this many roundings of its largest value is constant."""
SAFE = (1e-15, 1e15)
"""Largest values of a centred column whose squares single precision can hold and add up."""
EXTREME = (1e-120, 1e120)
"""The same for double precision; other columns are scaled by a power of two."""
CHUNK = 8192
"""Rows converted at once."""


def real_array(name: str, value: Any) -> NDArray[Any]:
    """An array, tensor, table or nested list of real numbers as a numpy array; ``name`` is for errors.

    Half precision, quantised and sparse tensors become dense ones, tensors come to the CPU, and missing entries of
    tables become NaN. Raises :class:`ImprintError` for masked entries, complex numbers, text and objects, ragged lists,
    nested tensors and tensors without data.
    """
    value = _unpacked(name, value)
    if np.ma.isMaskedArray(value):
        if hidden := int(np.ma.getmaskarray(value).sum()):
            raise ImprintError(
                f"{name} is a masked array in which {hidden} of {value.size} entries are masked; expected an array "
                "without missing entries: leave out those rows, or fill the entries with what they are."
            )
        value = value.data
    try:
        array = np.asarray(value)
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise ImprintError(f"{name} is no array of numbers: {error}. Rows must have equal lengths.") from None
    if array.dtype.kind == "O" and array.size:
        array = _of_objects(name, array)
    if array.dtype.kind == "c":
        raise ImprintError(
            f"{name} holds complex numbers ({array.dtype}); expected real ones: pass real and imaginary parts as "
            "columns of their own."
        )
    if array.dtype.kind not in "fiub":
        raise ImprintError(f"{name} holds {array.dtype}; expected numbers.")
    return array.astype(np.float64) if array.dtype == np.longdouble else array


def readable(name: str, value: Any) -> Any:
    """What scikit-learn can read: tensors, lists of them, sparse and masked arrays become arrays; all else stays.

    Tables keep the names of their columns, and text stays text. Raises as :func:`real_array` does.
    """
    listed = isinstance(value, list | tuple) and any(isinstance(part, torch.Tensor) for part in value)
    sparse = hasattr(value, "toarray") and hasattr(value, "nnz")
    if listed or sparse or isinstance(value, torch.Tensor) or np.ma.isMaskedArray(value):
        return real_array(name, value)
    return value


def _unpacked(name: str, value: Any) -> Any:
    """What numpy can read of a tensor, a table, a sparse matrix, or a list of tensors."""
    if isinstance(value, torch.Tensor):
        return _dense(name, value)
    if type(value).__module__.partition(".")[0] == "pyarrow":
        value = value.to_pandas()
    if isinstance(value, pd.DataFrame):
        columns = [_unpacked(f"{name}[{column!r}]", value.iloc[:, i]) for i, column in enumerate(value.columns)]
        return np.stack(columns, axis=1) if columns else np.empty((len(value), 0))
    if isinstance(value, pd.Series | pd.Index | pd.api.extensions.ExtensionArray):
        return _column(name, pd.Series(value))
    if hasattr(value, "toarray") and hasattr(value, "nnz"):
        return value.toarray()
    if isinstance(value, list | tuple) and any(isinstance(part, torch.Tensor) for part in value):
        parts = [_dense(name, part) if isinstance(part, torch.Tensor) else part for part in value]
        return parts
    return value


def _column(name: str, column: pd.Series) -> NDArray[Any]:
    """A column of numbers with NaN where it is missing."""
    if pd.api.types.is_numeric_dtype(column.dtype) and not column.isna().any():
        return np.asarray(column.to_numpy())
    try:
        return np.asarray(column.to_numpy(dtype=np.float64, na_value=np.nan))
    except (TypeError, ValueError):
        raise ImprintError(f"{name} holds {column.dtype}; expected numbers.") from None


def _of_objects(name: str, array: NDArray[Any]) -> NDArray[Any]:
    """An array of Python objects as numbers, None as NaN; text is none."""
    kinds = set(map(type, array.ravel().tolist()))
    if kinds & {str, bytes, dict, set, list, tuple} or any(hasattr(kind, "__len__") for kind in kinds):
        held = sorted(kind.__name__ for kind in kinds)
        raise ImprintError(f"{name} holds {', '.join(held)}; expected numbers, in rows of equal lengths.")
    if any(issubclass(kind, complex | np.complexfloating) for kind in kinds):
        raise ImprintError(
            f"{name} holds complex numbers; expected real ones: pass both parts as columns of their own."
        )
    try:
        return np.where(pd.isna(array), np.nan, array).astype(np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise ImprintError(f"{name} holds {array.dtype}; expected numbers ({error}).") from None


def _dense(name: str, value: torch.Tensor) -> Any:
    if value.device.type == "meta" or value.is_nested:
        kind = "meta, without data" if value.device.type == "meta" else "nested, whose rows differ in length"
        raise ImprintError(f"{name} is a tensor stored as {kind}; expected a dense one [n, ...].")
    if isinstance(value, MaskedTensor):
        hidden = ~value.get_mask().detach().cpu().numpy()
        return np.ma.masked_array(_dense(name, value.get_data()), mask=hidden)
    try:
        value = value.detach()
        value = value.dequantize() if value.is_quantized else value
        value = value.to_dense() if value.layout != torch.strided else value
        value = value.cpu().resolve_conj().resolve_neg()
        small = value.is_floating_point() and value.dtype not in (torch.float32, torch.float64)
        return np.asarray((value.float() if small else value).numpy())
    except (RuntimeError, TypeError) as error:
        raise ImprintError(f"{name} is a tensor that cannot be converted: {str(error).splitlines()[0]}") from None


def roundoff_of(value: Any) -> float:
    """Spacing of numbers relative to their size in the type in which they came; 0 for whole numbers."""
    if isinstance(value, torch.Tensor):
        return float(torch.finfo(value.dtype).eps) if value.is_floating_point() else 0.0
    kind = getattr(value, "dtype", None)
    if isinstance(kind, np.dtype):
        return float(np.finfo(kind).eps) if kind.kind == "f" else 0.0
    return float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class Rows:
    """Activations as they are used."""

    values: torch.Tensor
    """``[n, d]`` float32, or float64 where single precision does not hold them."""
    constant: NDArray[np.bool_]
    """``[d]`` columns that do not vary by more than rounding."""
    rounding: NDArray[np.bool_]
    """``[d]`` those of them that are not exactly constant."""


def rows_of(name: str, value: Any, n: int | None = None) -> Rows:
    """Activations ``[n, d]`` ready for use; see the module docstring. ``n``: how many rows are expected."""
    if isinstance(value, torch.Tensor) and value.device.type not in ("cpu", "meta") and value.is_floating_point():
        return _rows_there(name, value, n)
    array = matrix(name, value, n)
    eps = roundoff_of(value)
    low, high = array.min(0).astype(np.float64), array.max(0).astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        spread, largest = high - low, np.maximum(np.abs(low), np.abs(high))
        rounding = (spread > 0) & (spread <= ULPS * eps * largest)
    finite = bool(np.isfinite(low).all() and np.isfinite(high).all())
    if not finite:  # said to be not measurable later, with how many
        with np.errstate(over="ignore"):
            return Rows(_single(array), spread == 0, spread < 0)
    some = array[np.linspace(0, len(array) - 1, min(len(array), SAMPLE)).astype(int)].astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        far = np.abs(some.mean(0)) > OFFSET * some.std(0)
    narrow = (spread > 0) & ~rounding & ((spread < SAFE[0]) | (largest * ~far > SAFE[1]) | (spread > SAFE[1]))
    if not (far & (spread > 0)).any() and not rounding.any() and not narrow.any():
        return Rows(_single(array), spread == 0, rounding)
    return Rows(
        _centred(array, (spread == 0) | rounding, double=bool(narrow.any())), (spread == 0) | rounding, rounding
    )


def _single(array: NDArray[Any]) -> torch.Tensor:
    """The array in float32, without a copy where it is so already and may be written to."""
    single = np.ascontiguousarray(array, dtype=np.float32)
    return torch.from_numpy(single if single.flags.writeable else single.copy())


def _rows_there(name: str, value: torch.Tensor, n: int | None) -> Rows:
    """The same for a tensor that stays on its accelerator."""
    if value.dim() != 2 or not value.numel() or (n is not None and len(value) != n):
        raise ImprintError(f"{name} is {list(value.shape)} for {n} rows of concepts; expected [{n}, d].")
    given = value.detach()
    low, high = given.amin(0).double(), given.amax(0).double()
    spread, largest = high - low, torch.maximum(low.abs(), high.abs())
    rounding = (spread > 0) & (spread <= ULPS * torch.finfo(given.dtype).eps * largest)
    constant = (spread == 0) | rounding
    mean = column_means(given)
    far = mean.abs() > OFFSET * given.double().std(0, correction=0)
    values = given.float()
    if bool((far & ~constant).any() | rounding.any()):
        values = torch.where(constant, 0.0, given.double() - mean).float()
    return Rows(values, constant.cpu().numpy(), rounding.cpu().numpy())


def _centred(array: NDArray[Any], constant: NDArray[np.bool_], *, double: bool) -> torch.Tensor:
    """Columns minus their means, exactly zero where constant; extreme ones are scaled by a power of two."""
    parts = [slice(i, i + CHUNK) for i in range(0, len(array), CHUNK)]
    shift = np.zeros(array.shape[1])
    largest = np.maximum(np.abs(array.min(0).astype(np.float64)), np.abs(array.max(0).astype(np.float64)))
    down = np.where(largest > EXTREME[1], -np.frexp(largest)[1], 0)
    for _ in range(2):  # the second pass removes the rounding of the first mean
        sums = [(np.ldexp(array[p].astype(np.float64), down) - shift).sum(0) for p in parts]
        shift = shift + np.sum(sums, axis=0) / len(array)
    out = np.empty(array.shape, dtype=np.float64 if double else np.float32)
    size = np.zeros(array.shape[1])
    for p in parts:
        centred = np.where(constant, 0.0, np.ldexp(array[p].astype(np.float64), down) - shift)
        size = np.maximum(size, np.abs(centred).max(0))
        out[p] = centred
    tiny = (size > 0) & (size < EXTREME[0])
    if double and tiny.any():
        out = np.ldexp(out, np.where(tiny, -np.frexp(size)[1], 0))
    return torch.from_numpy(out)


def matrix(name: str, value: Any, n: int | None = None) -> NDArray[Any]:
    """Numbers ``[n, d]`` in the type they came in."""
    array = real_array(name, value)
    if array.ndim != 2 or array.shape[1] == 0:
        raise ImprintError(f"{name} has shape {array.shape}; expected two axes, rows by units [n, d].")
    if not len(array):
        raise ImprintError(f"{name} has no rows; expected at least one.")
    if n is not None and len(array) != n:
        raise ImprintError(
            f"{name} has {len(array)} rows but concepts has {n}; each row must describe the same sample."
        )
    return array


def masked_rows(value: Any) -> NDArray[np.bool_] | None:
    """``[n]`` rows of a masked array that are masked as a whole; None where rows are masked in part, or none are."""
    if isinstance(value, MaskedTensor):
        value = np.ma.masked_array(np.zeros(value.shape), mask=~value.get_mask().detach().cpu().numpy())
    if not np.ma.isMaskedArray(value) or value.ndim < 1 or not np.ma.getmaskarray(value).any():
        return None
    hidden = np.ma.getmaskarray(value).reshape(len(value), -1)
    whole = np.asarray(hidden.all(1))
    return whole if bool((hidden.any(1) == whole).all()) else None


def texts(what: str, names: Iterable[Any]) -> list[str]:
    """Names as text. Raises :class:`ImprintError` where two of them would be the same, such as 1 and "1"."""
    written = list(map(str, names))
    if repeated := sorted({name for name in written if written.count(name) > 1}):
        raise ImprintError(f"{what} called {repeated[0]!r} occurs twice; give each its own name.")
    return written


def count_of(name: str, value: Any, *, least: int, most: int | None = None) -> int:
    """A whole number from ``least`` to ``most``. Raises :class:`ImprintError` for fractions, text and truth values."""
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool | np.bool_)
    if not whole or value < least or (most is not None and value > most):
        range_ = f"of at least {least}" if most is None else f"from {least} to {most}"
        raise ImprintError(f"{name} is {value!r}; expected a whole number {range_}.")
    return int(value)


def rate_of(name: str, value: Any) -> float:
    """A number between 0 and 1, both excluded. Raises :class:`ImprintError` for anything else."""
    if not isinstance(value, float | np.floating) or not 0 < value < 1:
        raise ImprintError(f"{name} is {value!r}; expected a rate between 0 and 1.")
    return float(value)
