"""What a tracker is given of a run: settings, words, and every number that has an age, as curves.

A curve is a metric of one concept (at one site, in one control) over age, over all seeds or of one; ends of intervals
are curves of their own. A number without an age, such as a self-check, is not a curve; the table of findings has it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from imprint.models.errors import ImprintError
from imprint.reports.answers.runs import answer_of
from imprint.reports.parts import flat
from imprint.reports.reading.run import RunData

OVER_SEEDS = "seeds"
"""Group of the curves over all seeds; those of one are in ``seed-3``, for instance."""
ODD = re.compile(r"[^A-Za-z0-9_\-./ ]+")
"""What a name of a curve may not hold; both trackers allow the rest."""


@dataclass(frozen=True)
class Tracked:
    """One run."""

    name: str
    settings: Mapping[str, str]
    """Dotted path -> value, of the whole setup."""
    words: Mapping[str, str]
    """``verdict``, ``sentence``, ``reason``, ``commit``."""
    curves: Mapping[str, Mapping[str, list[tuple[int, float]]]]
    """Group -> name -> (age, value), ages rising."""
    files: tuple[Path, ...]
    """What else is worth keeping: findings, setup, report."""


def tracked(run: RunData) -> Tracked:
    """A run that was read. Raises :class:`ImprintError` for one without a single curve."""
    table = run.findings.dropna(subset=["age", "estimate"]).sort_values("age", kind="stable")
    if table.empty:
        raise ImprintError(f"{run.name} holds no finding with an age, so there is no curve for a tracker.")
    curves: dict[str, dict[str, list[tuple[int, float]]]] = {}
    for record in table.to_dict("records"):
        row = {str(column): value for column, value in record.items()}
        group = curves.setdefault(OVER_SEEDS if pd.isna(row["seed"]) else f"seed-{int(row['seed'])}", {})
        for end, value in {"": row["estimate"], " - low": row["low"], " - high": row["high"]}.items():
            if pd.notna(value):
                group.setdefault(f"{_name(row)}{end}", []).append((int(row["age"]), float(value)))
    answer = answer_of(run)
    words = {"verdict": answer.verdict, "sentence": answer.sentence, "reason": answer.reason}
    words["commit"] = str(run.record.get("commit") or "")
    files = [run.path / name for name in ("findings.parquet", "setup.yaml", "run.json", "report.html")]
    return Tracked(run.name, dict(flat(run.setup)), words, curves, tuple(file for file in files if file.is_file()))


def _name(row: Mapping[str, Any]) -> str:
    parts = [row[key] for key in ("metric", "concept", "site", "control") if row[key]]
    world = [] if pd.isna(row["world"]) or pd.notna(row["seed"]) else [f"world {int(row['world'])}"]
    named = " - ".join(ODD.sub("_", str(part)).replace("/", "_").strip() or "_" for part in (*parts, *world))
    return f"{row['analysis']}/{named}"  # one level only: MLflow keeps curves as files, and none may be a folder, too
