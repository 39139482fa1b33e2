"""What ``locate`` was given, checked; and the evidence of some of its concepts at some of its sites."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from imprint.analyses.locate.entrance import Entrance
from imprint.analyses.locate.floors import Evidence
from imprint.analyses.locate.streaming import Stream, read_stream
from imprint.analyses.locate.targets import Reads, Targets, merge_groups, readable, targets_of
from imprint.models.errors import unknown_name
from imprint.probes.readouts.base import Readout
from imprint.probes.samples.controls import Ints, folds_of
from imprint.probes.subjects.site import device_of

Cells = dict[tuple[str, str], Evidence]
"""(concept, site) -> evidence."""


@dataclass(frozen=True)
class Material:
    """Activations, twins and raw inputs of the same n rows."""

    activations: Mapping[str, Tensor]
    """Site -> ``[n, D]``; empty beside a stream."""
    twins: Mapping[str, Sequence[Tensor]]
    """Site -> ``[n, D]`` of each randomly initialised twin."""
    raw: Mapping[str, NDArray[np.floating]]
    """Site -> raw input ``[n, p]``."""
    stream: Stream | None = None
    twin_streams: Sequence[Stream] = ()
    device: Any = None
    """Where batches of a stream are read; None: where they are."""

    @classmethod
    def of(cls, entered: Entrance, *, device: Any = None) -> Material:
        """The material of what was given; ``device``: where activations are put (None: they stay where they are)."""
        if not isinstance(entered.activations, Mapping):
            return cls({}, {}, entered.inputs, entered.activations, list(entered.untrained), device)
        assert isinstance(entered.untrained, dict)
        x = {site: placed(value, device) for site, value in entered.activations.items()}
        twins = {site: [placed(twin, device) for twin in of_site] for site, of_site in entered.untrained.items()}
        return cls(x, twins, entered.inputs)

    def part(self, sites: Collection[str], rows: Ints | None = None) -> Material:
        """Some sites, and some rows, of arrays."""
        x = {site: _rows_of(self.activations[site], rows) for site in sites}
        twins = {site: [_rows_of(twin, rows) for twin in self.twins.get(site, ())] for site in sites}
        kept: dict[int, NDArray[np.float32]] = {}
        raw = {site: self.raw[site] for site in sites if site in self.raw}
        if rows is not None:
            raw = {site: kept.setdefault(id(value), value[rows]) for site, value in raw.items()}
        return Material(x, twins, raw)

    def evidence(self, targets: Reads) -> Cells:
        """Evidence of the concepts of ``targets`` at every site that can be read."""
        bare = targets.without_shuffles
        if self.stream is None:
            readings = {site: targets.read(a) for site, a in readable(self.activations).items()}
            untrained = {site: [bare.read(twin) for twin in self.twins.get(site, ())] for site in readings}
        else:
            assert isinstance(targets, Targets) and isinstance(bare, Targets)
            readings = read_stream(self.stream, targets, device=self.device)
            streams = [read_stream(twin, bare, device=self.device) for twin in self.twin_streams]
            if missing := [site for site in readings for twin in streams if site not in twin]:
                raise unknown_name("site in untrained", missing[0], streams[0])
            untrained = {site: [twin[site] for twin in streams] for site in readings}
        given = {id(inputs): inputs for inputs in self.raw.values()}
        floors = {key: targets.read_inputs(inputs) for key, inputs in given.items()}
        return {
            (concept, site): Evidence(
                reading,
                np.stack([twin[concept].sums for twin in untrained[site]]) if untrained[site] else None,
                floors[id(self.raw[site])][concept].sums if site in self.raw else None,
            )
            for site, of_site in readings.items()
            for concept, reading in of_site.items()
        }


@dataclass(frozen=True)
class Plan:
    """How concepts are read: the same for all questions that are asked of one table."""

    groups: Ints
    """``[n]`` group of each row."""
    readout: Readout
    nulls: int
    folds: int
    alpha: float
    resamples: int

    def targets(self, concepts: pd.DataFrame, rng: np.random.Generator, *, cells: int | None = None) -> Targets:
        """The concepts as targets; ``cells``: how many p-values are corrected together, if near ones get more shuffles.

        Raises :class:`NotMeasurableError` when nothing can be held out.
        """
        fold = folds_of(self.groups, self.folds, rng)
        found = targets_of(concepts, self.groups, self.readout, nulls=self.nulls, rng=rng)
        enough = self.alpha / cells if cells else None
        return Targets(*found, self.readout, fold, merge_groups(self.groups, rng), enough)

    def with_groups(self, groups: Ints) -> Plan:
        """The same for other rows."""
        return replace(self, groups=groups)

    def with_readout(self, readout: Readout) -> Plan:
        """The same with another readout."""
        return replace(self, readout=readout)


def placed(x: Tensor, device: Any) -> Tensor:
    """The tensor on a device; None: where it is. Raises :class:`ImprintError` for a device that cannot be used."""
    return x if device is None else x.to(device_of(device))


def _rows_of(x: Tensor, rows: Ints | None) -> Tensor:
    return x if rows is None else x[torch.from_numpy(rows).to(x.device)]
