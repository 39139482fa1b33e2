"""Positions: which part of a sequence or of a map a site reads, and how an edit of it is written back.

    @3, @-1        position 3, or the last, along axis 1 of an output with three axes or more
    @first, @last  the same as @0 and @-1
    @mean, @max    of a sequence ``[n, time, ...]`` over time; of a convolution's maps ``[n, channels, height, width]``
                   over space, which leaves one number per channel

Under a mask ``[n, time]`` only the real positions of each row exist: ``@0`` and ``@first`` are the first real one,
``@-1`` and ``@last`` the last real one, ``@mean`` and ``@max`` are over the real ones.

A *map* is an output with four axes or more (hook points of TransformerLens, ``[n, time, heads, width]``, and outputs
with as many positions as the mask are sequences), or what a one-dimensional convolution, pooling or batch normalisation
gives.

Letters: n observations, T positions.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd
from torch.nn.modules.pooling import _AdaptiveAvgPoolNd, _AdaptiveMaxPoolNd, _AvgPoolNd, _MaxPoolNd

from imprint.models.errors import ImprintError

Position = int | str
WORDS = ("first", "last", "mean", "max")
"""Positions by name."""
POOLED = ("mean", "max")
"""Those that are made of several."""
MAPS = (_ConvNd, _NormBase, _AvgPoolNd, _MaxPoolNd, _AdaptiveAvgPoolNd, _AdaptiveMaxPoolNd)
"""Modules whose outputs have their channels on axis 1."""


def number_of(position: Position) -> int | None:
    """The position as an index, negative from the end; None for one that is made of several."""
    return {"first": 0, "last": -1}.get(position) if isinstance(position, str) else position


def mask_of(mask: Any, rows: int) -> Tensor:
    """A mask as bool ``[n, T]``: true where a position is real.

    Raises :class:`ImprintError` for other shapes, numbers besides 0 and 1, and rows without a real position.
    """
    try:
        tensor = torch.as_tensor(mask)
    except (TypeError, ValueError, RuntimeError):
        raise ImprintError(f"the mask is a {type(mask).__name__}; expected bool [n, positions].") from None
    if tensor.dim() != 2 or len(tensor) != rows:
        raise ImprintError(
            f"the mask is {list(tensor.shape)} for {rows} observations; expected [{rows}, positions], true where a "
            "position is real. For observations that change, pass mask as a function of them."
        )
    if not bool(((tensor == 0) | (tensor == 1)).all()):
        raise ImprintError("the mask holds numbers besides 0 and 1; expected true where a position is real.")
    real = tensor.bool()
    if not bool(real.any(1).all()):
        row = int((~real.any(1)).nonzero()[0])
        raise ImprintError(f"the mask has no real position in row {row}; leave out such rows.")
    return real


def nth_real(mask: Tensor, number: int) -> Tensor:
    """Index ``[n]`` of the real position that comes ``number``-th in each row, negative from the end."""
    counts = mask.sum(1)
    wanted = counts + number if number < 0 else torch.full_like(counts, number)
    if bool(((wanted < 0) | (wanted >= counts)).any()):
        row = int(((wanted < 0) | (wanted >= counts)).nonzero()[0])
        raise ImprintError(f"position {number} was asked for, but row {row} has {int(counts[row])} real positions.")
    return ((mask.cumsum(1) == wanted[:, None] + 1) & mask).int().argmax(1)


def is_map(module: nn.Module | None, output: Tensor, mask: Tensor | None = None) -> bool:
    """Whether an output has its channels on axis 1; see the module docstring."""
    if isinstance(module, MAPS):
        return output.dim() >= 3
    if mask is not None and mask.shape[1] == output.shape[1]:
        return False
    return output.dim() >= 4 and not hasattr(module, "fwd_hooks")


def within(mask: Tensor, length: int, what: str) -> Tensor:
    """The mask cut to ``length`` positions, which must hold all real ones."""
    if mask.shape[1] < length or bool(mask[:, length:].any()):
        raise ImprintError(
            f"the mask has {mask.shape[1]} positions and {what} has {length}; expected as many. Sites without "
            "positions are named without @."
        )
    return mask[:, :length]


def pooled(output: Tensor, position: str, mask: Tensor | None, *, as_map: bool) -> Tensor:
    """Mean or maximum over positions, ``[n, ...]``, or over the space of a map, ``[n, channels]``."""
    precise = output if output.dtype == torch.float64 else output.float()
    if as_map:
        flat = precise.flatten(2)
        return flat.mean(2) if position == "mean" else flat.amax(2)
    if mask is None:
        return precise.mean(1) if position == "mean" else precise.amax(1)
    real = mask.to(output.device).reshape(*mask.shape, *(1,) * (output.dim() - 2))
    if position == "max":
        return precise.masked_fill(~real, -torch.inf).amax(1)
    return precise.masked_fill(~real, 0.0).sum(1) / real.sum(1)


def spread_back(output: Tensor, change: Tensor, mask: Tensor | None, *, as_map: bool) -> Tensor:
    """The output with ``change`` ``[n, ...]`` added to every real position, so that its mean changes by as much."""
    if as_map:
        return output + change.reshape(*change.shape, *(1,) * (output.dim() - 2)).to(output.dtype)
    moved = output + change[:, None].to(output.dtype)
    if mask is None:
        return moved
    return torch.where(mask.to(output.device).reshape(*mask.shape, *(1,) * (output.dim() - 2)), moved, output)
