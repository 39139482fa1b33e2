"""Observations as a user hands them over, cut into batches: one tensor, or any iterable of tensors, read lazily.

A model of several inputs has no single observation to vary, so tuples and dicts are refused with advice.

Letters: n observations, b of them in one batch.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from torch import Tensor

from imprint.models.errors import ImprintError

Observations = Tensor | Iterable[Tensor]
"""``[n, ...]``, or any number of batches ``[b, ...]``."""


def batches_of(observation: Any, size: int) -> Iterator[Tensor]:
    """Pieces of at most ``size`` rows of :data:`Observations`; :class:`ImprintError` for anything else."""
    if size < 1:
        raise ImprintError(f"batch_size is {size}; expected at least 1.")
    if isinstance(observation, Tensor):
        given: Iterable[Any] = [observation]
    elif isinstance(observation, Mapping | tuple | str) or hasattr(observation, "__array__"):
        raise _refused(observation)
    elif isinstance(observation, Iterable):
        given = observation
    else:
        raise _refused(observation)
    pieces = (piece for batch in given for piece in _rows(batch).split(size))
    first = next(pieces, None)
    if first is None:
        raise ImprintError("the observations are empty; expected at least one batch with at least one row.")
    return itertools.chain([first], pieces)


def _rows(batch: Any) -> Tensor:
    if not isinstance(batch, Tensor):
        raise _refused(batch)
    if batch.dim() < 1 or len(batch) < 1:
        raise ImprintError(f"the observation is {list(batch.shape)}; expected a tensor [n, ...] with at least one row.")
    return batch


def _refused(got: Any) -> ImprintError:
    kind = type(got).__name__
    if hasattr(got, "__array__"):
        return ImprintError(f"the observation is a {kind}; expected a tensor [n, ...]: hand over torch.as_tensor(it).")
    return ImprintError(
        f"the observation is a {kind}; expected one tensor [n, ...], or an iterable of such batches. From a loader of "
        "pairs hand over (x for x, _ in loader). A model of several inputs is examined through a module of your own "
        "whose forward takes one tensor and hands its parts on."
    )
