"""The cells of a sweep: which settings were varied, over which values, and what was measured in every cell.

A cell is one combination of values of the swept keys, judged over training seeds. The combinations are a *fixed* grid
that somebody chose; only the seeds (weights, worlds, noise of the senses) are random. Cells that differ in steering
alone may have been judged on the same lives, so that their errors go together; :attr:`Swept.lives` says which.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from imprint.models.errors import DamagedFileError, unknown_name

NARROWEST = 1e-9
"""Half width of an interval, below which it has none but for rounding."""
NONE = "null"
"""How a setting that is None is called, as on the command line."""


@dataclass(frozen=True)
class Measure:
    """A number that every cell has."""

    name: str
    column: str
    text: str
    """What it is, for axes."""
    ends: tuple[str, str] | None = None
    """Columns of the 95 % interval over seeds; None: a cell has no interval of it."""
    age: bool = False
    """Whether it counts experiences, rather than being a share or a probability."""


MEASURES = {
    one.name: one
    for one in (
        Measure("probability", "probability|intended", "probability of the verdict “intended”"),
        Measure("dominance", "dominance", "dominance of the intended concept", ("dominance_low", "dominance_high")),
        Measure("wanting", "wanting", "wanting of the intended goal", ("wanting_low", "wanting_high")),
        Measure("latch_age", "latch_age", "age from which the verdict’s word leads", age=True),
    )
}
"""Name -> measure, in the order in which they are shown."""


@dataclass(frozen=True)
class Swept:
    """The table of cells, checked: every row one combination, every value one of the grid."""

    frame: pd.DataFrame
    grid: Mapping[str, Sequence[Any]]
    """Key -> values in order: numbers ascending, others as they were given."""
    raised: tuple[str, ...]
    """Keys of which each value has training runs of its own."""
    codes: NDArray[np.int64]
    """Which value of each key a cell has, ``[cells, keys]``."""

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys that were swept."""
        return tuple(self.grid)

    def labels(self, key: str) -> list[str]:
        """The values of a key as text."""
        return [value_text(value) for value in self.grid[key]]

    def ordered(self, key: str) -> bool:
        """Whether the values of a key are numbers, so that something can lie between two of them."""
        return all(_is_number(value) for value in self.grid[key])

    def of(self, key: str) -> NDArray[np.int64]:
        """Which value of one key every cell has, ``[cells]``."""
        return self.codes[:, self.keys.index(key)]

    def combination(self, without: Sequence[str]) -> NDArray[np.int64]:
        """Number of the combination of all keys but those ``without``, per cell ``[cells]``."""
        return self._numbered([key for key in self.keys if key not in without])

    @cached_property
    def lives(self) -> NDArray[np.int64]:
        """Number of the set of training runs that a cell was judged on ``[cells]``."""
        return self._numbered(self.raised)

    @cached_property
    def failed(self) -> NDArray[np.bool_]:
        """Cells that ended with an error ``[cells]``."""
        blank = pd.Series([""] * len(self.frame))
        return np.asarray(self.frame.get("error", blank).fillna("").astype(str) != "")

    def measures(self) -> list[Measure]:
        """The measures that at least one cell has."""
        return [measure for measure in MEASURES.values() if np.isfinite(self.values(measure)).any()]

    def values(self, measure: Measure) -> NDArray[np.float64]:
        """One measure ``[cells]``; NaN where a cell failed or does not have it."""
        if measure.column not in self.frame:
            return np.full(len(self.frame), np.nan)
        return np.where(self.failed, np.nan, _floats(self.frame, measure.column))

    def halves(self, measure: Measure) -> NDArray[np.float64] | None:
        """Half widths of the cells' own 95 % intervals over seeds ``[cells]``; None when no cell has any.

        Seeds that agree wholly, so that the interval has no width, or a single seed, tell nothing about how far seeds
        differ: such a cell gets the median width of the others.
        """
        if measure.ends is None or not set(measure.ends) <= set(self.frame):
            return None
        low, high = (_floats(self.frame, end) for end in measure.ends)
        half = (high - low) / 2
        wide = np.isfinite(half) & (half > NARROWEST)
        return np.where(wide, half, np.median(half[wide])) if wide.any() else None

    def measured_throughout(self, measure: Measure, keys: Sequence[str]) -> NDArray[np.bool_]:
        """Cells whose combination of the other keys was measured at every value (or pair) of ``keys`` ``[cells]``.

        A mean over other cells too would show what another key does as an effect of these.
        """
        known, combination = np.isfinite(self.values(measure)), self.combination(keys)
        counts = np.bincount(combination, known, minlength=int(combination.max(initial=0)) + 1)
        needed = int(np.prod([len(self.grid[key]) for key in keys]))
        return np.asarray(known & (counts[combination] == needed))

    def _numbered(self, keys: Sequence[str]) -> NDArray[np.int64]:
        columns = [self.keys.index(key) for key in keys]
        sizes = [len(self.grid[key]) for key in keys]
        if not columns:
            return np.zeros(len(self.codes), dtype=np.int64)
        return np.asarray(np.ravel_multi_index(tuple(self.codes[:, columns].T), sizes), dtype=np.int64)


