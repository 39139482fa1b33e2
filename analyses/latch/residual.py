"""residual: what else a value varies with, within combinations of the concepts.

The part of the value that no combination of the intended concept and its proxies explains is not all noise. For every
other concept of the world, and for the groups (the handwritten original, the episode), the table gives the share of the
value's variance that lies between that factor's levels once the cells' means are taken out. The estimate is that of a
one-way analysis of variance, (between - (L - 1) within / (n - L)) / n, which is right on average for any number of
levels L; a factor with few rows a level can come out slightly negative and is left so. Factors overlap (an original has
one writer and one light), so that shares need not add up.

``belief`` is what the subject itself takes the intended concept to be, where that is given: the share of the residual
that goes with an out-of-fold reading of the concept from its activations. A learner that values *whom it takes for* the
caregiver has a large one.

Letters: n rows, L levels.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from sklearn.linear_model import Ridge
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from imprint.analyses.latch.shares import design_of, parts, sums_of
from imprint.analyses.statistics import Floats
from imprint.models.worlds.base import Batch
from imprint.probes.door.labels import plain

COLUMNS = ("factor", "share")
GROUPS, BELIEF = "(groups)", "(belief)"
FOLDS = 5


def residual_split(
    values: Floats, batch: Batch, names: Sequence[str], *, equal: bool = True, belief: Floats | None = None
) -> pd.DataFrame:
    """factor, share: largest first; the part that nothing listed explains is not a row.

    ``belief [n]``: an out-of-fold reading of the intended concept.
    """
    design, cell = design_of(batch.concepts, names, equal=equal)
    sums = sums_of(values - values.mean(), len(design.weight), cell)
    _, between, within = parts(design, sums, noise=1.0)
    total = float(between + within)
    rest = values - (np.bincount(cell, weights=values) / np.bincount(cell))[cell]
    factors = {str(name): batch.concepts[name].to_numpy() for name in batch.concepts.columns if name not in names}
    if len(np.unique(batch.groups)) < len(batch) // 2:
        factors[GROUPS] = batch.groups
    rows = [(name, _between(rest, levels) / total) for name, levels in factors.items()]
    if belief is not None:
        rows.append((BELIEF, _linear(rest, belief - (np.bincount(cell, belief) / np.bincount(cell))[cell]) / total))
    table = pd.DataFrame(rows, columns=list(COLUMNS)).dropna()
    return table.sort_values("share", ascending=False, kind="stable").reset_index(drop=True)


def belief_of(activations: torch.Tensor, concept: pd.Series, groups: NDArray[np.integer]) -> Floats | None:
    """Out-of-fold linear reading ``[n]`` of a yes-or-no concept from ``activations [n, d]``, groups kept together.

    Nothing where the concept has other than two levels, or there are fewer groups than folds.
    """
    code, levels = pd.factorize(plain(concept), sort=True)
    if len(levels) != 2 or len(np.unique(groups)) < FOLDS:
        return None
    reading = make_pipeline(StandardScaler(), Ridge())
    held_out = cross_val_predict(reading, activations.double().numpy(), code, groups=groups, cv=GroupKFold(FOLDS))
    return np.asarray(held_out, dtype=np.float64)


def _between(rest: Floats, levels: NDArray[np.generic]) -> float:
    """Variance between the levels of a factor; NaN for a factor with one level or a level for every row."""
    code, found = pd.factorize(levels, sort=False)
    n, count = len(rest), len(found)
    if count < 2 or count > n // 2 or (code < 0).any():
        return float("nan")
    size = np.bincount(code)
    mean = np.bincount(code, weights=rest) / size
    between = float((size * np.square(mean)).sum())
    within = float(np.square(rest - mean[code]).sum())
    return (between - (count - 1) * within / (n - count)) / n


def _linear(rest: Floats, reading: Floats) -> float:
    """Variance of ``rest`` that goes with a reading, both free of the cells' means; noise taken out."""
    size = float(np.square(reading).sum())
    if size <= 0:
        return 0.0
    slope = float(rest @ reading) / size
    explained, left = slope**2 * size, float(np.square(rest - slope * reading).sum())
    return (explained - left / max(len(rest) - 2, 1)) / len(rest)
