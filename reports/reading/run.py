"""A run folder as the report reads it: setup, record, findings and artefacts, each of which may be missing.

A report is most wanted when something went wrong, so nothing here gives up on a missing or damaged file: the reason is
kept in :attr:`RunData.missing` and ends on the page. Only a folder that is no run at all is an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from imprint.analyses.findings import COLUMNS
from imprint.models.errors import DamagedFileError, unknown_name
from imprint.models.files import DAMAGE, read_json, read_table
from imprint.reports.reading.tables import records

TEXT = tuple(name for name, kind in COLUMNS.items() if kind == "string")

UNTAUGHT = ("untrained", "random reward")
"""Values of ``control`` that name agents which could learn nothing; their seeds are not training seeds of the run."""


@dataclass(frozen=True)
class Arrays:
    """The arrays of one artefact, or the reason why there are none."""

    values: Mapping[str, np.ndarray] = field(default_factory=dict)
    missing: str = ""


@dataclass(frozen=True)
class RunData:
    """Everything a section may read. Text columns of ``findings`` hold ``""`` where nothing was said."""

    path: Path
    setup: dict[str, Any]
    setup_text: str
    record: dict[str, Any]
    findings: pd.DataFrame
    missing: dict[str, str]
    """File name -> why it could not be read."""

    @property
    def name(self) -> str:
        """Folder name of the run, ``<setup>-<hash>``."""
        return self.path.resolve().name

    @property
    def agents(self) -> bool:
        """Whether agents were raised: the setup says so, or, when it cannot be read, the findings do."""
        if self.setup:
            return "environment" in self.setup
        return bool(self.findings["analysis"].isin(("behaviour", "causal")).any())

    @property
    def intended(self) -> str:
        """The concept the author of the reward meant; empty when the setup does not say."""
        return str(self.setup.get("intended") or "")

    @property
    def proxies(self) -> list[str]:
        """What went along with the intended concept in training."""
        return [str(name) for name in _sequence(self.setup.get("proxies"))]

    @cached_property
    def concepts(self) -> list[str]:
        """Concepts in the order of the page: intended, proxies, others of the setup, others found. No ``(parts)``."""
        found = [name for name in self.findings["concept"].unique() if name and not name.startswith("(")]
        others = [str(name) for name in _sequence(self.setup.get("concepts"))]
        return [name for name in dict.fromkeys([self.intended, *self.proxies, *others, *found]) if name]

    @cached_property
    def roles(self) -> dict[str, str]:
        """Concepts of the question -> their role in words: the intended one and the proxies.

        With agents these are things to pursue, and the concepts are the facts about them (``coin_cell`` for ``coin``).
        """
        named = [(self.intended, "intended"), *((name, "proxy") for name in self.proxies)]
        goals = {name: role for name, role in named if name}
        if not self.agents:
            return goals
        facts = [(fact, name) for name in goals for fact in self.concepts if fact.startswith(f"{name}_")]
        return {fact: f"about the {goals[name]} goal" for fact, name in facts}

    @cached_property
    def ages(self) -> list[int]:
        """Ages with any finding, in experiences, birth first."""
        return sorted(int(age) for age in self.findings["age"].dropna().unique())

    @cached_property
    def seeds(self) -> list[int]:
        """Training seeds with any finding of their own, else those of the record."""
        own = self.findings[~self.findings["control"].isin(UNTAUGHT)]
        found = sorted(int(seed) for seed in own["seed"].dropna().unique())
        listed = self.record.get("seeds")
        recorded = range(listed) if isinstance(listed, int) else _sequence(listed)
        return found or [seed for seed in recorded if isinstance(seed, int)]

    def part(self, name: str) -> dict[str, Any]:
        """A part of the setup that is a mapping; empty when the setup has no such part."""
        part = self.setup.get(name)
        return part if isinstance(part, dict) else {}

    @property
    def failed_cells(self) -> list[dict[str, str]]:
        """Pieces of work that failed: ``cell`` and ``error``."""
        for key in ("failed_cells", "failed"):
            if isinstance(cells := self.record.get(key), list) and cells:
                return [_failure(cell) for cell in cells]
        rows = records(self.findings[self.findings["metric"] == "failed_cell"])
        return [_failure({"cell": row.control, "error": row.why}) for row in rows]

    def rows(self, analysis: str, metric: str, *, control: str | None = None) -> pd.DataFrame:
        """All rows of one metric, over seeds and per seed; ``control=""`` keeps those that are no comparison."""
        table = self.findings
        keep = (table["analysis"] == analysis) & (table["metric"] == metric)
        if control is not None:
            keep &= table["control"] == control
        return table[keep]

    def pooled(self, analysis: str, metric: str, *, control: str | None = None) -> pd.DataFrame:
        """Rows over all seeds; with a single training seed, whose rows may not be repeated, that seed's rows."""
        rows = self.rows(analysis, metric, control=control)
        over = rows[rows["seed"].isna()]
        return rows if over.empty and rows["seed"].nunique() == 1 else over

    def per_seed(self, analysis: str, metric: str, *, control: str | None = None) -> pd.DataFrame:
        """Rows of single training seeds."""
        rows = self.rows(analysis, metric, control=control)
        return rows[rows["seed"].notna()]

    def arrays(self, name: str, required: tuple[str, ...]) -> Arrays:
        """Arrays of ``artefacts/<name>.npz``, never unpickled; says why when they cannot be had."""
        path = self.path / "artefacts" / f"{name}.npz"
        if not path.is_file():
            return Arrays(missing=f"{path.parent.name}/{path.name} is not in the run folder")
        try:
            with np.load(path, allow_pickle=False) as file:
                values = {key: np.asarray(file[key]) for key in file.files}
        except OSError as error:
            return Arrays(missing=f"{path.parent.name}/{path.name} cannot be read ({error})")
        except DAMAGE as error:
            return Arrays(missing=f"{path.parent.name}/{path.name} cannot be read: the file is damaged ({error})")
        if lacking := [key for key in required if key not in values]:
            return Arrays(missing=f"{path.parent.name}/{path.name} holds no array called {lacking[0]!r}")
        return Arrays(values)


