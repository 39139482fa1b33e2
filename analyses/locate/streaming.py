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

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from imprint.analyses.locate.reading import Reading, noise_of, reading_of, readings_of, sums_of
from imprint.analyses.locate.targets import Targets
from imprint.models.errors import ImprintError
from imprint.probes.fitting.moments import Moments
from imprint.probes.readouts.base import Columns, FromMoments

Stream = Iterable[Mapping[str, Tensor]]


def read_stream(stream: Stream, targets: Targets) -> dict[str, dict[str, Reading]]:
    """Site -> concept -> reading, at every site of a stream.

    Raises :class:`ImprintError` when the passes differ, when rows are missing, or for a readout that needs all rows.
    """
    readout, concepts = targets.readout, targets.concepts
    if not isinstance(readout, FromMoments):
        raise ImprintError(
            f"{type(readout).__name__} looks at all rows at once; choose a readout that follows from moments."
        )
    fold, n = torch.from_numpy(targets.fold), len(targets.fold)
    folds, groups = int(targets.fold.max()) + 1, int(targets.groups.max()) + 1
    moments: dict[str, Moments] = {}
    for rows, batch in _batches(stream, n):
        columns = torch.cat([c.columns(rows) for c in concepts], dim=1)
        for site, x in batch.items():
            if site not in moments:
                moments[site] = Moments(x.shape[1], columns.shape[1], folds)
            moments[site].add(x, columns, fold[rows])
    layout = Columns.joined([c.layout() for c in concepts])
    probes = {site: readout.solve(m, layout, range(folds)) for site, m in moments.items()}
    sums: dict[tuple[str, int], tuple[Tensor, Tensor]] = {}
    noise: dict[tuple[str, int], float] = {}
    for rows, batch in _batches(stream, n):
        if batch.keys() != moments.keys():
            raise ImprintError("the second pass over the stream held other sites than the first; it must not change.")
        for site, x in batch.items():
            for i, readings in enumerate(readings_of(x, concepts, fold[rows], probes[site])):
                more = sums_of(readings, concepts[i], rows, targets.groups, size=groups)
                before = sums.get((site, i))
                noise.setdefault((site, i), noise_of(readings, concepts[i], rows))
                sums[site, i] = more if before is None else (before[0] + more[0], before[1] + more[1])
    return {
        site: {c.name: reading_of(c, *sums[site, i], noise=noise[site, i]) for i, c in enumerate(concepts)}
        for site in moments
    }


def _batches(stream: Stream, n: int) -> Iterable[tuple[slice, dict[str, Tensor]]]:
    """Batches with the rows they are, checked against the ``n`` rows of the concepts."""
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
        tensors = {site: torch.as_tensor(x) for site, x in batch.items()}
        if flat := [site for site, x in tensors.items() if x.dim() != 2]:
            raise ImprintError(f"the stream gives {list(tensors[flat[0]].shape)} at {flat[0]!r}; expected [b, d].")
        yield rows, tensors
    if start != n:
        raise ImprintError(
            f"the stream held {start} rows but concepts has {n}; each row must describe the same sample, "
            "and a stream must be iterable more than once (a generator is not)."
        )
