"""What ``locate`` will take, from shapes alone: operations and memory, before anything is converted or allocated.

Letters: n rows, D width, Q target columns with shuffles, L label columns, K folds, P penalties.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from imprint.models.progress import Cost
from imprint.probes.fitting.least_squares import PENALTIES
from imprint.probes.fitting.out_of_fold import wide
from imprint.probes.readouts.base import FromMoments, Penalised, Readout

BLOCK_BYTES = 2**26
"""Readings of one block of concepts need at most this many bytes, or as many as the activations."""
FOLLOWING = 600.0
"""Operations that a reading costs after it was read, in units of a matrix product: shuffling, comparing, counting."""
PER_READING = 12
"""Bytes that a reading needs while its block is scored: itself, its target, and what it is compared with."""
MOST_BYTES = 2**29
"""Moments of several sites of a stream are gathered together when they need at most this many bytes."""
WORKING = 2.0
"""Times the bytes of its moments that a site of a stream needs while they are solved."""
ADVICE = (
    "Give fewer sites at once, fewer units of each (principal components, or one position), or activations on disk "
    "(imprint.probes.subjects.stored.write), which are read in batches."
)


def cost_of(
    shapes: Mapping[str, tuple[int, ...]],
    concepts: pd.DataFrame,
    readout: Readout,
    *,
    nulls: int,
    folds: int,
    twins: int = 0,
    stream: Any = None,
) -> Cost:
    """The cost of reading ``concepts`` at sites of these ``shapes`` ``[n, D]``, and in that many ``twins``.

    ``stream``: where the activations come from in batches, if they do; then no rows are kept.
    """
    labels = sum(_columns(concepts.iloc[:, i]) for i in range(concepts.shape[1]))
    operations, largest = 0.0, 0.0
    for n, width in (shape for shape in shapes.values() if len(shape) == 2):
        columns = labels * (1 + nulls)
        operations += _operations(n, width, columns, labels, folds)
        operations += twins * _operations(n, width, labels, labels, folds)
        largest = max(largest, _memory(n, width, folds, readout))
    if stream is not None:
        each = [moments_bytes(shape[1], folds) for shape in shapes.values() if len(shape) == 2]
        together = min(sum(each), float(MOST_BYTES)) if hasattr(stream, "only") else sum(each)
        largest = max([together, *each])
    rows = max((shape[0] for shape in shapes.values() if shape), default=0)
    return Cost(operations, largest + rows * labels * (1.0 + nulls))


def _operations(n: int, width: int, columns: int, labels: int, folds: int) -> float:
    """Multiplications and additions of one site; those in float64 count twice."""
    pairs, penalties = folds * (folds - 1) / 2, len(PENALTIES)
    read = 2.0 * n * width * columns + FOLLOWING * n * columns
    if not wide(n, width, folds):
        moments = n * width * (width + 2.0 * labels + 2.0 * columns)
        return moments + (pairs * penalties + folds) * width**3 + read
    inner, outer = n * max(folds - 2, 1) / folds, n * (folds - 1) / folds
    small, large = min(inner, width), min(outer, width)
    choosing = pairs * (inner * small * width + penalties * small**3)
    return choosing + folds * (outer * large * width + large**3) + read


def _memory(n: int, width: int, folds: int, readout: Readout) -> float:
    """Bytes that reading one site needs beyond its activations."""
    rows = 4.0 * n * width
    block = 2 * max(float(BLOCK_BYTES), rows)
    if not isinstance(readout, FromMoments):
        return 3 * rows
    if isinstance(readout, Penalised) and wide(n, width, folds):
        return 2 * rows + 24.0 * min(n, width) ** 2
    return block + (24.0 * folds * width**2 if readout.needs_products else 0.0)


def moments_bytes(width: int, folds: int) -> float:
    """Bytes that the moments of one site of a stream need, while they are solved."""
    return 8.0 * folds * width**2 * WORKING


def _columns(labels: pd.Series) -> int:
    """Label columns of a concept: one for numbers and two classes, else one per class."""
    if pd.api.types.is_float_dtype(labels) or pd.api.types.is_bool_dtype(labels):
        return 1
    try:
        count = int(labels.nunique())
    except TypeError:  # labels that cannot be compared are refused later, by name
        return 1
    return 1 if count <= 2 else count


def shapes_of(activations: Any, n: int) -> dict[str, tuple[int, ...]]:
    """Site -> ``[n, D]``, of those whose shape is known without a conversion; of a stream, from its first batch."""
    if not isinstance(activations, Mapping):
        try:
            first = dict(next(iter(activations), {}))
        except (TypeError, ValueError):  # no stream either; refused by name later
            return {}
        return {str(site): (n, int(x.shape[1])) for site, x in first.items() if len(getattr(x, "shape", ())) == 2}
    known = {str(site): _shape(value) for site, value in activations.items()}
    return {site: (int(s[0]), int(np.prod(s[1:]))) for site, s in known.items() if len(s) >= 2}


def least_memory(activations: Any) -> float:
    """Bytes that cannot be done without: what conversion to float32 makes anew, and a copy of the largest site."""
    if not isinstance(activations, Mapping):
        return 0.0
    sizes = [float(np.prod(_shape(value) or (0,))) for value in activations.values()]
    types = [str(getattr(value, "dtype", "")) for value in activations.values()]
    known = list(zip(sizes, types, strict=True))
    converted = sum(size for size, dtype in known if dtype not in ("float32", "torch.float32"))
    return 4 * (converted + max((size for size, _ in known), default=0.0))


def _shape(value: Any) -> tuple[int, ...]:
    """Shape of an array; empty where it has none, as a nested tensor."""
    return () if getattr(value, "is_nested", False) else tuple(getattr(value, "shape", ()))


def twins_in(untrained: Any) -> int:
    """How many randomly initialised twins there are at most."""
    if isinstance(untrained, Mapping):
        several = (isinstance(v, list | tuple) or len(getattr(v, "shape", ())) == 3 for v in untrained.values())
        counts = [len(v) if many else 1 for v, many in zip(untrained.values(), several, strict=True)]
        return max(counts, default=0)
    return len(untrained) if isinstance(untrained, list | tuple) else 0


def blocks_of(sizes: Sequence[int], most: int) -> Iterator[list[int]]:
    """Numbers of neighbouring items whose sizes add up to at most ``most``, or of one that is larger."""
    block: list[int] = []
    filled = 0
    for i, size in enumerate(sizes):
        if block and filled + size > most:
            yield block
            block, filled = [], 0
        block, filled = [*block, i], filled + size
    if block:
        yield block
