"""A run: a finished (or half-finished) folder, and the sentence it supports."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from imprint.analyses.findings import findings
from imprint.analyses.registration import registration_of
from imprint.analyses.verdicts import UNDETERMINED, scope, sentence, with_odds
from imprint.models.errors import DamagedFileError, ImprintError
from imprint.models.files import parse_yaml, read_record, read_table
from imprint.models.notebook import card, ranged
from imprint.models.setup.agent import AgentSetup
from imprint.models.setup.agent_study import AgentStudySetup
from imprint.models.setup.learner import Setup
from imprint.models.setup.load import load_setup
from imprint.models.setup.naming import digest_of
from imprint.models.setup.study import StudySetup
from imprint.models.store import RunFolder, open_run

TrainedSetup = Setup | AgentSetup
"""A setup whose subjects we train."""
AnySetup = TrainedSetup | StudySetup | AgentStudySetup


@dataclass(frozen=True)
class Run:
    """One run on disk."""

    path: Path
    """Its folder."""

    @classmethod
    def of(cls, path: Path, **read: Any) -> Run:
        """A run whose ``setup`` or ``findings`` are at hand and need not be read from its folder again."""
        run = cls(path)
        vars(run).update(read)
        return run

    @cached_property
    def setup(self) -> AnySetup:
        """The resolved setup it was made with; its hash must be the folder's name."""
        return read_setup(RunFolder(self.path))

    @cached_property
    def findings(self) -> pd.DataFrame:
        """All evidence; columns in :mod:`imprint.analyses.findings`."""
        return findings(read_table(RunFolder(self.path).findings_file))

    @property
    def record(self) -> dict[str, Any]:
        """Versions, machine, times, failures."""
        return read_record(self.path / "run.json")

    def latch_row(self) -> pd.Series | None:
        """The verdict over seeds, or nothing when no seed could be judged."""
        table = self.findings
        rows = table[(table["analysis"] == "latch") & (table["metric"] == "latch") & table["seed"].isna()]
        return None if rows.empty else rows.iloc[0]

    def _repr_html_(self) -> str:
        try:
            rows = self.findings
        except DamagedFileError:
            return card(f"{self.path.name} has no findings yet, so there is no verdict.", [], pd.DataFrame())
        over = rows[(rows["analysis"] == "latch") & rows["seed"].isna()]
        last = over[over["age"].isna() | (over["age"] == over["age"].max())]
        odds = last[last["metric"] == "probability"]
        words = {str(word): float(p) for word, p in zip(odds["control"], odds["estimate"], strict=True)}
        agents = isinstance(self.setup, AgentSetup | AgentStudySetup)
        held = next((of for name in ("dominance", "share") if len(of := last[last["metric"] == name])), last[:0])
        table = pd.DataFrame({"concept": held["concept"], "estimate": ranged(held, "estimate"), "seeds": held["seeds"]})
        name = "dominance" if (held["metric"] == "dominance").any() else "share of the value's variance"
        first = with_odds(self.verdict, words, self.setup.intended, agents=agents)
        caption = f"{self.path.name}, with 95 % intervals over seeds."
        return card(first, [self.sentence], table.rename(columns={"estimate": name}), caption)

    @property
    def verdict(self) -> str:
        """``intended``, ``proxy:<name>``, ``mixed``, ``undetermined``; of a value also ``none``."""
        row = self.latch_row()
        return UNDETERMINED if row is None else str(row["verdict"])

    @property
    def sentence(self) -> str:
        """The conclusion in a sentence."""
        row = self.latch_row()
        if row is None:
            return "No seed could be judged."
        measured = f"{row['estimate']:.2f} [{row['low']:.2f}, {row['high']:.2f}]"
        number = measured if pd.notna(row["estimate"]) else "not measured"
        seeds = int(row["seeds"]) if pd.notna(row["seeds"]) else 0
        over = scope(seeds, min(self.setup.world_count, seeds))
        agents = isinstance(self.setup, AgentSetup | AgentStudySetup)
        share = f"first in {number} of levels" if agents else f"{number} of the value's variance"
        conclusion = sentence(self.verdict, self.setup.intended, agents=agents).rstrip(".")
        return f"{conclusion} ({self.setup.intended}: {share}, {over})."


def read_setup(folder: RunFolder) -> AnySetup:
    """The resolved setup of a run folder, refused when it was changed since.

    The digest of what is stored is in the name under which it was registered, which is the folder's unless somebody
    moved it; a run keeps it when later versions add settings. The folder of a study has any name. A stored rule that
    names no edition is of the first.
    """
    try:
        data = parse_yaml(folder.setup_file.read_text(encoding="utf-8"), folder.setup_file)
        name = f"{data['name']}-{digest_of(data)}"
        if "world" in data and "study" not in data:
            data["decision"].setdefault("edition", 1)
        kind = AgentStudySetup if data.get("study") == "agents" else StudySetup
        setup = kind(**data) if "study" in data else load_setup(data)
    except (OSError, UnicodeDecodeError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise DamagedFileError(f"{folder.setup_file} cannot be read as a setup: {error}") from None
    registered = registration_of(folder.path)
    begun = folder.path.resolve().name if registered is None else registered.subject
    if name != begun and not (registered is None and "study" in data):
        raise DamagedFileError(
            f"{folder.setup_file} describes {name}, but {begun} was begun in its folder; it was changed since."
        )
    assert isinstance(setup, AnySetup)
    return setup


def going_on(run: Path) -> str:
    """The command that goes on with a run, wherever it lies."""
    file, out = (shlex.quote(str(place)) for place in (RunFolder(run).setup_file, run.absolute().parent))
    return f"imprint run {file} --out {out} --resume"


def open_finished(path: str | Path) -> Run:
    """A run whose findings exist, or an error that says how to finish it."""
    folder = open_run(path)
    if not folder.findings_file.is_file():
        raise ImprintError(f"{folder.path} has no findings yet; finish it with `{going_on(folder.path)}`.")
    return Run(folder.path)
