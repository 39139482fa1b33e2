"""Reading concepts from activations that do not fit in memory: two passes over a stream of batches.

A *stream* is anything that can be iterated over more than once and gives the same batches each time, each a mapping
``{site: activations [b, D]}`` whose rows follow the rows of the concepts, for example an
:class:`imprint.probes.subjects.stored.ActivationStore`. The first pass gathers moments at every site at once, the
second reads every row with the probe of its fold and keeps only sums. Memory grows with sites x D^2 and not with rows.
Sites whose moments do not fit together are read one after another, in two passes each, where the stream can be
restricted to some of its sites (``stream.only(sites)``).
The scores are those of :func:`imprint.analyses.locate.reading.read`; areas under the curve, which need all rows sorted,
are not measured, and how noisy readings are is estimated from the first batch.

Letters: b rows of a batch, D width.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from imprint.analyses.locate.nulls import STAGES
from imprint.analyses.locate.plan.cost import MOST_BYTES, blocks_of, moments_bytes
from imprint.analyses.locate.plan.target import Target
from imprint.analyses.locate.reading import (
    Reading,
    needs_more,
    noise_of,
    reading_of,
    readings_of,
    same_rows,
    sums_of,
    with_nulls_of,
)
from imprint.analyses.locate.targets import Targets
from imprint.models.errors import ImprintError
from imprint.probes.fitting.moments import Moments
from imprint.probes.readouts.base import Columns, FittedReadout, FromMoments

Stream = Any
"""Gives the same mappings ``{site: [b, D]}`` whenever it is iterated over; some have ``only(sites)``."""


def read_stream(stream: Stream, targets: Targets, *, device: Any = None) -> dict[str, dict[str, Reading]]:
    """Site -> concept -> reading, at every site of a stream, computed on the ``device`` (None: where batches are).

    Concepts that more shuffles could decide somewhere (``targets.enough``) are read again, in two more passes a stage.
    Raises :class:`ImprintError` when the passes differ, when rows are missing, or for a readout that needs all rows.
    """
    if not isinstance(targets.readout, FromMoments):
        raise ImprintError(
            f"{type(targets.readout).__name__} looks at all rows at once; choose a readout that follows from moments."
        )
    readings = _read_stream(stream, targets, targets.readout, device)
    if targets.enough is None:
        return readings
    for stage in STAGES:
        needed = {
            (site, concept)
            for site, of_site in readings.items()
            for concept, reading in of_site.items()
            if needs_more(reading, stage=stage, enough=targets.enough)
        }
        if not needed:
            break
        known = {concept: len(readings[site][concept].nulls) for site, concept in needed}
        again = [t.shuffled_anew(stage - known[t.name]) for t in targets.concepts if t.name in known]
        more = _read_stream(stream, replace(targets, concepts=again), targets.readout, device)
        for site, concept in needed:
            readings[site][concept] = with_nulls_of(readings[site][concept], more[site][concept])
    return readings


def _read_stream(stream: Stream, targets: Targets, readout: FromMoments, device: Any) -> dict[str, dict[str, Reading]]:
    """Readings with the shuffles that the targets have, of as many sites at once as fit."""
    if not hasattr(stream, "only"):
        return _read_sites(stream, targets, readout, device)
    first: Mapping[str, Tensor] = next(iter(stream), {})
    folds = int(targets.fold.max()) + 1
    need = {site: moments_bytes(int(x.shape[1]), folds) for site, x in first.items() if getattr(x, "ndim", 0) == 2}
    if sum(need.values()) <= MOST_BYTES:
        return _read_sites(stream, targets, readout, device)
    found: dict[str, dict[str, Reading]] = {}
    for some in blocks_of([int(bytes_) for bytes_ in need.values()], MOST_BYTES):
        names = [list(need)[i] for i in some]
        found |= _read_sites(stream.only(names), targets, readout, device)
    return found


def _read_sites(stream: Stream, targets: Targets, readout: FromMoments, device: Any) -> dict[str, dict[str, Reading]]:
    """Readings at all sites of a stream; concepts with labels in the same rows share moments."""
    n, size, concepts = len(targets.fold), int(targets.groups.max()) + 1, targets.concepts
    parts = [_Part([concepts[i] for i in some], targets) for some in same_rows(concepts)]
    moments: dict[tuple[str, int], Moments] = {}
    for rows, batch in _batches(stream, n, device):
        for p, part in enumerate(parts):
            own, at = part.within(rows)
            columns = torch.cat([c.columns(own) for c in part.concepts], dim=1)
            for site, x in batch.items():
                if (site, p) not in moments:
                    folds = int(part.fold.max()) + 1
                    moments[site, p] = Moments(
                        x.shape[1], columns.shape[1], folds, device=x.device, products=readout.needs_products
                    )
                moments[site, p].add(x[at], columns, part.fold[own])
    sites = {site for site, _ in moments}
    probes: dict[tuple[str, int], tuple[Tensor, list[FittedReadout]]] = {}
    for cell in list(moments):
        own_moments = moments.pop(cell)
        layout = Columns.joined([c.layout() for c in parts[cell[1]].concepts])
        probes[cell] = own_moments.centred[0], readout.solve(own_moments, layout, range(own_moments.folds))
        del own_moments
    sums: dict[tuple[str, str], tuple[Tensor, Tensor]] = {}
    noise: dict[tuple[str, str], float] = {}
    for rows, batch in _batches(stream, n, device):
        if batch.keys() != sites:
            raise ImprintError("the second pass over the stream held other sites than the first; it must not change.")
        for p, part in enumerate(parts):
            own, at = part.within(rows)
            for site, x in batch.items():
                each = readings_of(x[at], part.concepts, part.fold[own], *probes[site, p])
                for concept, readings in zip(part.concepts, each, strict=True):
                    of = site, concept.name
                    more = sums_of(readings, concept, own, part.groups, size=size)
                    before = sums.get(of)
                    if len(readings):
                        noise.setdefault(of, noise_of(readings, concept, own))
                    sums[of] = more if before is None else (before[0] + more[0], before[1] + more[1])
    return {
        site: {c.name: reading_of(c, *sums[site, c.name], noise=noise[site, c.name]) for c in concepts}
        for site, p in probes
        if p == 0
    }


class _Part:
    """Concepts with labels in the same rows, and what a batch holds of them."""

    def __init__(self, concepts: list[Target], targets: Targets) -> None:
        self.concepts, self.rows = concepts, concepts[0].rows
        self.fold = torch.from_numpy(concepts[0].fold_of(targets.fold))
        self.groups = concepts[0].of(targets.groups)

    def within(self, rows: slice) -> tuple[slice, Tensor | slice]:
        """Which of its rows lie in a batch, and which rows of the batch these are."""
        if self.rows is None:
            return rows, slice(None)
        own = slice(*np.searchsorted(self.rows, [rows.start, rows.stop]).tolist())
        return own, torch.from_numpy(self.rows[own] - rows.start)


def _batches(stream: Stream, n: int, device: Any) -> Iterable[tuple[slice, dict[str, Tensor]]]:
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
        tensors = {site: torch.as_tensor(x, device=device) for site, x in batch.items()}
        if flat := [site for site, x in tensors.items() if x.dim() != 2]:
            raise ImprintError(f"the stream gives {list(tensors[flat[0]].shape)} at {flat[0]!r}; expected [b, d].")
        yield rows, tensors
    if start != n:
        raise ImprintError(
            f"the stream held {start} rows but concepts has {n}; each row must describe the same sample, "
            "and a stream must be iterable more than once (a generator is not)."
        )
