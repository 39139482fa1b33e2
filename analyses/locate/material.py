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

from imprint.analyses.locate.floors import Evidence
from imprint.analyses.locate.streaming import Stream, read_stream
from imprint.analyses.locate.targets import Reads, Targets, merge_groups, readable, targets_of, unreadable
from imprint.models.errors import ImprintError, unknown_name
from imprint.probes.readouts.base import Readout
from imprint.probes.samples.arrays import real_array
from imprint.probes.samples.controls import Ints, folds_of

Cells = dict[tuple[str, str], Evidence]
"""(concept, site) -> evidence."""


@dataclass(frozen=True)
class Material:
    """Activations, twins and raw inputs of the same n rows."""

    activations: Mapping[str, Tensor]
    """Site -> ``[n, D]``; empty beside a stream."""
    twins: Mapping[str, Sequence[Tensor]]
    """Site -> ``[n, D]`` of each randomly initialised twin."""
    raw: Mapping[str, NDArray[np.float32]]
    """Site -> raw input ``[n, p]``."""
    stream: Stream | None = None
    twin_streams: Sequence[Stream] = ()
    device: Any = None
    """Where batches of a stream are read; None: where they are."""

    @classmethod
    def of(
        cls, activations: Any, untrained: Any, inputs: Any, n: int, *, device: Any = None
    ) -> tuple[Material, list[str]]:
        """The material, checked against the ``n`` rows of the concepts, and the sites.

        ``device``: where activations are put; None: they stay where they are.
        """
        if isinstance(activations, Mapping):
            x = {site: _placed(f"activations[{site!r}]", a, n, device) for site, a in activations.items()}
            return cls(x, _twins(untrained, x, n, device), _inputs(inputs, list(x), n)), list(x)
        if not (sites := list(next(iter(activations), {}))):
            raise ImprintError("the stream of activations holds no batch.")
        if isinstance(untrained, Mapping):
            raise ImprintError("beside a stream of activations, untrained must be a list of streams, one per twin.")
        return cls({}, {}, _inputs(inputs, sites, n), activations, list(untrained or ()), device), sites

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


def names_of(concepts: pd.DataFrame) -> list[str]:
    """Names of the columns, each of which must be there once."""
    if not isinstance(concepts, pd.DataFrame):
        raise ImprintError(f"concepts is a {type(concepts).__name__}; expected a pandas DataFrame, one row per sample.")
    names = [str(name) for name in concepts.columns]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise ImprintError(f"concepts has two columns called {repeated[0]!r}; give each its own name.")
    return names


def _matrix(name: str, value: Any, n: int) -> torch.Tensor:
    array = real_array(name, value)
    if array.ndim != 2 or array.shape[1] == 0:
        raise ImprintError(f"{name} has shape {array.shape}; expected two axes, rows by units [n, d].")
    if len(array) != n:
        raise ImprintError(
            f"{name} has {len(array)} rows but concepts has {n}; each row must describe the same sample."
        )
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is not measurable
        return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))


def _rows_of(x: torch.Tensor, rows: Ints | None) -> torch.Tensor:
    return x if rows is None else x[torch.from_numpy(rows).to(x.device)]


def _placed(name: str, value: Any, n: int, device: Any) -> torch.Tensor:
    """Activations ``[n, d]`` in float32, on the ``device``, or where they are."""
    if isinstance(value, torch.Tensor) and value.device.type not in ("cpu", "meta") and value.is_floating_point():
        if value.dim() != 2 or len(value) != n:
            raise ImprintError(f"{name} is {list(value.shape)} for {n} rows of concepts; expected [{n}, d].")
        placed = value.detach().float()
    else:
        placed = _matrix(name, value, n)
    if device is None:
        return placed
    try:
        return placed.to(torch.device(device))
    except (RuntimeError, TypeError, AssertionError) as error:
        first = str(error).splitlines()[0]
        raise ImprintError(f"device is {device!r}, which cannot be used: {first} Expected for example 'cpu'.") from None


def _twins(
    untrained: Mapping[str, Any] | None, sites: Collection[str], n: int, device: Any
) -> dict[str, list[torch.Tensor]]:
    out: dict[str, list[torch.Tensor]] = {}
    for site, given in (untrained or {}).items():
        if site not in sites:
            raise unknown_name("site in untrained", site, sites)
        several = isinstance(given, list | tuple) or len(getattr(given, "shape", ())) == 3
        out[site] = [_placed(f"untrained[{site!r}]", a, n, device) for a in (given if several else [given])]
        if bad := [w for w in map(unreadable, out[site]) if w]:
            raise ImprintError(f"untrained[{site!r}]: {bad[0]}.")
    return out


def _inputs(inputs: Any, sites: Collection[str], n: int) -> dict[str, NDArray[np.float32]]:
    if inputs is None:
        return {}
    given = inputs if isinstance(inputs, Mapping) else dict.fromkeys(sites, inputs)
    out, seen = {}, {}
    for site, value in given.items():
        if site not in sites:
            raise unknown_name("site in inputs", site, sites)
        if id(value) not in seen:
            array = real_array("inputs", value)
            flat = array.reshape(len(array), int(np.prod(array.shape[1:]))) if array.ndim > 2 else array
            seen[id(value)] = _matrix("inputs", flat, n).numpy()
            if not np.isfinite(seen[id(value)]).all():
                raise ImprintError("inputs hold NaN or infinite values.")
        out[site] = seen[id(value)]
    return out
