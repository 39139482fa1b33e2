"""Which sites of a large model to read: a few of its blocks, at one position, instead of every module everywhere.

By default a subject reads every innermost module whole. That is right for small networks. A language model has a
hundred such modules with an activation for every position, so default sites above :data:`LARGEST` are refused, and the
message proposes the sites that :func:`proposed_sites` returns: the outputs of the model's blocks, the stages of its
residual stream, at the last position.

Letters: n observations, T positions, d width of a site.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence

from torch import Tensor, nn

from imprint.models.errors import ImprintError

LARGEST = 16 * 2**20
"""Bytes a row that default sites may have together."""
LARGEST_TOTAL = 2 * 2**30
"""Bytes that default sites of all rows that are held at once may have together."""
MOST = 12
"""Sites that are proposed."""
EACH_END = 8
"""First and last sites that a printed subject shows."""
BYTES = 4
"""Of an activation in float32."""


def blocks_of(model: nn.Module) -> tuple[str, ...]:
    """Names of the model's blocks: the items of its longest ``ModuleList`` or ``Sequential``, else nothing."""
    lists: dict[str, list[str]] = {}
    for name, module in model.named_modules():
        if isinstance(module, nn.ModuleList | nn.Sequential) and len(module) > 1:
            inner = [f"{name}.{key}" if name else key for key, _ in module.named_children()]
            lists[name] = inner
    alike = {name: items for name, items in lists.items() if len({type(model.get_submodule(i)) for i in items}) == 1}
    longest = sorted(alike.values(), key=len, reverse=True)
    return tuple(longest[0]) if longest else ()


def proposal(
    shapes: Mapping[str, Sequence[int]], observation: Tensor, blocks: Iterable[str], last: str = "@-1"
) -> tuple[str, ...]:
    """At most :data:`MOST` sites, evenly spread over the blocks (or all modules).

    ``shapes``: module -> shape of its output. ``last``: how the last position is written. A site is read at one
    position when its output has the positions of the observation ``[n, T]``.
    """
    chosen = [name for name in blocks if name in shapes] or list(shapes)
    step = max(1, -(-len(chosen) // MOST))
    chosen = chosen[::-1][::step][::-1]  # the last block is among them
    sites = []
    for name in chosen:
        sequence = observation.dim() >= 2 and len(shapes[name]) >= 3 and shapes[name][1] == observation.shape[1]
        sites.append(f"{name}{last}" if sequence else name)
    return tuple(sites)


def require_small(shapes: Mapping[str, Sequence[int]], rows: int, propose: Callable[[], Sequence[str]]) -> None:
    """Raise :class:`ImprintError` when default sites of these output shapes are too large for so many rows."""
    size = sum(math.prod(shape[1:]) for shape in shapes.values()) * BYTES
    if size <= LARGEST and size * rows <= LARGEST_TOTAL:
        return
    all_rows = f", {_amount(size * rows)} for {rows:,} rows" if rows > 1 else ""
    raise ImprintError(
        f"the default sites of this model are {len(shapes)} modules, {_amount(size)} of activations a row{all_rows}."
        f" Name the sites to read, for example the outputs of its blocks at one position, sites={list(propose())!r}; "
        "subject.proposed_sites(observation) returns them, subject.sites(observation) all. Without an @ a site is all "
        "positions at once."
    )


def listed(names: Iterable[str]) -> str:
    """The names, or the first and last of many."""
    every = list(names)
    if len(every) <= 2 * EACH_END + 1:
        return ", ".join(every)
    return ", ".join([*every[:EACH_END], f"... {len(every) - 2 * EACH_END} more ...", *every[-EACH_END:]])


def _amount(count: int) -> str:
    """Bytes in words, to three digits."""
    size = float(count)
    for unit in ("bytes", "kB", "MB", "GB", "TB"):
        if size < 1000 or unit == "TB":
            break
        size /= 1000
    return f"{size:.3g} {unit}"
