"""Reading concepts from activations that do not fit in memory: two passes over a stream of batches.

A *stream* is anything that can be iterated over more than once and gives the same batches each time, each a mapping
``{site: activations [b, D]}`` whose rows follow the rows of the concepts, for example an
:class:`imprint.probes.subjects.stored.ActivationStore`. The first pass gathers moments at every site at once, the
second reads every row with the probe of its fold and keeps only sums. Memory grows with sites x D^2 and not with rows.
The scores are those of :func:`imprint.analyses.locate.reading.read`; areas under the curve, which need all rows sorted,
are not measured, and how noisy readings are is estimated from the first batch.

Letters: b rows of a batch, D width.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from imprint.analyses.locate.reading import Reading, Target, noise_of, reading_of, readings_of, sums_of
from imprint.models.errors import ImprintError
from imprint.probes.fitting.moments import Moments
from imprint.probes.readouts.base import Columns, FromMoments, Readout
from imprint.probes.samples.controls import Ints

Stream = Iterable[Mapping[str, Tensor]]


def read_stream(
    stream: Stream, targets: Sequence[Target], fold: Ints, groups: Ints, readout: Readout
) -> dict[str, list[Reading]]:
    """Readings of all targets at every site of a stream.

    Raises :class:`ImprintError` when the passes differ, when rows are missing, or for a readout that needs all rows.
    """
    if not isinstance(readout, FromMoments):
        raise ImprintError(
            f"{type(readout).__name__} looks at all rows at once; choose a readout that follows from moments."
        )
    fold_t, folds = torch.from_numpy(fold), int(fold.max()) + 1
    moments: dict[str, Moments] = {}
    for rows, batch in _batches(stream, len(fold)):
        columns = torch.cat([t.columns(rows) for t in targets], dim=1)
        for site, x in batch.items():
            if site not in moments:
                moments[site] = Moments(x.shape[1], columns.shape[1], folds)
            moments[site].add(x, columns, fold_t[rows])
    layout = Columns.joined([t.layout() for t in targets])
    probes = {site: readout.solve(m, layout, range(folds)) for site, m in moments.items()}
    sums: dict[tuple[str, int], tuple[Tensor, Tensor]] = {}
    noise: dict[tuple[str, int], float] = {}
    size = int(groups.max()) + 1
    for rows, batch in _batches(stream, len(fold)):
        if batch.keys() != moments.keys():
            raise ImprintError("the second pass over the stream held other sites than the first; it must not change.")
        for site, x in batch.items():
            for i, readings in enumerate(readings_of(x, targets, fold_t[rows], probes[site])):
                more = sums_of(readings, targets[i], rows, groups, size)
                seen = sums.get((site, i))
                noise.setdefault((site, i), noise_of(readings, targets[i], rows))
                sums[site, i] = more if seen is None else (seen[0] + more[0], seen[1] + more[1])
    return {site: [reading_of(t, *sums[site, i], noise[site, i]) for i, t in enumerate(targets)] for site in moments}


def _batches(stream: Stream, n: int) -> Iterable[tuple[slice, dict[str, Tensor]]]:
    """Batches with the rows they are, checked."""
    start = 0
    sites: set[str] | None = None
    for batch in stream:
        sizes = {len(x) for x in batch.values()}
        sites = sites or set(batch)
        if len(sizes) != 1 or set(batch) != sites:
            raise ImprintError(
                f"a batch holds {sorted(sizes)} rows at {sorted(batch)}; expected the same rows at {sorted(sites)}."
            )
        rows = slice(start, start + sizes.pop())
        start = rows.stop
        if start > n:
            raise ImprintError(
                f"the stream holds more rows than concepts has ({n}); each row must describe the same sample."
            )
        yield rows, {site: _checked(site, x) for site, x in batch.items()}
    if start != n:
        raise ImprintError(
            f"the stream held {start} rows but concepts has {n}; each row must describe the same sample, "
            "and a stream must be iterable more than once (a generator is not)."
        )


def _checked(site: str, x: Tensor | np.ndarray) -> Tensor:
    tensor = torch.as_tensor(x)
    if tensor.dim() != 2:
        raise ImprintError(f"the stream gives {list(tensor.shape)} at {site!r}; expected [b, d].")
    return tensor
