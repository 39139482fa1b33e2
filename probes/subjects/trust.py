"""Trust before the first answer: is what a model gives a function of the observation alone?

``eval()`` does not reach every source of chance or memory: ``F.dropout(x)`` without ``training=``, a state that one
call leaves for the next, statistics over the rows of a batch. A few rows are therefore run

    again              as they are, with other rows in between
    among other rows   together with as many others, and without them
    in another order   reversed

and a model that answers differently is refused. Equal rows run twice may differ by rounding alone, eps^(3/4) of the
largest value; other batches may be multiplied in another order and precision, so that a hundredth of it is allowed.

And what does its value depend on? :func:`connected` adds zeros that want a gradient to an activation and looks for them
in the graph of the value: an edit of what the value is not computed from would change nothing, and look like evidence.

Letters: n observations.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import disable_saved_tensors_hooks

from imprint.models.errors import ImprintError
from imprint.probes.subjects.passes import Batch

ROWS = 8
"""Rows that are tried."""
RECOMPUTED = (
    "this model recomputes activations on the way back (torch.utils.checkpoint), where an edit no longer acts; turn "
    "that off"
)
OTHERWISE = 1e-2
"""Part of the largest value by which rows may differ in other company or another order."""


def require_function(run: Callable[[Batch], Any], batch: Batch, what: str) -> bool:
    """Raise :class:`ImprintError` unless ``run`` gives the same for the same rows, however often asked.

    ``what`` names what runs, for errors. Returns whether it changes the observation in place.
    """
    rows = batch.part(slice(0, ROWS))
    half, length = len(rows) // 2, len(rows)
    devices = [rows.observation.device] if rows.observation.device.type == "cuda" else []
    with torch.no_grad(), torch.random.fork_rng(devices=devices):
        given = rows.copy()
        first = _outputs(run(given), length)
        same = (given.observation == rows.observation) | (rows.observation != rows.observation)
        if half:
            apart = _outputs(run(rows.part(slice(0, half)).copy()), half)
            turned = [out.flip(0) for out in _outputs(run(rows.part(torch.arange(length - 1, -1, -1))), length)]
        again = _outputs(run(rows.copy()), length)
    _compare(first, again, what, "run twice", exact=True)
    if half:
        _compare([out[:half] for out in first], apart, what, "without other rows beside them")
        _compare(first, turned, what, "in another order")
    return not bool(same.all())


def in_words(error: Exception) -> str:
    """Kind and first line of an error of somebody's code."""
    first = str(error).strip().partition("\n")[0].rstrip(".")
    return f"{type(error).__name__}: {first}" if first else type(error).__name__


@contextmanager
def differentiable(*, edited: bool) -> Iterator[None]:
    """For a pass whose gradient will be taken: raises :class:`ImprintError` for a model that cannot do that.

    ``edited``: whether activations are changed, which a model that runs its modules again on the way back would miss.
    """
    hooks = disable_saved_tensors_hooks(RECOMPUTED) if edited and torch.is_grad_enabled() else nullcontext()
    try:
        with hooks:
            yield
    except ImprintError:
        raise
    except Exception as error:
        raise ImprintError(f"the value cannot be computed with a gradient: {in_words(error)}.") from error


def _compare(first: list[Tensor], second: list[Tensor], what: str, how: str, *, exact: bool = False) -> None:
    for one, other in zip(first, second, strict=False):
        if one.shape != other.shape or not one.numel():
            continue
        a, b = one.double(), other.double()
        same = (a == b) | (a.isnan() & b.isnan())
        largest = float(a[a.isfinite()].abs().max()) if bool(a.isfinite().any()) else 0.0
        kind = one.dtype if one.is_floating_point() else torch.float32
        eps = torch.finfo(kind).eps
        part = eps**0.75 if exact else max(OTHERWISE, 16 * eps)
        gap = (a - b).abs().masked_fill(same, 0.0).nan_to_num(torch.inf)
        if float(gap.max()) > part * largest:
            why = "depends on chance or on earlier calls" if exact else "depends on the other rows of a batch"
            raise ImprintError(
                f"{what} of the same observations differs by {float(gap.max()):.3g} when they are {how}, so it {why} "
                "and is no function of the observation. Look for dropout without training=, state kept between calls, "
                "and statistics over the batch."
            )


def _outputs(out: Any, rows: int) -> list[Tensor]:
    """Every float tensor of an output that has one row per observation."""
    return [leaf.detach().clone() for leaf in tensors_in(out) if leaf.dim() and len(leaf) == rows]


def tensors_in(out: Any) -> Iterator[Tensor]:
    """Every dense tensor of numbers in an output, whatever holds it."""
    if isinstance(out, Tensor):
        if not out.is_nested and out.layout == torch.strided and not out.is_complex():
            yield out
    elif isinstance(out, Mapping):
        for value in out.values():
            yield from tensors_in(value)
    elif isinstance(out, tuple | list):
        for value in out:
            yield from tensors_in(value)
    elif dataclasses.is_dataclass(out) and not isinstance(out, type):
        for entry in dataclasses.fields(out):
            yield from tensors_in(getattr(out, entry.name, None))


def connected(out: Any, added: Mapping[str, list[Tensor]]) -> set[str]:
    """Names of the ``added`` leaves that an output was computed from, found in its graph."""
    waiting = [leaf.grad_fn for leaf in tensors_in(out) if leaf.grad_fn is not None]
    names = {id(leaf): name for name, leaves in added.items() for leaf in leaves}
    seen: set[Any] = set(waiting)
    found: set[str] = set()
    while waiting:
        node = waiting.pop()
        variable = getattr(node, "variable", None)
        if id(variable) in names:
            found.add(names[id(variable)])
        for after, _ in node.next_functions:
            if after is not None and after not in seen:
                seen.add(after)
                waiting.append(after)
    return found
