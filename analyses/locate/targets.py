"""Concepts as targets: what is read of each, how rows are split, and what cannot be measured."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from imprint.analyses.locate.plan.target import Target, target_of
from imprint.analyses.locate.reading import Reading, read
from imprint.analyses.statistics import LARGEST
from imprint.models.errors import NotMeasurableError
from imprint.probes.door.sums import all_finite
from imprint.probes.readouts.base import Readout
from imprint.probes.readouts.ridge import Ridge
from imprint.probes.samples.controls import Ints, principal_inputs

SiteReadings = dict[tuple[str, str], Reading]
"""(site, concept) -> reading, of one subject."""
INPUT_COMPONENTS = 384
"""Raw inputs wider than this are rotated to as many principal components before they are read."""


class Reads(ABC):
    """Concepts as targets, ready to be read from activations."""

    @property
    @abstractmethod
    def without_shuffles(self) -> Reads:
        """The same targets with their labels only, for subjects that are a floor themselves."""

    @abstractmethod
    def read(self, x: Tensor) -> dict[str, Reading]:
        """Concept -> reading from activations ``[n, D]``."""

    @abstractmethod
    def read_inputs(self, raw: NDArray[np.floating]) -> dict[str, Reading]:
        """Concept -> how well the raw input ``[n, p]`` gives it."""


@dataclass(frozen=True)
class Targets(Reads):
    """Concepts of some rows as targets, and the split of the rows: the same for all activations that are compared."""

    concepts: Sequence[Target]
    problems: Mapping[str, str]
    """Concept -> why it cannot be measured."""
    readout: Readout
    fold: Ints
    """``[n]`` cross-validation fold of each row."""
    groups: Ints
    """``[n]`` group of each row, drawn together when intervals are made."""
    enough: float | None = None
    """p-value below which a cell can be called present; cells near it get more shuffles. None: none get more."""

    @property
    def without_shuffles(self) -> Targets:
        """The same targets with their labels only."""
        return replace(self, concepts=[concept.real() for concept in self.concepts], enough=None)

    def read(self, x: Tensor) -> dict[str, Reading]:
        """Concept -> reading from activations ``[n, D]``."""
        readings = read(x, self.concepts, self.readout, fold=self.fold, groups=self.groups, enough=self.enough)
        return {concept.name: reading for concept, reading in zip(self.concepts, readings, strict=True)}

    def read_sites(self, activations: Mapping[str, Tensor]) -> SiteReadings:
        """Readings at several sites; ``activations``: site -> ``[n, D]``."""
        return {(site, c): reading for site, x in activations.items() for c, reading in self.read(x).items()}

    def read_inputs(self, raw: NDArray[np.floating]) -> dict[str, Reading]:
        """Concept -> how well the raw input ``[n, p]`` gives it; of many columns, their principal components.

        It is read by ridge, or by the readout itself when that is not linear.
        """
        return self.read_components(raw, lambda x, readout: replace(self.without_shuffles, readout=readout).read(x))

    def read_components(
        self, raw: NDArray[np.floating], reads: Callable[[Tensor, Readout], dict[str, Reading]]
    ) -> dict[str, Reading]:
        """What ``reads`` gives for the principal components of the raw input and the readout that is used for them."""
        x = torch.from_numpy(np.ascontiguousarray(principal_inputs(raw, INPUT_COMPONENTS)))
        return reads(x, Ridge(standardise=False) if self.readout.linear else self.readout)


def targets_of(
    concepts: pd.DataFrame,
    groups: Ints,
    readout: Readout,
    *,
    nulls: int,
    rng: np.random.Generator,
    rows: Ints | None = None,
    sequences: bool = True,
) -> tuple[list[Target], dict[str, str]]:
    """Targets of all concepts that can be measured with a readout, and why the others cannot.

    ``nulls``: label shuffles per concept, made at the level of ``groups`` ``[n]``. ``rows``, ``sequences``: as in
    :func:`imprint.analyses.locate.plan.target.target_of`.
    """
    targets, problems = [], {}
    for name in concepts.columns:
        try:
            target = target_of(str(name), concepts[name], groups, nulls=nulls, rng=rng, rows=rows, sequences=sequences)
        except NotMeasurableError as error:
            problems[str(name)] = str(error)
            continue
        if readout.reads_numbers if target.regression else readout.reads_classes:
            targets.append(target)
        else:
            kind, other = ("numbers", "classes") if target.regression else ("classes", "numbers")
            problems[str(name)] = f"the label holds {kind}, and {type(readout).__name__} reads {other} only"
    return targets, problems


def merge_groups(groups: Ints, rng: np.random.Generator) -> Ints:
    """Groups for resampling: independent groups merged at random when there are more than :data:`LARGEST`."""
    size = int(groups.max()) + 1
    if size <= LARGEST:
        return groups
    return np.asarray((rng.permutation(size) % LARGEST)[groups])


def readable(activations: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The sites whose activations ``[n, D]`` can be read."""
    return {site: x for site, x in activations.items() if not unreadable(x)}


def unreadable(x: Tensor) -> str:
    """Why activations ``[n, D]`` cannot be read, or an empty string."""
    if not all_finite(x):
        return f"activations hold {int((~torch.isfinite(x)).sum())} NaN or infinite values"
    if torch.equal(x[0], x[-1]) and bool((x == x[:1]).all()):
        return "every column is constant, so there is nothing to read"
    return ""
