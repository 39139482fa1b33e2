"""shares: how much of the value's variance belongs to each concept, on a balanced design.

The cells are all combinations of the intended concept and the proxies. With m_k, s_k^2, n_k the mean, variance and
count of the value in cell k, and p_k = prod_c p_c(level of c in k) the cell's probability if concepts are independent,

    M_c(a)  = sum_{k: c = a} p_k m_k / p_c(a)                           mean of the value when c = a
    V_c     = sum_a p_c(a) (M_c(a) - M)^2 - noise                       main effect of concept c
    V_cells = sum_k p_k (m_k - M)^2       - noise                       everything the cells explain
    V       = V_cells + sum_k p_k s_k^2
    share(c) = V_c / V     (interaction) = (V_cells - sum_c V_c) / V     (residual) = sum_k p_k s_k^2 / V

This is functional ANOVA (first-order Sobol indices: Sobol 1993; Saltelli et al. 2010). Each V is a quadratic form
m' A m of independent cell means, so its expectation is too high by sum_k A_kk s_k^2 / n_k; that ``noise`` is
subtracted, which makes every V unbiased for finite cells (V_c can come out slightly negative, and is left so). Because
cell means are weighted by p_k, not by n_k, chance correlations between concepts do not leak from one share to another.

Every combination of levels weighs the same unless the setup says otherwise, so that a share does not depend on
prevalences that nobody chose: with p = 1/2 for both levels of all concepts, equal effects have equal shares.

Cell sums are kept per group, so that groups can be drawn again without looking at a row.

Letters: n rows, K cells, C concepts, G groups, R resamples, S seeds.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from imprint.analyses.statistics import Floats
from imprint.models.errors import ImprintError, NotMeasurableError, unknown_name
from imprint.probes.door.arrays import real_array
from imprint.probes.door.labels import plain
from imprint.probes.door.rows import groups_of

INTERACTION, RESIDUAL = "(interaction)", "(residual)"
FEWEST = 5
"""Fewest rows of a cell."""
MOST_LEVELS = 12
"""Most values of a concept."""
LARGEST = 1e150
"""Largest value whose squares can be summed in double precision."""
SMALLEST = 1e-140
"""Smallest largest value of which that is true: squares of smaller ones are zero, or have lost their digits."""
CONSTANT = 1e-6
"""A value whose spread is below this part of its size (single precision) is constant."""
EXACT = 1e-8
"""How much smaller that part is for values in double precision, and for whole numbers."""
ROUNDED = 1.2e-7
"""Part of its size by which a value in single precision is rounded once."""


@dataclass(frozen=True)
class Design:
    """The cells of one analysis."""

    concepts: tuple[str, ...]
    """Intended concept first, then the proxies."""
    levels: tuple[tuple[str, ...], ...]
    """Level names of each concept."""
    cells: NDArray[np.int64]
    """``[K, C]`` level of each concept in each cell."""
    weight: Floats
    """``[K]`` probability of each cell when the concepts are independent."""

    def contrasts(self, concept: int) -> tuple[Floats, Floats]:
        """Per level a of a concept: p_c(a) ``[L]``, and the row ``[L, K]`` that turns cell means into M_c(a) - M."""
        member = (self.cells[:, concept][None, :] == np.arange(len(self.levels[concept]))[:, None]) * self.weight
        chance = member.sum(1)
        return chance, member / chance[:, None] - self.weight

    def name(self, cell: int) -> str:
        """A cell in words."""
        return ", ".join(f"{c} = {self.levels[i][self.cells[cell, i]]}" for i, c in enumerate(self.concepts))


@dataclass(frozen=True)
class CellSums:
    """All that shares need to know about some rows; sums of groups can be added."""

    design: Design
    sums: Floats
    """``[G, K, 3]`` count, sum and sum of squares of the centred value, per group and cell."""
    rows: int
    """n"""
    scale: float
    """Largest absolute value before centring, for values in single precision; of others less, as they round less."""

    @property
    def constant(self) -> bool:
        """Whether the value is the same everywhere, but for what may be rounding."""
        return self.spread <= CONSTANT * self.scale

    @property
    def spread(self) -> float:
        """Standard deviation of the value over all rows."""
        count, total, squares = self.sums.sum((0, 1))
        return float(np.sqrt(max(squares / count - (total / count) ** 2, 0.0)))

    @property
    def faint(self) -> str:
        """Why a value that counts as constant may vary after all; empty where it cannot."""
        if not self.constant or self.spread <= ROUNDED * self.scale:
            return ""
        return (
            f"the value has a standard deviation of {self.spread:.2g}, which beside its size may be rounding; take "
            "away from it what is common to all rows"
        )

    @property
    def shares(self) -> Floats:
        """``[C + 2]`` shares of the concepts, the interaction and the residual."""
        main, between, within = parts(self.design, self.sums.sum(0), noise=1.0)
        columns = np.concatenate([main, [between - main.sum()], [within]])
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(columns / (between + within if between + within > 0 else np.nan))


def parts(design: Design, sums: Floats, *, noise: float) -> tuple[Floats, Floats, Floats]:
    """V_c ``[..., C]``, V_cells ``[...]`` and within-cell variance ``[...]`` from cell sums ``[..., K, 3]``.

    ``noise``: how many times the sampling noise is subtracted (1 for a sample, 2 for a resample of one).
    """
    count, total, squares = np.moveaxis(sums, -1, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = total / count
        spread = np.maximum(squares - total * mean, 0.0)
        pooled = spread.sum(-1, keepdims=True) / np.maximum(count - 1, 0).sum(-1, keepdims=True)
        variance = np.where(count >= 2, spread / (count - 1), pooled)
        error = noise * variance / count
    main = []
    for c in range(len(design.concepts)):
        chance, contrast = design.contrasts(c)
        plug = np.square(mean @ contrast.T) @ chance
        main.append(plug - error @ (chance @ np.square(contrast)))
    centre = mean @ design.weight
    between = np.square(mean - centre[..., None]) @ design.weight - error @ (design.weight * (1 - design.weight))
    return np.stack(main, -1), np.asarray(between), np.asarray(variance @ design.weight)


def design_of(concepts: pd.DataFrame, names: Sequence[str], *, equal: bool = True) -> tuple[Design, NDArray[np.int64]]:
    """The cells of some concepts, and the cell of each row ``[n]``.

    Every combination of levels weighs the same; without ``equal``, as the frequencies of its levels multiply to.
    Raises :class:`NotMeasurableError` for a concept with one value, with too many, or missing ones, and for thin cells.
    """
    levels, codes, chances = [], [], []
    for name in names:
        if name not in concepts.columns:
            raise unknown_name("concept", name, map(str, concepts.columns))
        try:
            code, found = pd.factorize(plain(concepts[name]), sort=True)
        except NotMeasurableError as error:
            raise NotMeasurableError(f"concept {name!r}: {error}.") from None
        if (code < 0).any():
            raise NotMeasurableError(f"concept {name!r} is missing in {int((code < 0).sum())} rows.")
        if not 2 <= len(found) <= MOST_LEVELS:
            takes = f"{len(found)} values" if len(found) > 1 else f"one value ({', '.join(map(str, found))})"
            advice = "it must vary" if len(found) < 2 else "bin it into a few classes first"
            raise NotMeasurableError(f"concept {name!r} takes {takes}; expected 2 to {MOST_LEVELS} values: {advice}.")
        levels.append(tuple(map(str, found)))
        codes.append(code)
        count = np.bincount(code, minlength=len(found))
        chances.append(np.full(len(found), 1 / len(found)) if equal else count / len(code))
    sizes = [len(level) for level in levels]
    if math.prod(sizes) > len(concepts):
        raise NotMeasurableError(
            f"{math.prod(sizes)} combinations of {', '.join(names)} but {len(concepts)} rows; name fewer proxies."
        )
    cells = np.array(list(itertools.product(*map(range, sizes))), dtype=np.int64)
    weight = np.prod([chance[cells[:, i]] for i, chance in enumerate(chances)], axis=0)
    design = Design(tuple(names), tuple(levels), cells, weight)
    cell = np.ravel_multi_index(codes, sizes).astype(np.int64)
    filled = np.bincount(cell, minlength=len(cells))
    if (thin := int(filled.argmin())) >= 0 and filled[thin] < FEWEST:
        held = f"{filled[thin]} row{'' if filled[thin] == 1 else 's'}"
        raise NotMeasurableError(
            f"the combination {design.name(thin)} has {held}; expected at least {FEWEST}, or the concepts cannot be "
            "told apart. Give more rows in which they are independent."
        )
    return design, cell


def sums_of(centred: Floats, cells: int, cell: NDArray[np.int64]) -> Floats:
    """Count, sum and sum of squares of every cell, ``[K, 3]``."""
    weights = (np.ones_like(centred), centred, np.square(centred))
    return np.stack([np.bincount(cell, weights=w, minlength=cells) for w in weights], -1)


def cell_sums(values: Floats, design: Design, cell: NDArray[np.int64], groups: NDArray[np.int64]) -> CellSums:
    """Sums per group and cell of ``values`` ``[n]``."""
    number, group = np.unique(groups, return_inverse=True)
    cells = len(design.weight)
    sums = sums_of(values - values.mean(), len(number) * cells, group * cells + cell)
    size = float(np.abs(values).max()) * (1.0 if _single(values) else EXACT)
    return CellSums(design, sums.reshape(len(number), cells, 3), len(values), size)


def _single(values: Floats) -> bool:
    """Whether values came in single precision: float32 holds them, and they are not all whole numbers."""
    with np.errstate(over="ignore"):
        return np.array_equal(values, values.astype(np.float32)) and not np.array_equal(values, np.round(values))


def measure(
    values: Any,
    concepts: pd.DataFrame,
    groups: Any,
    names: Sequence[str],
    *,
    equal: bool = True,
    called: str = "values",
) -> CellSums:
    """Sums of ``values [n]`` for the ``names`` among the concepts' columns, the intended one first.

    ``groups [n]``: rows that are resampled together (default: each on its own). ``called``: what values are called in
    errors. Raises :class:`ImprintError` for shapes
    that do not fit and :class:`NotMeasurableError` where nothing can be counted.
    """
    given = real_array(called, values)
    value = given.astype(np.float64)
    value = value[:, 0] if value.ndim == 2 and value.shape[1] == 1 else value
    if value.ndim != 1 or len(value) != len(concepts):
        shapes = f"{called} {list(value.shape)}, concepts {len(concepts)} rows"
        raise ImprintError(f"{shapes}; expected the same number of rows, and one value per row.")
    found = groups_of(groups, (len(concepts),), None)
    group = np.arange(len(value)) if found is None else found
    if bad := int((~np.isfinite(value)).sum()):
        raise NotMeasurableError(f"{bad} of {len(value)} {called} are NaN or infinite")
    if (largest := float(np.abs(value).max(initial=0.0))) > LARGEST:
        raise NotMeasurableError(f"{called} reach {largest:.3g}, whose squares cannot be summed: divide them by it")
    if 0 < largest < SMALLEST:
        raise NotMeasurableError(f"{called} reach only {largest:.3g}, whose squares vanish: divide them by it")
    design, cell = design_of(concepts, names, equal=equal)
    return cell_sums(value, design, cell, group)