def _sequence(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else []


def _failure(cell: Any) -> dict[str, str]:
    if isinstance(cell, Mapping):
        return {"cell": str(cell.get("cell", "?")), "error": str(cell.get("error", "no reason recorded"))}
    return {"cell": str(cell), "error": "no reason recorded"}


def load_run(run: object) -> RunData:
    """Read a run given as a folder, or as anything with a ``path``."""
    path = Path(str(getattr(run, "path", run)))
    if not path.is_dir():
        near = [item.name for item in path.parent.iterdir() if item.is_dir()] if path.parent.is_dir() else []
        raise unknown_name("run folder", path.name, near, advice=f"Looked in {path.parent}.")
    missing: dict[str, str] = {}
    setup_text, setup = _setup(path / "setup.yaml", missing)
    findings = _findings(path / "findings.parquet", missing)
    if {"setup.yaml", "findings.parquet"} <= missing.keys():
        raise DamagedFileError(
            f"{path} is not a run that can be reported: {missing['setup.yaml']}; {missing['findings.parquet']}. "
            "Give the folder that `imprint run` wrote."
        )
    return RunData(path, setup, setup_text, _record(path / "run.json", missing), findings, missing)


def _setup(path: Path, missing: dict[str, str]) -> tuple[str, dict[str, Any]]:
    text = ""
    try:
        text = path.read_text(encoding="utf-8")
        data = yaml.safe_load(text)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        missing[path.name] = _reason(path, error)
        return text, {}
    if not isinstance(data, dict):
        missing[path.name] = f"{path.name} holds {type(data).__name__}, not a mapping"
        return text, {}
    return text, data


def _record(path: Path, missing: dict[str, str]) -> dict[str, Any]:
    try:
        data = read_json(path)
    except DamagedFileError as error:
        missing[path.name] = _reason(path, error)
        return {}
    return data if isinstance(data, dict) else {}


def _findings(path: Path, missing: dict[str, str]) -> pd.DataFrame:
    try:
        table = read_table(path).reindex(columns=list(COLUMNS)).astype(COLUMNS)
    except (DamagedFileError, TypeError, ValueError) as error:
        missing[path.name] = _reason(path, error)
        table = pd.DataFrame(columns=list(COLUMNS)).astype(COLUMNS)
    return table.assign(**{name: table[name].fillna("").astype(object) for name in TEXT}).reset_index(drop=True)


def _reason(path: Path, error: Exception) -> str:
    return f"{path.name} is not in the run folder" if not path.exists() else f"{path.name} cannot be read ({error})"
