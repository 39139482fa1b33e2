"""Observations as a user passes them (one tensor, or any iterable of tensors, read lazily), split into batches.

Tuples and dicts are refused, with advice, because a model of several inputs has no single observation to vary.

Letters: n observations, b of them in one batch.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from imprint.models.errors import ImprintError

Observations = Any
"""A tensor ``[n, ...]``, or any number of batches ``[b, ...]``; of a policy also an array, or name -> array."""


def batches_of(observation: Any, size: int) -> Iterator[Tensor]:
    """Batches of at most ``size`` rows of :data:`Observations`. Raises :class:`ImprintError` for anything else."""
    if size < 1:
        raise ImprintError(f"batch_size is {size}; expected at least 1.")
    tensors = [observation] if isinstance(observation, Tensor) else observation
    single = isinstance(tensors, Mapping | tuple | str) or hasattr(tensors, "__array__")
    if single or not isinstance(tensors, Iterable):
        raise _refused(observation)
    batches = (batch for tensor in tensors for batch in _checked(tensor).split(size))
    first = next(batches, None)
    if first is None:
        raise ImprintError("the observations are empty; expected at least one batch with at least one row.")
    return itertools.chain([first], batches)


def as_tensor(value: Any) -> Any:
    """A value that was computed outside torch (NumPy, JAX, a list of numbers) as a tensor, else what it is."""
    if isinstance(value, list) and value and all(isinstance(one, Tensor) and not one.dim() for one in value):
        return torch.stack(value)
    numbers = isinstance(value, list) and all(isinstance(one, int | float | np.number) for one in value)
    if isinstance(value, Tensor) or not (numbers or hasattr(value, "__array__")):
        return value
    array = np.asarray(value)
    return torch.as_tensor(array) if array.dtype.kind in "fiub" else value


def _checked(batch: Any) -> Tensor:
    if not isinstance(batch, Tensor):
        raise _refused(batch)
    if batch.dim() < 1 or len(batch) < 1:
        raise ImprintError(f"the observation is {list(batch.shape)}; expected a tensor [n, ...] with at least one row.")
    return batch


def _refused(got: Any) -> ImprintError:
    kind = type(got).__name__
    if hasattr(got, "__array__"):
        return ImprintError(f"the observation is a {kind}; expected a tensor [n, ...]: pass torch.as_tensor(it).")
    return ImprintError(
        f"the observation is a {kind}; expected one tensor [n, ...], or an iterable of such batches. From a loader of "
        "pairs pass (x for x, _ in loader). A model of several inputs is examined through a module of your own whose "
        "forward takes one tensor and passes its parts on."
    )
