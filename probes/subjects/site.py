"""A site: where an activation is read, how it is taken from a module's output, and how it is written back.

:mod:`imprint.probes.subjects.items` says which item of an output is read, :mod:`imprint.probes.subjects.positions`
which positions of it. Activations are read in float32 or better, since sums over half precision overflow and NumPy has
no bfloat16. Edits receive the same numbers, and their result is converted to the type of the module's output.

Letters: n observations, d width of a site.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from imprint.models.errors import ImprintError
from imprint.probes.subjects.items import Path, named_outputs, path_of
from imprint.probes.subjects.positions import (
    POOLED,
    WORDS,
    Position,
    is_map,
    nth_real,
    number_of,
    pooled,
    spread_back,
    within,
)

Edit = Callable[[Tensor], Tensor]
"""``activations [n, d] -> [n, d]``."""


@dataclass(frozen=True)
class Site:
    """A place where an activation is read."""

    name: str
    """As users write it."""
    module: str
    """Name of the sub-module whose output is read."""
    index: Position | None = None
    """Position along axis 1, or call of a module that runs several times; None: the whole output."""
    item: Path = ()
    """Which item of the output is read."""
    inner: Position | None = None
    """Position along axis 1 of one call's output."""

    def read(self, output: Tensor, mask: Tensor | None = None, module: nn.Module | None = None) -> Tensor:
        """Activations ``[n, d]`` from an item ``[n, ...]`` of the sub-module's output.

        ``mask``: bool ``[n, T]``, true where a position is real.
        """
        return self._part(output, mask, module).reshape(len(output), -1)

    def write(self, output: Tensor, edit: Edit, mask: Tensor | None = None, module: nn.Module | None = None) -> Tensor:
        """The item of the output with the activations of this site replaced by ``edit`` of them."""
        part = self._part(output, mask, module)
        before = at_least_float32(part.reshape(len(output), -1))
        after = edit(before)
        if not isinstance(after, Tensor) or after.shape != before.shape:
            got = list(after.shape) if isinstance(after, Tensor) else type(after).__name__
            raise ImprintError(f"the edit at {self.name!r} gave {got}; expected {list(before.shape)}.")
        if self.index is None:
            return after.to(output.dtype).reshape(part.shape)
        if self.index == "max":
            raise ImprintError(f"{self.name!r} is a maximum, which can be read but not edited; edit @mean instead.")
        number = number_of(self.index)
        if number is None:
            as_map = is_map(module, output, mask)
            real = None if mask is None or as_map else within(mask, output.shape[1], repr(self.module))
            return spread_back(output, (after - before).reshape(part.shape), real, as_map=as_map)
        edited = output.clone()
        edited[torch.arange(len(output)), self._places(output, number, mask)] = after.to(output.dtype).reshape(
            part.shape
        )
        return edited

    def _part(self, output: Tensor, mask: Tensor | None, module: nn.Module | None) -> Tensor:
        """The part of the output that this site reads."""
        if self.index is None:
            return output
        if output.dim() < 3:
            raise ImprintError(
                f"site {self.name!r} asks for position {self.index} along axis 1, but {self.module!r} gives "
                f"{list(output.shape)}; expected three axes or more and a position it has."
            )
        number = number_of(self.index)
        if number is None:
            as_map = is_map(module, output, mask)
            real = None if mask is None or as_map else within(mask, output.shape[1], repr(self.module))
            return pooled(output, str(self.index), real, as_map=as_map)
        if mask is None:
            return output[:, self._places(output, number, None)]
        return output[torch.arange(len(output)), self._places(output, number, mask)]

    def _places(self, output: Tensor, number: int, mask: Tensor | None) -> Any:
        """Index along axis 1 that is read: the same for all rows, or one per row under a mask."""
        if mask is not None:
            return nth_real(within(mask, output.shape[1], repr(self.module)), number).to(output.device)
        if not -output.shape[1] <= number < output.shape[1]:
            raise ImprintError(
                f"site {self.name!r} asks for position {number} along axis 1, but {self.module!r} gives "
                f"{list(output.shape)}; expected three axes or more and a position it has."
            )
        return number

    @property
    def pooled(self) -> bool:
        """Whether it is made of several positions."""
        return self.index in POOLED


def parse(name: str, modules: Mapping[str, nn.Module]) -> Site | None:
    """The site called ``name``, or None when there is none.

    A name is that of a module, then perhaps an item (``.h``, ``[1]``, ``[key]``), then perhaps a position
    (``@3``, ``@last``), or a call and a position in it (``@3@last``).
    """
    rest, positions = name, list[Position]()
    while rest not in modules and "@" in rest and len(positions) < 2:
        rest, _, text = rest.rpartition("@")
        if text not in WORDS and re.fullmatch(r"-?[0-9]{1,9}", text) is None:
            return None
        positions.insert(0, text if text in WORDS else int(text))
    item: Path = ()
    if rest not in modules:
        base, _, output = rest.rpartition(".")
        indexed = re.fullmatch(r"([^\[\]]+)((?:\[[^\[\]]+\])+)", rest)
        if base in modules and output in named_outputs(modules[base]):
            rest, item = base, named_outputs(modules[base])[output]
        elif indexed and indexed[1] in modules:
            rest, item = indexed[1], path_of(indexed[2])
        else:
            return None
    index, inner = (*positions, None, None)[:2]
    return Site(name, rest, index, item, inner)


