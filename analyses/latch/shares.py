"""How much of a value's variance belongs to each concept, on a balanced design.

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

Intervals resample whole groups: cell sums per group are kept, so a resample is a matrix product. A resample carries the
noise of the sample it was drawn from besides its own, so the noise is subtracted twice there. Over training seeds the
bootstrap draws seeds, and one set of groups for all of them.

Letters: n rows, K cells, C concepts, G groups, R resamples, S seeds.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from imprint.analyses.statistics import Floats, group_weights, interval, merged, seed_draws
from imprint.models.errors import ImprintError, NotMeasurableError, unknown_name
from imprint.probes.samples.arrays import real_array

INTERACTION, RESIDUAL = "(interaction)", "(residual)"
FEWEST = 5
"""Minimum number of rows of a cell."""
MOST_LEVELS = 12
"""Maximum number of values of a concept."""
CONSTANT = 1e-6
"""A value whose spread is below this part of its size (single precision) is constant."""


@dataclass(frozen=True)
class Design:
    """The combinations of the concepts' values, with their probabilities."""

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
        """A cell by the values of its concepts."""
        return ", ".join(f"{c} = {self.levels[i][self.cells[cell, i]]}" for i, c in enumerate(self.concepts))


@dataclass(frozen=True)
class CellSums:
    """Sums over groups of rows, from which shares follow."""

    design: Design
    sums: Floats
    """``[G, K, 3]`` count, sum and sum of squares of the centred value, per group and cell."""
    rows: int
    """n"""
    scale: float
    """Largest absolute value before centring."""

    def replicates(self, resamples: int, rng: np.random.Generator) -> Floats:
        """Shares ``[R, C + 2]`` of group resamples; NaN throughout when there are fewer than two groups."""
        if len(self.sums) < 2:
            return np.full((resamples, len(self.design.concepts) + 2), np.nan)
        return _shares(self.design, self.resampled(resamples, rng), noise=2.0)

    def resampled(self, resamples: int, rng: np.random.Generator) -> Floats:
        """Cell sums ``[R, K, 3]`` of group resamples; the same ``rng`` state and groups give the same draws."""
        groups = merged(self.sums, rng)
        weights = group_weights(len(groups), resamples, rng)
        return (weights @ groups.reshape(len(groups), -1)).reshape(resamples, *groups.shape[1:])

    @property
    def constant(self) -> bool:
        """Whether the value is the same everywhere."""
        count, total, squares = self.sums.sum((0, 1))
        return bool(np.sqrt(max(squares / count - (total / count) ** 2, 0.0)) <= CONSTANT * max(self.scale, 1e-30))

    @property
    def shares(self) -> Floats:
        """``[C + 2]`` shares of the concepts, the interaction and the residual."""
        return _shares(self.design, self.sums.sum(0), noise=1.0)


@dataclass(frozen=True)
class Shares:
    """Variance shares with intervals."""

    table: pd.DataFrame
    """concept, share, low, high; the last two rows are ``(interaction)`` and ``(residual)``."""
    sums: CellSums | None
    """What pooling over seeds needs; ``None`` when nothing could be counted."""
    why: str
    """Why shares are NaN, or empty."""


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


def _shares(design: Design, sums: Floats, *, noise: float) -> Floats:
    main, between, within = parts(design, sums, noise=noise)
    whole = between + within
    columns = np.concatenate([main, (between - main.sum(-1))[..., None], within[..., None]], -1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(whole[..., None] > 0, columns / whole[..., None], np.nan))


def design_of(concepts: pd.DataFrame, names: Sequence[str], *, equal: bool = False) -> tuple[Design, NDArray[np.int64]]:
    """The cells of some concepts, and the cell of each row ``[n]``.

    Cell probabilities are products of the concepts' frequencies in the sample, or with ``equal`` of 1 / levels.
    Raises :class:`NotMeasurableError` for a concept with one value, with too many, or missing ones, and for thin cells.
    """
    levels, codes, chances = [], [], []
    for name in names:
        if name not in concepts.columns:
            raise unknown_name("concept", name, map(str, concepts.columns))
        code, values = pd.factorize(concepts[name], sort=True)
        if (code < 0).any():
            raise NotMeasurableError(f"concept {name!r} is missing in {int((code < 0).sum())} rows.")
        if not 2 <= (count := len(values)) <= MOST_LEVELS:
            advice = "it must vary" if count < 2 else "bin it into a few classes first"
            raise NotMeasurableError(f"concept {name!r} takes {count} values; expected 2 to {MOST_LEVELS}: {advice}.")
        levels.append(tuple(map(str, values)))
        codes.append(code)
        chances.append(np.full(count, 1 / count) if equal else np.bincount(code, minlength=count) / len(code))
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
    if filled[thin := int(filled.argmin())] < FEWEST:
        raise NotMeasurableError(
            f"the combination {design.name(thin)} has {filled[thin]} rows; expected at least {FEWEST}, or the concepts "
            "cannot be told apart. Give more rows in which they are independent."
        )
    return design, cell


