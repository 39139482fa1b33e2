"""Positions: which part of a sequence or of a map a site reads, and how an edit of it is written back.

    @3, @-1        position 3, or the last, along axis 1 of an output with three axes or more
    @first, @last  the same as @0 and @-1
    @mean, @max    of a sequence ``[n, time, ...]`` over time; of a convolution's maps ``[n, channels, height, width]``
                   over space, which leaves one number per channel

Under a mask ``[n, time]`` only the real positions of each row exist: ``@0`` and ``@first`` are the first real one,
``@-1`` and ``@last`` the last real one, ``@mean`` and ``@max`` are over the real ones.

A *map* is an output with four axes or more (hook points of TransformerLens, ``[n, time, heads, width]``, and outputs
with as many positions as the mask are sequences), or what a one-dimensional convolution, pooling, padding or
normalisation over channels gives. What an activation function or dropout gives in an ``nn.Sequential`` is what the
module before it gives; what a sequential container gives is what its last module gives.

Letters: n observations, T positions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeGuard

import torch
from torch import Tensor, nn
from torch.nn.modules import activation, padding
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd
from torch.nn.modules.dropout import _DropoutNd
from torch.nn.modules.pooling import _AdaptiveAvgPoolNd, _AdaptiveMaxPoolNd, _AvgPoolNd, _MaxPoolNd

from imprint.models.errors import ImprintError

Position = int | str
WORDS = ("first", "last", "mean", "max")
"""Positions by name."""
POOLED = ("mean", "max")
"""Those that are made of several."""
MAPS: tuple[type[nn.Module], ...] = (
    _ConvNd,
    _NormBase,
    _AvgPoolNd,
    _MaxPoolNd,
    _AdaptiveAvgPoolNd,
    _AdaptiveMaxPoolNd,
    nn.GroupNorm,
    nn.Upsample,
)
MAPS += tuple(getattr(padding, name) for name in padding.__all__)
"""Modules whose outputs have their channels on axis 1."""
AS_BEFORE: tuple[type[nn.Module], ...] = (
    _DropoutNd,
    nn.Identity,
    *(getattr(activation, name) for name in activation.__all__),
)
"""Modules whose outputs have the axes of what they are given; attention is among them, and keeps them, too."""


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


def laid_out_by(modules: Mapping[str, nn.Module], name: str, root: str) -> nn.Module:
    """The module whose kind says where the channels of the output of ``name`` stand; ``root``: name of the model."""
    module = modules[name]
    while True:
        if _in_order(module) and len(module):
            inner, module = list(module.named_children())[-1]
            name = inner if name == root else f"{name}.{inner}"
            continue
        above, _, key = name.rpartition(".")
        container = modules.get(above or root)
        if not isinstance(module, AS_BEFORE) or not _in_order(container):
            return module
        keys = [child for child, _ in container.named_children()]
        if key not in keys[1:]:
            return module
        before = keys[keys.index(key) - 1]
        name = f"{above}.{before}" if above else before
        module = modules[name]


def _in_order(module: nn.Module | None) -> TypeGuard[nn.Sequential]:
    """Whether its modules run one after another: a kind of ``nn.Sequential`` may do something else."""
    return isinstance(module, nn.Sequential) and type(module).forward is nn.Sequential.forward


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
