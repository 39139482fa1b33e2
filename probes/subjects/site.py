"""A site: where an activation is read, how it is taken from a module's output, and how it is written back.

    a tensor                 the site itself
    a tuple or a list        its first item: the sequence of an LSTM or GRU, the attended values of MultiheadAttention,
                             the hidden states of a Hugging Face block
    a mapping                its first value: ``logits`` or ``last_hidden_state`` of a Hugging Face ``ModelOutput``

Nested containers are not opened. The first two axes of PyTorch modules with ``batch_first=False``, which return
[time, n, ...], are swapped, so that rows always come first. Activations are read in float32 or better, since sums over
half precision overflow and NumPy has no bfloat16. Edits receive the same numbers, and their result is converted to the
type of the module's output.

Letters: n observations, d width of a site.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from imprint.models.errors import ImprintError

Edit = Callable[[Tensor], Tensor]
"""``activations [n, d] -> [n, d]``."""


@dataclass(frozen=True)
class Site:
    """A place where an activation is read."""

    name: str
    """As users write it."""
    module: str
    """Name of the sub-module whose output is read."""
    index: int | None = None
    """Position along axis 1; None: the whole output."""

    def read(self, output: Tensor) -> Tensor:
        """Activations ``[n, d]`` from the sub-module's output ``[n, ...]``."""
        return self._part(output).reshape(len(output), -1)

    def write(self, output: Tensor, edit: Edit) -> Tensor:
        """The sub-module's output with the activations of this site replaced by ``edit`` of them."""
        before = self._part(output)
        after = edit(at_least_float32(before.reshape(len(output), -1)))
        if not isinstance(after, Tensor) or after.shape != (len(output), before[0].numel()):
            got = list(after.shape) if isinstance(after, Tensor) else type(after).__name__
            raise ImprintError(f"the edit at {self.name!r} gave {got}; expected {[len(output), before[0].numel()]}.")
        after = after.to(output.dtype).reshape(before.shape)
        if self.index is None:
            return after
        edited = output.clone()
        edited[:, self.index] = after
        return edited

    def _part(self, output: Tensor) -> Tensor:
        """The part of the output that this site reads."""
        if self.index is None:
            return output
        if output.dim() < 3 or not -output.shape[1] <= self.index < output.shape[1]:
            raise ImprintError(
                f"site {self.name!r} asks for position {self.index} along axis 1, but {self.module!r} gives "
                f"{list(output.shape)}; expected three axes or more and a position it has."
            )
        return output[:, self.index]


def at_least_float32(value: Tensor) -> Tensor:
    """``value`` in float32 when it has half precision, otherwise unchanged."""
    return value.float() if value.dtype in (torch.float16, torch.bfloat16) else value


def rows_first(module: nn.Module, output: Any) -> Any:
    """The tensor ``[n, ...]`` of the module's output that sites read, or whatever is in its place."""
    first = _first(output)
    return first.transpose(0, 1) if _time_first(module, first) else first


def put_back(module: nn.Module, output: Any, changed: Tensor) -> Any:
    """The module's output with ``changed`` ``[n, ...]`` in place of the tensor that :func:`rows_first` returns."""
    changed = changed.transpose(0, 1) if _time_first(module, changed) else changed
    if isinstance(output, tuple | list):
        items = [changed, *output[1:]]
        return type(output)(*items) if hasattr(output, "_fields") else type(output)(items)
    if isinstance(output, Mapping):
        edited = cast("dict[Any, Any]", copy.copy(output))
        edited[next(iter(edited))] = changed
        return edited
    return changed


def readable(tensor: Any, rows: int) -> bool:
    """Whether this is a float tensor with one row per observation."""
    return isinstance(tensor, Tensor) and tensor.is_floating_point() and tensor.dim() >= 1 and len(tensor) == rows


def require_readable(site: Site, tensor: Any, rows: int) -> None:
    """Raise unless the module gave a float tensor with one row per observation."""
    if not readable(tensor, rows):
        got = f"{str(tensor.dtype)[6:]} {list(tensor.shape)}" if isinstance(tensor, Tensor) else type(tensor).__name__
        raise ImprintError(
            f"module {site.module!r} gives {got} for {rows} observations; expected a float tensor [{rows}, ...], alone "
            "or first in a tuple. Modules that put time before rows need batch_first=True."
        )


def require_finite(name: str, value: Tensor) -> None:
    """Raise for NaN or infinite activations ``[n, d]``."""
    if math.isfinite(float(at_least_float32(value.detach()).sum())):  # much cheaper than looking at every element
        return
    bad = ~torch.isfinite(value).all(1)
    if bool(bad.any()):
        raise ImprintError(f"activations at {name!r} are NaN or infinite in {int(bad.sum())} of {len(value)} rows.")


def copied(_name: str, value: Tensor) -> Tensor:
    """A copy on the CPU, at least float32."""
    return value.to("cpu", _precision(value), copy=True)


def empty_rows(rows: int, like: Tensor) -> Tensor:
    """An uninitialised tensor ``[rows, d]``; NumPy's huge pages make writing to it twice as fast."""
    return torch.from_numpy(np.empty((rows, like.shape[1]), str(_precision(like))[6:]))


def _precision(value: Tensor) -> torch.dtype:
    """Type in which activations are kept."""
    return torch.float64 if value.dtype == torch.float64 else torch.float32


def _first(output: Any) -> Any:
    """The first item of a container; anything else unchanged."""
    if isinstance(output, Tensor):
        return output
    if isinstance(output, tuple | list):
        return output[0] if len(output) else output
    if isinstance(output, Mapping):
        return next(iter(output.values()), output)
    return output


def _time_first(module: nn.Module, output: Any) -> bool:
    """Whether the module returns sequences as ``[time, n, ...]``."""
    return isinstance(output, Tensor) and output.dim() >= 3 and getattr(module, "batch_first", None) is False