def cell_sums(values: Floats, design: Design, cell: NDArray[np.int64], groups: NDArray[np.int64]) -> CellSums:
    """Sums of ``values`` ``[n]`` per group and cell; ``cell`` and ``groups`` ``[n]`` say where each row belongs."""
    centred, cells = values - values.mean(), len(design.weight)
    names, group = np.unique(groups, return_inverse=True)
    index, size = group * cells + cell, len(names) * cells
    columns = [np.bincount(index, weights=w, minlength=size) for w in (np.ones_like(centred), centred, centred**2)]
    sums = np.stack(columns, -1).reshape(len(names), cells, 3)
    return CellSums(design, sums.astype(np.float64), len(values), float(np.abs(values).max()))


def shares_only(
    values: NDArray[np.floating],
    concepts: pd.DataFrame,
    groups: NDArray[np.integer] | None = None,
    *,
    intended: str,
    proxies: Sequence[str],
    resamples: int = 1000,
    seed: int = 0,
    equal: bool = False,
) -> Shares:
    """Shares of ``values`` ``[n]`` for concepts ``[n rows]``; what cannot be measured is NaN with its reason.

    ``groups`` ``[n]``: rows that are resampled together (default: each on its own). ``equal``: weigh all cells equally
    (for tables whose concepts are correlated), instead of by the concepts' own frequencies.
    """
    names = (intended, *proxies)
    value = real_array("values", values).astype(np.float64)
    group = np.arange(len(value)) if groups is None else pd.factorize(np.asarray(groups))[0]
    if value.ndim != 1 or not len(value) == len(concepts) == len(group):
        shapes = f"values {list(value.shape)}, concepts {len(concepts)} rows, groups {len(group)}"
        raise ImprintError(f"{shapes}; expected the same number of rows, and one value per row.")
    if bad := int((~np.isfinite(value)).sum()):
        return Shares(_table(names), None, f"{bad} of {len(value)} values are NaN or infinite")
    try:
        design, cell = design_of(concepts, names, equal=equal)
    except NotMeasurableError as error:
        return Shares(_table(names), None, f"not measurable: {error}")
    sums = cell_sums(value, design, cell, group)
    if sums.constant:
        return Shares(_table(names), sums, "not measurable: the value is constant")
    why = "" if len(sums.sums) >= 2 else "all rows are in one group, so there is no interval"
    return Shares(_table(names, sums.shares, sums.replicates(resamples, np.random.default_rng(seed))), sums, why)


def _table(names: Sequence[str], estimate: Floats | None = None, draws: Floats | None = None) -> pd.DataFrame:
    """Estimates ``[C + 2]`` with the intervals of ``draws`` ``[R, C + 2]``; NaN without them."""
    rows = (*names, INTERACTION, RESIDUAL)
    share = np.full(len(rows), np.nan) if estimate is None else estimate
    low, high = (share, share) if draws is None else np.array([interval(column) for column in draws.T]).T
    return pd.DataFrame({"concept": rows, "share": share, "low": low, "high": high})


def pooled(estimates: Floats, draws: Floats, rng: np.random.Generator) -> tuple[Floats, Floats, Floats]:
    """Mean over seeds of ``estimates [S, Q]`` and the interval from group resamples ``draws [S, R, Q]``.

    Resample r draws seeds with replacement and takes resample r of the groups in each: seeds that were examined on
    the same groups (and resampled alike) share what is easy or hard about them. One seed: groups alone.
    """
    seeds, resamples, _ = draws.shape
    seed = seed_draws(seeds, resamples, rng)
    mean = draws[seed, np.arange(resamples)[:, None]].mean(1)
    bounds = np.array([interval(mean[:, q]) for q in range(mean.shape[1])])
    return estimates.mean(0), bounds[:, 0], bounds[:, 1]
