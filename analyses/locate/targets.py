"""Concepts as targets: what is measured, how rows are split, and what cannot be measured."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from imprint.analyses.locate.reading import Reading, Target, read, target_of
from imprint.analyses.statistics import LARGEST
from imprint.models.errors import NotMeasurableError
from imprint.probes.readouts.base import Readout
from imprint.probes.readouts.ridge import Ridge
from imprint.probes.samples.controls import Ints, principal_inputs

INPUT_COMPONENTS = 384
"""Raw inputs wider than this are rotated to as many principal components before they are read."""


def targets_of(
    concepts: pd.DataFrame, groups: Ints, nulls: int, rng: np.random.Generator, readout: Readout
) -> tuple[list[Target], dict[str, str]]:
    """Targets of all concepts that can be measured with a readout, and why the others cannot."""
    targets, problems = [], {}
    for name in concepts.columns:
        try:
            target = target_of(str(name), concepts[name], groups, nulls, rng)
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
    """Groups for resampling: independent groups merged at random when there are very many."""
    size = int(groups.max()) + 1
    if size <= LARGEST:
        return groups
    return np.asarray((rng.permutation(size) % LARGEST)[groups])


def unreadable(x: torch.Tensor) -> str:
    """Why activations ``[n, D]`` cannot be read, or an empty string."""
    if not bool(torch.isfinite(x.sum(dtype=torch.float64))):
        return f"activations hold {int((~torch.isfinite(x)).sum())} NaN or infinite values"
    if torch.equal(x[0], x[-1]) and bool((x == x[:1]).all()):
        return "every column is constant, so there is nothing to read"
    return ""


def input_readings(raw: NDArray[np.float32], targets: Sequence[Target], fold: Ints, groups: Ints) -> list[Reading]:
    """How well the raw input gives each concept; many columns are read through their principal components."""
    x = torch.from_numpy(np.ascontiguousarray(principal_inputs(raw, INPUT_COMPONENTS)))
    return read(x, [t.real() for t in targets], fold, groups, Ridge(standardise=False))
