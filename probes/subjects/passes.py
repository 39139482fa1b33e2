"""One forward pass over one batch: what hooks on a module read, and what they change.

A module that runs several times in one pass (a cell, a shared layer) is a sequence over its calls: its positions count
calls, ``cell@3`` is the fourth, ``cell@last`` the last one (under a mask the last real one of each row), ``cell@mean``
the mean over them; ``cell@3@-1`` is a position in the output of the fourth. Without a position such a module is not one
thing, and is refused.

Letters: n observations, d width of a site.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from imprint.models.errors import ImprintError
from imprint.probes.subjects.items import packed_mask, part, replaced
from imprint.probes.subjects.positions import nth_real, number_of
from imprint.probes.subjects.site import Edit, Site, at_least_float32, require_finite, require_readable

Keep = Callable[[str, Tensor], Tensor]
"""``site name, activations [b, d] -> tensor``: applied to activations as soon as they are computed."""


@dataclass(frozen=True)
class Batch:
    """Observations of one pass."""

    observation: Tensor
    """``[n, ...]``"""
    mask: Tensor | None = None
    """bool ``[n, T]``: which positions are real; None: all are."""

    def __len__(self) -> int:
        return len(self.observation)

    def part(self, rows: slice | Tensor) -> Batch:
        """Some of the rows."""
        return Batch(self.observation[rows], None if self.mask is None else self.mask[rows])

    def copy(self) -> Batch:
        """The same with observations of its own."""
        return Batch(self.observation.clone(), self.mask)


@dataclass(frozen=True)
class OfBatch:
    """A value that is computed of a batch with its mask, not of observations alone."""

    of: Callable[[Batch], Tensor]

    def __call__(self, observation: Tensor) -> Tensor:
        """The value of observations all of whose positions are real."""
        return self.of(Batch(observation))


@dataclass
class Hooked:
    """A module in one pass."""

    name: str
    module: nn.Module
    layout: nn.Module
    """The module whose kind says where channels stand (:func:`imprint.probes.subjects.positions.laid_out_by`)."""
    batch: Batch
    ambiguous: bool
    """Whether modules of this model put time before rows."""
    repeated: bool
    """Whether it is known to run several times."""
    runs: int = 0

    def item(self, site: Site, output: Any) -> Tensor:
        """The item ``[n, ...]`` of an output that a site reads. Raises :class:`ImprintError` unless it can be read."""
        rows = len(self.batch)
        try:
            tensor: Tensor = part(self.module, output, site.item, rows)
        except ImprintError as error:
            raise ImprintError(f"site {site.name!r}: {error}") from None
        require_readable(site, tensor, rows)
        unclear = self.ambiguous and tensor.dim() >= 3 and tensor.shape[1] == rows
        if unclear and not hasattr(self.module, "batch_first"):
            raise ImprintError(
                f"module {self.name!r} gives {list(tensor.shape)} for {rows} observations, and modules of this model "
                "put time before rows: the two axes cannot be told apart. Choose another batch_size."
            )
        return tensor

    def mask(self, site: Site, output: Any) -> Tensor | None:
        """Which positions of an item are real: as the mask says, and without one those that were packed."""
        return packed_mask(output, site.item) if self.batch.mask is None else self.batch.mask


@dataclass
class Reader(Hooked):
    """Reads sites of a module."""

    sites: Sequence[Site] = ()
    keep: Keep = lambda _, value: value
    activations: dict[str, Tensor] = field(default_factory=dict)
    """Site -> activations of a module that runs once."""
    calls: dict[str, _Calls] = field(default_factory=dict)
    """Site -> what is kept of the calls of a module that runs several times."""
    refused: ImprintError | None = None
    """Why a site cannot be read of a module that runs once."""

    def __call__(self, output: Any) -> None:
        """The hook."""
        self.runs += 1
        if self.runs > 1 and not self.repeated:
            return
        for site in self.sites:
            item = self.item(site, output)
            if self.repeated and site.index is not None:
                value = replace(site, index=site.inner).read(item, None, self.layout)
                require_finite(site.name, value)
                self.calls.setdefault(site.name, _Calls(site, self.batch.mask)).add(value)
            else:
                try:
                    value = site.read(item, self.mask(site, output), self.layout)
                except ImprintError as error:  # no position of this output, but perhaps a call
                    self.refused = self.refused or error
                    continue
                require_finite(site.name, value)
                self.activations[site.name] = self.keep(site.name, value)

    def read(self) -> dict[str, Tensor]:
        """Activations of all sites, after the pass. Raises :class:`ImprintError` for a position that is not there."""
        if self.refused is not None:
            raise self.refused
        return self.activations | {name: self.keep(name, calls.result()) for name, calls in self.calls.items()}


class _Calls:
    """What a site keeps of the calls of its module."""

    def __init__(self, site: Site, mask: Tensor | None) -> None:
        self.site, self.mask, self.count = site, mask, 0
        number = number_of(site.index) if site.index is not None else None
        self.number = number
        self.kept: deque[Tensor] = deque(maxlen=-number if number is not None and number < 0 else 1)
        self.chosen = None if mask is None or number is None else nth_real(mask, number)
        self.made: Tensor | None = None

    def add(self, value: Tensor) -> None:
        call, self.count = self.count, self.count + 1
        if self.number is None or self.chosen is not None:
            real = self._real(call).to(value.device)[:, None]
            precise = at_least_float32(value)
            if self.site.index == "max":
                value = precise.masked_fill(~real, -torch.inf)
                self.made = value.clone() if self.made is None else torch.maximum(self.made, value)
            else:
                value = precise.masked_fill(~real, 0.0)
                self.made = value.clone() if self.made is None else self.made + value
        elif self.number < 0 or call == self.number:
            self.kept.append(value.clone())

    def result(self) -> Tensor:
        """Activations ``[n, d]``, after the pass."""
        if self.mask is not None and self.mask.shape[1] != self.count:
            raise ImprintError(
                f"the mask has {self.mask.shape[1]} positions and the module of {self.site.name!r} ran {self.count} "
                "times; expected as many."
            )
        if self.made is not None:
            if self.site.index != "mean":
                return self.made
            counts = self.mask.sum(1) if self.mask is not None else torch.tensor([self.count])
            return self.made / counts.to(self.made.device)[:, None]
        if not self.kept or (self.number is not None and self.number < 0 and len(self.kept) < -self.number):
            raise ImprintError(
                f"site {self.site.name!r} asks for call {self.number}, but the module ran {self.count} times."
            )
        return self.kept[0]

    def _real(self, call: int) -> Tensor:
        """Which rows count at a call, bool ``[n]`` (or ``[1]``)."""
        if self.mask is None:
            return torch.ones(1, dtype=torch.bool)
        if self.chosen is not None:
            return self.chosen == call
        if call >= self.mask.shape[1]:
            return torch.zeros(len(self.mask), dtype=torch.bool)
        return self.mask[:, call]


@dataclass
class Editor(Hooked):
    """Changes sites of a module."""

    edits: Sequence[tuple[Site, Edit]] = ()
    calls: int | None = None
    """How often the module runs, where that is known."""

    def __call__(self, output: Any) -> Any:
        """The hook."""
        call, self.runs = self.runs, self.runs + 1
        for site, edit in self.edits:
            rows = self._rows(site, call)
            if rows is False:
                continue
            item = self.item(site, output)
            one = self.repeated and site.index is not None
            at, mask = (replace(site, index=site.inner), None) if one else (site, self.mask(site, output))
            changed = at.write(item, edit, mask, self.layout)
            if isinstance(rows, Tensor):
                chosen = rows.to(item.device).reshape(-1, *(1,) * (item.dim() - 1))
                changed = torch.where(chosen, changed, item)
            output = replaced(self.module, output, site.item, changed, len(self.batch))
        return output

    def _rows(self, site: Site, call: int) -> Tensor | bool:
        """Whether a site is edited at a call, or in which rows (bool ``[n]``)."""
        if not self.repeated or site.index is None:
            return True
        number = number_of(site.index)
        if number is None:
            raise ImprintError(
                f"{site.name!r} is made of several calls, which can be read but not edited; edit one call, for "
                f"example {self.name}@last."
            )
        if self.batch.mask is not None:
            rows = nth_real(self.batch.mask, number) == call
            return rows if bool(rows.any()) else False
        return call == (number if number >= 0 else number + (self.calls or 0))
