"""A site: where an activation is read, and how it is taken out of what a module returns and put back.

    a tensor                 the site itself
    a tuple or a list        its first item: the sequence of an LSTM or GRU, the attended values of MultiheadAttention,
                             the hidden states of a Hugging Face block
    a mapping                its first value: ``logits`` or ``last_hidden_state`` of a Hugging Face ``ModelOutput``

Only one level is opened. Modules of PyTorch that say ``batch_first=False`` return [time, n, ...]: their first two axes
are swapped, so that rows always come first. What a site gives is at least float32: sums over half precision overflow,
and NumPy has no bfloat16. Edits see the same numbers, and what they return goes back in the module's own type.

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
    """Where an activation is read."""

    name: str
    """As users write it."""
    module: str
    """Sub-module whose output it is."""
    index: int | None = None
    """Position along axis 1, or the whole output."""

    def read(self, output: Tensor) -> Tensor:
        """Activations ``[n, d]`` from the sub-module's output ``[n, ...]``."""
        return self._part(output).reshape(len(output), -1)

    def write(self, output: Tensor, edit: Edit) -> Tensor:
        """The sub-module's output with this site replaced by ``edit`` of it."""
        before = self._part(output)
        after = edit(at_least_float32(before.reshape(len(output), -1)))
        if not isinstance(after, Tensor) or after.shape != (len(output), before[0].numel()):
            got = list(after.shape) if isinstance(after, Tensor) else type(after).__name__
            raise ImprintError(
                f"the edit at {self.name!r} returned {got}; expected {[len(output), before[0].numel()]}."
            )
        after = after.to(output.dtype).reshape(before.shape)
        if self.index is None:
            return after
        edited = output.clone()
        edited[:, self.index] = after
        return edited

    def _part(self, output: Tensor) -> Tensor:
        if self.index is None:
            return output
        if output.dim() < 3 or not -output.shape[1] <= self.index < output.shape[1]:
            raise ImprintError(
                f"site {self.name!r} asks for position {self.index} along axis 1, but {self.module!r} gives "
                f"{list(output.shape)}; expected three axes or more and a position it has."
            )
        return output[:, self.index]


def at_least_float32(value: Tensor) -> Tensor:
    """Half precision as float32, anything else as it is."""
    return value.float() if value.dtype in (torch.float16, torch.bfloat16) else value


def rows_first(module: nn.Module, output: Any) -> Any:
    """The tensor ``[n, ...]`` that a site of this module reads from its output; what is there when it is no tensor."""
    first = _first(output)
    return first.transpose(0, 1) if _time_first(module, first) else first


def put_back(module: nn.Module, output: Any, changed: Tensor) -> Any:
    """The module's output with ``changed`` ``[n, ...]`` in the place that :func:`rows_first` reads."""
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
    """Raise for NaN or infinite activations ``[n, d]``: one cheap sum, a closer look only when that is not finite."""
    if math.isfinite(float(at_least_float32(value.detach()).sum())):
        return
    bad = ~torch.isfinite(value).all(1)
    if bool(bad.any()):
        raise ImprintError(
            f"activations at {name!r} hold NaN or infinite values in {int(bad.sum())} of {len(value)} rows."
        )


def copied(_name: str, value: Tensor) -> Tensor:
    """A copy on the CPU, at least float32."""
    return value.to("cpu", _precision(value), copy=True)


def room(rows: int, like: Tensor) -> Tensor:
    """Space for ``[rows, d]``; NumPy asks for huge pages, which makes touching it the first time twice as fast."""
    return torch.from_numpy(np.empty((rows, like.shape[1]), str(_precision(like))[6:]))


def _precision(value: Tensor) -> torch.dtype:
    return torch.float64 if value.dtype == torch.float64 else torch.float32


def _first(output: Any) -> Any:
    if isinstance(output, Tensor):
        return output
    if isinstance(output, tuple | list):
        return output[0] if len(output) else output
    if isinstance(output, Mapping):
        return next(iter(output.values()), output)
    return output


def _time_first(module: nn.Module, output: Any) -> bool:
    """Whether the module's sequences come as ``[time, n, ...]``."""
    return isinstance(output, Tensor) and output.dim() >= 3 and getattr(module, "batch_first", None) is False