def at_least_float32(value: Tensor) -> Tensor:
    """``value`` in float32 when it has half precision, otherwise unchanged."""
    return value.float() if value.dtype in (torch.float16, torch.bfloat16) else value


def readable(tensor: Any, rows: int) -> bool:
    """Whether this is a float tensor with one row per observation."""
    return (
        isinstance(tensor, Tensor)
        and not tensor.is_nested
        and tensor.layout == torch.strided
        and tensor.is_floating_point()
        and tensor.dim() >= 1
        and len(tensor) == rows
    )


def require_readable(site: Site, tensor: Any, rows: int) -> None:
    """Raise unless the module gave a float tensor with one row per observation."""
    if isinstance(tensor, Tensor) and (tensor.is_nested or tensor.layout != torch.strided):
        kind = "nested tensor, whose rows differ in length" if tensor.is_nested else f"tensor stored as {tensor.layout}"
        raise ImprintError(
            f"module {site.module!r} gives a {kind}, so it is no site; choose another module"
            + (" (of nn.TransformerEncoder: enable_nested_tensor=False)." if tensor.is_nested else ".")
        )
    if not readable(tensor, rows):
        got = f"{str(tensor.dtype)[6:]} {list(tensor.shape)}" if isinstance(tensor, Tensor) else type(tensor).__name__
        raise ImprintError(
            f"module {site.module!r} gives {got} for {rows} observations at {site.name!r}; expected a float tensor "
            f"[{rows}, ...], alone or first in a tuple. Modules that put time before rows need batch_first=True."
        )


def require_finite(name: str, value: Tensor) -> None:
    """Raise for NaN or infinite activations ``[n, d]`` on the CPU; looking on an accelerator would wait for it."""
    if value.device.type == "cpu":
        _require_finite(name, value)


def complete(activations: dict[str, Tensor], model: nn.Module) -> dict[str, Tensor]:
    """Activations of all rows, looked at once if the model or they are on an accelerator."""
    if any(tensor.device.type != "cpu" for tensor in (*model.parameters(), *activations.values())):
        for name, value in activations.items():
            _require_finite(name, value)
    return activations


def _require_finite(name: str, value: Tensor) -> None:
    if math.isfinite(float(at_least_float32(value.detach()).sum())):  # much cheaper than looking at every element
        return
    bad = ~torch.isfinite(value).all(1)
    if bool(bad.any()):
        raise ImprintError(f"activations at {name!r} are NaN or infinite in {int(bad.sum())} of {len(value)} rows.")


def device_of(device: Any) -> torch.device:
    """The device that ``device`` names; None: the CPU. Raises :class:`ImprintError` for one that cannot be used."""
    try:
        chosen = torch.device("cpu" if device is None else device)
        torch.empty(0, device=chosen)
    except (RuntimeError, TypeError, AssertionError) as error:
        first = str(error).splitlines()[0]
        raise ImprintError(f"device is {device!r}, which cannot be used: {first} Expected for example 'cpu'.") from None
    return chosen


def copied(_name: str, value: Tensor, device: torch.device | str = "cpu") -> Tensor:
    """A copy on a device, at least float32."""
    return value.to(device, _precision(value), copy=True)


def empty_rows(rows: int, like: Tensor, device: torch.device) -> Tensor:
    """An uninitialised tensor ``[rows, d]``; NumPy's huge pages make writing to it twice as fast on the CPU."""
    if device.type != "cpu":
        return torch.empty(rows, like.shape[1], dtype=_precision(like), device=device)
    return torch.from_numpy(np.empty((rows, like.shape[1]), str(_precision(like))[6:]))


def placed(name: str, into: Tensor, value: Tensor, start: int) -> Tensor:
    """The rows from ``start`` on of ``into`` ``[n, d]``, after ``value`` ``[b, d]`` was copied to them."""
    if into.shape[1] != value.shape[1]:
        raise ImprintError(
            f"site {name!r} gives {value.shape[1]} numbers from row {start} on and {into.shape[1]} before; expected "
            "one width: choose a position, for example @last or @mean."
        )
    return into[start : start + len(value)].copy_(value)


def _precision(value: Tensor) -> torch.dtype:
    """Type in which activations are kept."""
    return torch.float64 if value.dtype == torch.float64 else torch.float32
