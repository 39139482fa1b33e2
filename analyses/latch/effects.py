"""effects: what the value does when one concept is changed and everything else is kept.

    effect(c) = mean_i [ v(do c = True) - v(do c = False) ] / sd(v)                   two levels: last minus first
    effect(c) = mean over pairs of levels (a, b) of | mean_i [ v(do a) - v(do b) ] | / sd(v)         more levels

The world renders both counterfactuals of every episode with the same noise (Pearl's do-operator, exact because we have
the world). Every cell of the design weighs as it does in the shares, and sd(v) is the square root of the same V, drawn
again with every resample (:mod:`imprint.analyses.latch.profile`). With more than two levels the effect has no sign.

Letters: n rows, G groups, K cells, L levels, P = L (L - 1) / 2 pairs of levels.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from imprint.analyses.statistics import Floats
from imprint.models.errors import ImprintError
from imprint.models.progress import worked
from imprint.models.worlds.base import Batch, World
from imprint.probes.door.labels import plain
from imprint.probes.subjects.subject import Subject

Rows = NDArray[np.int64]
ROUNDING = 1e-6
"""Changes below this part of the largest value are rounding errors."""


@dataclass(frozen=True)
class EffectSums:
    """All that the effect of one concept needs to know about some rows; sums of groups can be added."""

    sums: Floats
    """``[G, K, 1 + P]`` rows, and summed difference of the value for each pair of levels, per group and cell.

    Pairs are in the order of ``itertools.combinations``, so that the first L - 1 compare every level with the first.
    """

    @staticmethod
    def changes(sums: Floats, weight: Floats) -> Floats:
        """Mean change of the value ``[..., P]`` from sums ``[..., K, 1 + P]``, cells weighing ``weight [K]``."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(np.einsum("...kp,k->...p", sums[..., 1:] / sums[..., :1], weight))


def effect_sums(
    subject: Subject, world: World, batch: Batch, concepts: Sequence[str], *, values: Floats, cell: NDArray[np.int64]
) -> tuple[dict[str, EffectSums], dict[str, str]]:
    """Sums of the concepts that the world can change, and for the others why it cannot.

    ``values [n]``: the value of the batch as it is; ``cell [n]``: the cell of each row.
    """
    sums, problems = {}, {}
    for concept in concepts:
        try:
            changed = [
                (rows, subject.values(there.observation).double().numpy())
                for rows, there in counterfactuals(world, batch, concept)
            ]
        except ImprintError as error:
            problems[concept] = f"not measurable: {error}"
            continue
        sums[concept] = summed_changes(values, changed, batch.groups, cell)
    return sums, problems


def counterfactuals(world: World, batch: Batch, concept: str) -> Iterator[tuple[Rows, Batch]]:
    """For every level of a concept the rows of the batch that have another one, and these rows changed to it.

    Raises :class:`ImprintError` for a concept that the world cannot change.
    """
    for rows, level in rows_to_change(batch.concepts[concept]):
        if len(rows):
            yield rows, world.counterfactual(batch.rows(rows), concept, level)
            worked(len(rows) / len(batch), "counterfactuals")


def rows_to_change(concept: pd.Series) -> list[tuple[Rows, Any]]:
    """For every level of a concept the rows that have another one, and the level."""
    levels = pd.factorize(plain(concept), sort=True)[1]
    return [(np.flatnonzero((concept != level).to_numpy()), level) for level in levels]


def summed_changes(
    values: Floats, changed: Sequence[tuple[Rows, Floats]], groups: NDArray[np.int64], cell: NDArray[np.int64]
) -> EffectSums:
    """Sums of one concept, from the value of rows as they are and, for every level, of the rows ``changed`` to it."""
    levels = []
    for rows, there in changed:
        levels.append(values.copy())
        levels[-1][rows] = there
    changes = [_change(after, before) for before, after in itertools.combinations(levels, 2)]
    number, group = np.unique(groups, return_inverse=True)
    cells = int(cell.max()) + 1
    index, size = group * cells + cell, len(number) * cells
    columns = [np.bincount(index, weights=w, minlength=size) for w in (np.ones(len(cell)), *changes)]
    return EffectSums(np.stack(columns, -1).reshape(len(number), cells, -1).astype(np.float64))


def _change(after: Floats, before: Floats) -> Floats:
    """Differences, with rounding errors of single precision set to 0."""
    change = after - before
    return np.where(np.abs(change) <= ROUNDING * np.abs(before).max(), 0.0, change)
