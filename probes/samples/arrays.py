"""A user's arrays and counts as they enter: converted in one place, refused where a conversion would lose something."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from imprint.models.errors import ImprintError


def real_array(name: str, value: Any) -> NDArray[Any]:
    """An array, tensor or nested list of real numbers as a numpy array of its own type; ``name`` is for errors.

    Raises :class:`ImprintError` for masked entries, complex numbers, text and objects, ragged lists, and tensors that
    are not stored as one dense block.
    """
    if isinstance(value, torch.Tensor):
        value = _dense(name, value)
    if np.ma.isMaskedArray(value):
        if hidden := int(np.ma.getmaskarray(value).sum()):
            raise ImprintError(
                f"{name} is a masked array in which {hidden} of {value.size} entries are masked; expected an array "
                "without missing entries: leave out those rows, or fill the entries with what they are."
            )
        value = value.data
    try:
        array = np.asarray(value)
    except (TypeError, ValueError) as error:
        raise ImprintError(f"{name} is no array of numbers: {error}. Rows must have equal lengths.") from None
    if array.dtype.kind == "c":
        raise ImprintError(
            f"{name} holds complex numbers ({array.dtype}); expected real ones: pass real and imaginary parts as "
            "columns of their own."
        )
    if array.dtype.kind not in "fiub":
        raise ImprintError(f"{name} holds {array.dtype}; expected numbers.")
    return array


def _dense(name: str, value: torch.Tensor) -> NDArray[Any]:
    if value.layout != torch.strided or value.is_nested or value.is_quantized or value.device.type == "meta":
        kind = "nested" if value.is_nested else "quantised" if value.is_quantized else str(value.layout)
        kind = "meta" if value.device.type == "meta" else kind
        raise ImprintError(f"{name} is a tensor stored as {kind}; expected a dense one: convert it with to_dense().")
    value = value.detach().cpu().resolve_conj().resolve_neg()
    return np.asarray((value.float() if value.dtype in (torch.bfloat16, torch.float16) else value).numpy())


def count_of(name: str, value: Any, *, least: int) -> int:
    """A whole number that is at least ``least``. Raises :class:`ImprintError` for fractions, text and truth values."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | np.integer) or value < least:
        raise ImprintError(f"{name} is {value!r}; expected a whole number of at least {least}.")
    return int(value)
