"""The rows on which a value is examined, everything that is known of them, and how they can be changed.

Facts are columns of one table: the concepts of a world, and the columns of its noise (``light[0]`` of the entry
``light``), or the labels of a table. An entry of noise with more than ``NAMED`` columns is called diffuse: none of its
columns means anything by itself, as in pixel noise, so that its columns are no facts, and only the entry is changed.

Letters: n rows, L levels.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from pandas.api.types import is_bool_dtype, is_numeric_dtype
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.model_selection import GroupKFold, cross_val_predict
from torch import Tensor

from imprint.analyses.latch.shares import FEWEST, MOST_LEVELS
from imprint.analyses.statistics import Floats
from imprint.models.errors import unknown_name
from imprint.models.worlds.base import Batch, World
from imprint.probes.samples.controls import Ints

NAMED = 8
"""Most columns of an entry of noise that are facts."""
BINS = 8
"""Classes of equal size into which a number is put."""
FOLDS = 5
GROUP = "group"
"""The entry of noise that says which rows belong together, and is shown to nobody."""


@dataclass(frozen=True)
class Changed:
    """The same rows with one thing changed."""

    observation: Tensor
    facts: pd.DataFrame


@dataclass(frozen=True)
class Ground:
    """Rows, facts, and what can be changed."""

    facts: pd.DataFrame
    """``[n]`` rows; declared concepts and everything else."""
    declared: tuple[str, ...]
    """The intended concept, then the proxies."""
    groups: Ints
    """``[n]`` rows that are drawn together."""
    observation: Tensor | None = None
    """``[n, ...]``; None for a table."""
    changes: Mapping[str, Callable[[torch.Generator], Changed]] = field(default_factory=dict)
    """Factor or entry of noise -> all rows with another value of it, and everything else kept."""
    diffuse: tuple[str, ...] = ()
    """Entries of noise whose columns are no facts."""
    randomised: bool = False
    """Whether all facts were drawn at random, or follow from ones that were."""

    def __post_init__(self) -> None:
        for name in self.declared:
            if name not in self.facts:
                raise unknown_name("concept", name, map(str, self.facts.columns))

    @classmethod
    def of_world(cls, world: World, batch: Batch, declared: tuple[str, ...]) -> Ground:
        """The balanced rows of a world; all factors and all noise can be changed."""
        columns, diffuse = noise_columns(batch.noise, set(map(str, batch.concepts.columns)))
        changes: dict[str, Callable[[torch.Generator], Changed]] = {}
        for name in world.factors:
            if len(world.factors[name]) > 1:
                changes[name] = partial(_with_factor, world, batch, name)
        for name in batch.noise:
            if name != GROUP and name not in changes:
                changes[name] = partial(_with_noise, world, batch, name)
        facts = batch.concepts.reset_index(drop=True).assign(**columns)
        return cls(facts, declared, batch.groups, batch.observation, changes, diffuse, randomised=True)

    def __len__(self) -> int:
        return len(self.facts)

    @property
    def undeclared(self) -> tuple[str, ...]:
        """Facts that nobody asked about."""
        return tuple(str(name) for name in self.facts.columns if name not in self.declared)

    @cached_property
    def codes(self) -> dict[str, tuple[Ints, tuple[str, ...]]]:
        """Fact -> level ``[n]`` and names of the levels; without facts that do not vary or have too many classes."""
        found = {str(name): coded(self.facts[name]) for name in self.facts.columns}
        return {name: code for name, code in found.items() if code is not None}

    def declared_columns(self, explained: Floats) -> tuple[Floats, Floats]:
        """Columns ``[n, k]`` that are erased to erase the declared concepts, and those that take them out of numbers.

        Both are one per combination of levels; of concepts with too many the numbers themselves, and their bins, beside
        what they ``explained`` ``[n]`` of the value.
        """
        declared = self.facts[list(self.declared)]
        cells = pd.factorize(declared.astype(str).agg("|".join, axis=1))[0]
        if (cells.max() + 1) * FEWEST <= len(cells):
            return (np.eye(cells.max() + 1)[cells],) * 2
        bins = [np.eye(len(self.codes[name][1]))[self.codes[name][0]] for name in declared if name in self.codes]
        numbers = np.nan_to_num(_numbers(declared))
        return np.column_stack([numbers, explained]), np.column_stack([*bins, explained])

    def beyond(self, values: Floats) -> Beyond:
        """What of ``values [n]`` the declared concepts do not explain."""
        return Beyond.of(values, self.facts[list(self.declared)], self.groups)


@dataclass(frozen=True)
class Beyond:
    """What is left of a value when all that the declared concepts explain, in any combination, is taken out."""

    rest: Floats
    """``[n]``"""
    explained: Callable[[pd.DataFrame], Floats]
    """What declared concepts explain of the value of other rows."""

    @classmethod
    def of(cls, values: Floats, declared: pd.DataFrame, groups: Ints) -> Beyond:
        """From means of all combinations of the concepts; out of fold from boosted trees where these are too many."""
        table = declared.astype(str)
        if table.drop_duplicates().shape[0] * FEWEST <= len(values):
            key = list(table.columns)
            means = pd.Series(values).groupby([table[name] for name in key], sort=False).mean()
            centre = float(values.mean())

            def of_cell(rows: pd.DataFrame) -> Floats:
                rows = rows[key].astype(str)
                index = rows[key[0]] if len(key) == 1 else pd.MultiIndex.from_frame(rows)
                return np.asarray(means.reindex(index).fillna(centre), dtype=np.float64)

            return cls(values - of_cell(declared), of_cell)
        numbers, fitted = _numbers(declared), HistGradientBoostingRegressor(min_samples_leaf=20, random_state=0)
        folds = min(FOLDS, len(np.unique(groups)))
        held_out = cross_val_predict(fitted, numbers, values, groups=groups, cv=GroupKFold(folds))
        whole = fitted.fit(numbers, values)
        return cls(values - held_out, lambda rows: np.asarray(whole.predict(_numbers(rows[list(declared)]))))


def coded(column: pd.Series) -> tuple[Ints, tuple[str, ...]] | None:
    """Level ``[n]`` of each row, and names of the levels: classes, or bins of equal size of a number with many values.

    Nothing for a column with one level, and for texts with more than ``MOST_LEVELS``. A missing value is a level.
    """
    if _many(column):
        if not is_numeric_dtype(column):
            return None
        numbers = column.to_numpy(dtype=np.float64)
        known = np.isfinite(numbers)
        edges = (
            np.unique(np.quantile(numbers[known], np.linspace(0, 1, BINS + 1)[1:-1])) if known.any() else np.zeros(0)
        )
        code = np.where(known, np.searchsorted(edges, numbers, side="right"), len(edges) + 1)
        ends = [f"{edge:.3g}" for edge in edges]
        names = [f"below {ends[0]}", *(f"{a} to {b}" for a, b in itertools.pairwise(ends)), f"from {ends[-1]}"]
        kept, code = np.unique(code, return_inverse=True)
        return code.astype(np.int64), tuple([*names, "missing"][i] for i in kept) if len(kept) > 1 else ()
    code, found = pd.factorize(column.astype(str), sort=True)
    return (code.astype(np.int64), tuple(map(str, found))) if len(found) > 1 else None


def noise_columns(
    noise: Mapping[str, Tensor], taken: set[str]
) -> tuple[dict[str, NDArray[np.generic]], tuple[str, ...]]:
    """Fact -> column ``[n]`` of every entry of noise with few columns, and the names of the others."""
    columns: dict[str, NDArray[np.generic]] = {}
    diffuse = []
    for name, value in noise.items():
        if name == GROUP:
            continue
        flat = value.reshape(len(value), -1).numpy()
        if flat.shape[1] > NAMED:
            diffuse.append(name)
            continue
        label = f"noise {name}" if name in taken else name
        for i in range(flat.shape[1]):
            columns[label if flat.shape[1] == 1 else f"{label}[{i}]"] = flat[:, i]
    return columns, tuple(diffuse)


def _many(column: pd.Series) -> bool:
    return not is_bool_dtype(column) and column.nunique(dropna=False) > MOST_LEVELS


def _numbers(table: pd.DataFrame) -> Floats:
    """Columns as numbers; classes by their names' order."""
    columns = [
        table[name].to_numpy(dtype=np.float64)
        if is_numeric_dtype(table[name])
        else pd.factorize(table[name].astype(str), sort=True)[0].astype(np.float64)
        for name in table
    ]
    return np.column_stack(columns)


def _with_factor(world: World, batch: Batch, name: str, rng: torch.Generator) -> Changed:
    """Every row with another level of a factor, all others equally often."""
    levels = list(world.factors[name])
    place = {level: i for i, level in enumerate(levels)}
    now = torch.tensor([place[level] for level in batch.concepts[name].tolist()])
    step = torch.randint(1, len(levels), (len(now),), generator=rng)
    other = [levels[i] for i in ((now + step) % len(levels)).tolist()]
    changed = world.counterfactual(batch, name, other)
    return Changed(changed.observation, changed.concepts.reset_index(drop=True))


def _with_noise(world: World, batch: Batch, name: str, rng: torch.Generator) -> Changed:
    """Every row with one entry of noise taken from another row."""
    order = torch.randperm(len(batch), generator=rng)
    donor = torch.empty_like(order)
    donor[order] = order.roll(1)
    noise = {**batch.noise, name: batch.noise[name][donor]}
    observation = world.render(batch.concepts[list(world.factors)], noise)
    return Changed(observation, batch.concepts.reset_index(drop=True))