def swept(frame: pd.DataFrame, grid: Mapping[str, Sequence[Any]], *, raised: Sequence[str] = ()) -> Swept:
    """The cells of a sweep over ``grid`` (key -> values), one row of ``frame`` each.

    ``raised``: the keys whose values have training runs of their own; without any, all cells shared the same ones.
    Raises :class:`DamagedFileError` for a table that lacks a key or ``verdict``, has values outside the grid, or holds
    one combination twice; :class:`UnknownNameError` for a raised key that was not swept.
    """
    for key in (*grid, "verdict"):
        if key not in frame:
            raise DamagedFileError(f"the table of cells has no column {key!r}; expected one for every swept key.")
    for key in raised:
        if key not in grid:
            raise unknown_name("key of the sweep", key, list(grid))
    ordered = {key: _in_order(values) for key, values in grid.items()}
    codes = [_codes(frame[key], key, values) for key, values in ordered.items()]
    stacked = np.stack(codes, axis=1) if codes else np.zeros((len(frame), 0), dtype=np.int64)
    cells = Swept(frame.reset_index(drop=True), ordered, tuple(raised), stacked)
    if (twice := pd.Series(cells.combination(())).duplicated()).any():
        row = frame.iloc[int(np.flatnonzero(twice)[0])]
        named = ", ".join(f"{key}={value_text(row[key])}" for key in grid)
        raise DamagedFileError(f"the table of cells holds the combination {named} twice; expected every one once.")
    return cells


def value_text(value: Any) -> str:
    """A value of a setting as text: ``0.25``, ``null``, ``true``; the same for 1 and 1.0."""
    if isinstance(value, list | tuple | np.ndarray):
        return str(list(value))
    if value is None or (not isinstance(value, str) and pd.isna(value)):
        return NONE
    if isinstance(value, bool | np.bool_):
        return str(bool(value)).lower()
    return f"{float(value):.12g}" if _is_number(value) else str(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool) and bool(np.isfinite(value))


def _in_order(values: Sequence[Any]) -> list[Any]:
    different = list({value_text(value): value for value in values}.values())
    return sorted(different) if all(_is_number(value) for value in different) else different


def _codes(column: pd.Series, key: str, values: Sequence[Any]) -> NDArray[np.int64]:
    place = {text: i for i, value in enumerate(values) for text in (str(value), value_text(value))}
    texts = [value_text(value) for value in column]
    if strangers := [text for text in texts if text not in place]:
        known = ", ".join(map(value_text, values))
        raise DamagedFileError(f"the table of cells has {key}={strangers[0]}, which is not in the grid ({known}).")
    return np.array([place[text] for text in texts], dtype=np.int64)


def _floats(frame: pd.DataFrame, column: str) -> NDArray[np.float64]:
    return np.asarray(pd.to_numeric(frame[column], errors="coerce"), dtype=np.float64)
