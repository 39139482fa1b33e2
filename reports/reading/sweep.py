"""The folder of a sweep as its page reads it: what was varied, and the table of cells. Knows no torch.

``sweep.json`` says what was swept, ``cells.parquet`` has a row per cell. Both are needed and have to fit each other:
a value that is not in the grid, or a combination that stands there twice, is an error that names it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, ValidationError

from imprint.analyses.effects_of_settings.cells import Swept, swept
from imprint.analyses.verdicts import UNDETERMINED
from imprint.models.errors import DamagedFileError
from imprint.models.files import read_json, read_table
from imprint.reports.reading.folders import SWEEP, run_folder

CELLS, SECONDS = "cells.parquet", "seconds.parquet"
PROBABILITY = "probability|"
"""What stands before a word in the name of the column with its probability."""


class _Record(BaseModel):
    """``sweep.json``; whatever else it holds is shown with the settings."""

    model_config = ConfigDict(extra="allow")

    base: str | dict[str, Any] = ""
    grid: dict[str, list[Any]]
    raised: list[str] = []


@dataclass(frozen=True)
class SweepData:
    """A sweep, read whole."""

    path: Path
    record: Mapping[str, Any]
    """``sweep.json``."""
    cells: Swept

    @property
    def folder(self) -> str:
        """Name of the folder, ``<setup>-sweep-<hash>``."""
        return self.path.resolve().name

    @property
    def setup(self) -> Mapping[str, Any]:
        """The resolved base setup; empty when its name alone was stored."""
        given = self.record.get("base")
        return given if isinstance(given, dict) else {}

    @property
    def name(self) -> str:
        """Name of the base setup."""
        given = self.setup.get("name") or self.record["base"]
        return given if isinstance(given, str) and given else self.folder.partition("-sweep-")[0]

    @property
    def verdicts(self) -> pd.Series:
        """The verdict of every cell; empty for one that failed."""
        said: pd.Series = self.cells.frame["verdict"].fillna("").astype(str)
        return said.mask(self.cells.failed, "")

    @cached_property
    def states(self) -> list[str]:
        """``failed``, ``diverged`` (every seed, so that nothing was judged), ``undetermined`` or empty, per cell."""
        frame, verdicts = self.cells.frame, self.verdicts
        seeds, lost = (_counts(frame, name) for name in ("seeds", "diverged"))
        gone = (lost > 0) & ((lost >= seeds) | (verdicts == "").to_numpy())
        open_ = (verdicts == UNDETERMINED).to_numpy()
        named = np.select([gone, self.cells.failed, open_], ["diverged", "failed", UNDETERMINED], "")
        return [str(state) for state in named]

    @property
    def partly_diverged(self) -> list[int]:
        """How many seeds of every cell diverged."""
        return [int(count) if np.isfinite(count) else 0 for count in _counts(self.cells.frame, "diverged")]

    @property
    def words(self) -> list[str]:
        """Words with a probability of their own, ``intended`` first, then in the order of the table."""
        found = [str(name)[len(PROBABILITY) :] for name in self.cells.frame if str(name).startswith(PROBABILITY)]
        return sorted(found, key=lambda word: word != "intended")

    @property
    def lives(self) -> int:
        """How many training runs there were; 0 when that was not recorded."""
        given = self.record.get("lives")
        return given if isinstance(given, int) else len(np.unique(self.cells.lives)) * self.seeds[1]

    @property
    def seeds(self) -> tuple[int, int]:
        """Fewest and most training seeds of a cell that did not fail; (0, 0) when that was not recorded."""
        known = _counts(self.cells.frame, "seeds")[~self.cells.failed]
        known = known[np.isfinite(known)]
        return (int(known.min()), int(known.max())) if len(known) else (0, 0)


def load_sweep(folder: object) -> SweepData:
    """Read the folder of a sweep, given as a path or as anything with a ``path``.

    Raises :class:`ImprintError` when there is no such folder, or a file in it is missing, damaged or does not fit.
    """
    path = run_folder(folder)
    for name in (SWEEP, CELLS):
        if not (path / name).is_file():
            raise DamagedFileError(
                f"{path / name} is missing, so this is not a sweep that came to its end. Sweep again with "
                "`imprint sweep` and the same grid; it goes on from what is finished."
            )
    try:
        record = _Record.model_validate(read_json(path / SWEEP))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(key) for key in first["loc"]) or "the whole file"
        raise DamagedFileError(f"{path / SWEEP} is damaged: {where}: {first['msg']}.") from None
    frame = read_table(path / CELLS)
    if frame.empty:
        raise DamagedFileError(f"{path / CELLS} holds no cell, so there is nothing to report.")
    if "seconds" not in frame and (path / SECONDS).is_file():
        frame = frame.merge(read_table(path / SECONDS), on="cell", how="left")
    return SweepData(path, record.model_dump(), swept(frame, record.grid, raised=record.raised))


def _counts(frame: pd.DataFrame, name: str) -> np.ndarray:
    if name not in frame:
        return np.full(len(frame), np.nan)
    return np.asarray(pd.to_numeric(frame[name], errors="coerce"), dtype=np.float64)
