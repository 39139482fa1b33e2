"""A run folder as the report reads it: setup, record, findings and artefacts, each of which may be missing.

A report is most wanted when something went wrong, so a missing or damaged file does not end it: the reason is kept in
:attr:`RunData.missing` and stands on the page. Only a folder that is no run at all is an error.
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
from imprint.models.errors import AGAIN, DamagedFileError
from imprint.models.files import DAMAGE, read_json, read_table
from imprint.reports.reading.evidence import Evidence, evidence_of
from imprint.reports.reading.folders import run_folder
from imprint.reports.reading.tables import records
from imprint.reports.words import age_words

TEXT = tuple(name for name, kind in COLUMNS.items() if kind == "string")

UNTAUGHT = ("untrained", "random reward", "random play")
"""Values of ``control`` that name agents which could learn nothing; their seeds are not training seeds of the run."""


@dataclass(frozen=True)
class Arrays:
    """The arrays of one artefact, or the reason why there are none."""

    values: Mapping[str, np.ndarray] = field(default_factory=dict)
    missing: str = ""

    @property
    def subject(self) -> str:
        """Which training seed, world and age the arrays are of, as a sentence; empty when that was not recorded."""
        if not {"seed", "age"} <= self.values.keys():
            return ""
        world = f" of world {int(self.values['world'].flat[0])}" if "world" in self.values else ""
        return f"Training seed {int(self.values['seed'].flat[0])}{world} at {age_words(self.values['age'].flat[0])}."


@dataclass(frozen=True)
class RunData:
    """Everything that a section may read. Text columns of ``findings`` hold ``""`` where a finding has no text."""

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
        """Whether the subjects are agents: by the setup or, when it cannot be read, by the findings."""
        if self.setup:
            return "environment" in self.setup
        return bool(self.findings["analysis"].isin(("behaviour", "causal")).any())

    @property
    def study(self) -> str:
        """What a study is of: ``world``, ``labels`` or ``agents``; empty for runs that train their own subjects."""
        return str(self.setup.get("study") or "")

    @property
    def unit(self) -> str:
        """What ages count: experiences, or what a study says."""
        return str(self.setup.get("unit") or "experiences")

    @property
    def intended(self) -> str:
        """The concept or goal that the author of the reward meant; empty when the setup does not say."""
        return str(self.setup.get("intended") or "")

    @property
    def proxies(self) -> list[str]:
        """What went along with the intended concept in training."""
        return _names(self.setup.get("proxies"))

    @cached_property
    def concepts(self) -> list[str]:
        """Concepts in the order of the page: intended, proxies, others of the setup, others of the findings."""
        named = self.findings[self.findings["analysis"] != "worlds"]["concept"].unique()
        found = [name for name in named if not name.startswith("(")]
        listed = [self.intended, *self.proxies, *_names(self.setup.get("concepts")), *found]
        return [name for name in dict.fromkeys(listed) if name]

    @cached_property
    def goals(self) -> dict[str, str]:
        """The intended concept or goal and the proxies -> ``intended`` or ``proxy``."""
        goals = dict.fromkeys(self.proxies, "proxy")
        return {self.intended: "intended", **goals} if self.intended else goals

    @cached_property
    def roles(self) -> dict[str, str]:
        """Concepts that can be read and belong to the question -> their role in words.

        Of agents, the goals are things to reach, and the concepts are the facts about them (``coin_cell`` of ``coin``).
        """
        if not self.agents:
            return self.goals
        facts = [(fact, goal) for goal in self.goals for fact in self.concepts if fact.startswith(f"{goal}_")]
        return {fact: f"about the {self.goals[goal]} goal" for fact, goal in facts}

    @cached_property
    def ages(self) -> list[int]:
        """Ages with any finding, in experiences, birth first."""
        return sorted(int(age) for age in self.findings["age"].dropna().unique())

    @cached_property
    def seeds(self) -> list[int]:
        """Training seeds with any finding of their own, else those of the record."""
        own = self.findings[~self.findings["control"].isin(UNTAUGHT)]
        found = sorted(int(seed) for seed in own["seed"].dropna().unique())
        recorded = self.record.get("seeds")
        return found or list(range(recorded if isinstance(recorded, int) else 0))

    @property
    def worlds(self) -> int:
        """How many worlds the seeds grew up in."""
        return max(int(self.findings["world"].nunique()), 1)

    def constants(self, world: int = 0) -> dict[str, str]:
        """What was drawn in a world, such as who the caregiver is; empty where nothing was."""
        rows = self.rows("worlds", "constant")
        return {row.concept: row.why for row in records(rows[rows["world"] == world])}

    @cached_property
    def evidence(self) -> Evidence:
        """The level of evidence, and what was checked."""
        return evidence_of(self.path, None if "findings.parquet" in self.missing else self.findings)

    def part(self, name: str) -> dict[str, Any]:
        """A part of the setup that is a mapping; empty when the setup has no such part."""
        part = self.setup.get(name)
        return part if isinstance(part, dict) else {}

    @cached_property
    def failures(self) -> list[tuple[str, str]]:
        """Cells that failed, as (cell, error): those of the record, else those of the findings."""
        failed = self.record.get("failed")
        if isinstance(failed, list) and failed:
            return [(str(one.get("cell")), str(one.get("error"))) for one in failed if isinstance(one, dict)]
        rows = records(self.findings[self.findings["metric"] == "failed_cell"])
        return [(row.control, row.why) for row in rows]

    def rows(self, analysis: str, metric: str, *, control: str | None = None) -> pd.DataFrame:
        """All rows of one metric, over seeds and per seed; ``control=""`` keeps those that are no comparison."""
        table = self.findings
        wanted = (table["analysis"] == analysis) & (table["metric"] == metric)
        if control is not None:
            wanted &= table["control"] == control
        return table[wanted]

    def pooled(self, analysis: str, metric: str, *, control: str | None = None) -> pd.DataFrame:
        """Rows over all seeds; the rows of the only training seed when there are none over seeds."""
        rows = self.rows(analysis, metric, control=control)
        over = rows[rows["seed"].isna()]
        return rows if over.empty and rows["seed"].nunique() == 1 else over

    def per_seed(self, analysis: str, metric: str, *, control: str | None = None) -> pd.DataFrame:
        """Rows of single training seeds."""
        rows = self.rows(analysis, metric, control=control)
        return rows[rows["seed"].notna()]

    def both(self, analysis: str, metric: str, *, control: str | None = None) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Rows over all seeds, and rows of single seeds."""
        return self.pooled(analysis, metric, control=control), self.per_seed(analysis, metric, control=control)

    def arrays(self, name: str, required: tuple[str, ...]) -> Arrays:
        """Arrays of ``artefacts/<name>.npz``, never unpickled; says why when they cannot be had."""
        file = f"artefacts/{name}.npz"
        if not (self.path / file).is_file():
            return Arrays(missing=f"{file} is not in the run folder")
        try:
            with np.load(self.path / file, allow_pickle=False) as stored:
                values = {key: np.asarray(stored[key]) for key in stored.files}
        except OSError as error:
            return Arrays(missing=f"{file} cannot be read ({error})")
        except DAMAGE as error:
            return Arrays(missing=f"{file} cannot be read: the file is damaged ({error})")
        if lacking := [key for key in required if key not in values]:
            return Arrays(missing=f"{file} holds no array called {lacking[0]!r}")
        return Arrays(values)


def _names(value: Any) -> list[str]:
    return [str(name) for name in value] if isinstance(value, list | tuple) else []


def load_run(run: object) -> RunData:
    """A run given as a folder, as anything with a ``path``, or as it was read before."""
    if isinstance(run, RunData):
        return run
    path = run_folder(run)
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
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
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
    if not path.exists():
        return f"{path.name} is not in the run folder"
    told = " ".join(str(error).removeprefix(f"{path} ").removesuffix(AGAIN).split()).rstrip(".")
    return f"{path.name} {told}" if told.startswith(("cannot", "was")) else f"{path.name} cannot be read: {told}"
