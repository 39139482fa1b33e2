"""The verdict derived anew from the stored cells, and compared with what is stored.

A later program may word a reason anew. Of what another commit made, the numbers in a reason are compared, and not its
words; verdicts, and all numbers that are stored as such, are compared in either case.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from imprint.analyses.ask import concluded, load_question
from imprint.analyses.engine import Outcome
from imprint.analyses.evaluate.evaluate import pooling_of
from imprint.analyses.evaluate.run import Run, read_setup
from imprint.analyses.evaluate.sweeps.judging import rows_judged, verdicts_of
from imprint.analyses.evaluate.sweeps.plan import plan_of
from imprint.analyses.evaluate.sweeps.rows import frame_of_cells, row_of_run
from imprint.analyses.findings import COLUMNS
from imprint.analyses.provenance import commit
from imprint.analyses.verification.check import Check, check_of
from imprint.analyses.verification.evidence import Evidence
from imprint.models.errors import ImprintError
from imprint.models.files import read_record
from imprint.models.store import RunFolder

RELATIVE, ABSOLUTE = 1e-6, 1e-9
"""Numbers that are derived anew are equal within these: pooling sums thousands of float64 numbers in any order."""
NUMBER = re.compile(r"\d+(?:\.\d+)?")


def derived(evidence: Evidence) -> Check:
    """Whether the findings that follow from the stored cells are the stored ones."""
    try:
        if evidence.sweep:
            same = f"{len(evidence.stored)} cells: derived anew from what lives left they are the same"
            return check_of("verdict", _sweep_faults(evidence), same)
        faults = _answer_faults(evidence) if evidence.question else _run_faults(evidence)
    except ImprintError as error:
        return Check("verdict", "wrong", f"it cannot be derived anew: {error}")
    except (KeyError, TypeError, ValueError, IndexError, OSError) as error:
        return Check("verdict", "wrong", f"it cannot be derived anew: {type(error).__name__}: {error}.")
    return check_of(
        "verdict", faults, f"{evidence.verdict or 'none'}: derived anew from the stored cells it is the same"
    )


def _run_faults(evidence: Evidence) -> list[str]:
    """Cells that are missing, and findings that are not those that pooling the cells gives."""
    folder = RunFolder(evidence.folder)
    procedure = pooling_of(read_setup(folder), folder)
    failed = {str(one["cell"]): str(one["error"]) for one in evidence.record.get("failed", [])}
    faults = [
        f"cell {cell.name} is missing"
        for cell in (*procedure.raising(), *procedure.examining(procedure.reached))
        if not cell.done and cell.name not in failed
    ]
    try:
        anew = procedure.findings([Outcome(cell, error, 0.0) for cell, error in failed.items()], None)
    except ImprintError as error:
        return [*faults, f"it cannot be derived anew: {error}"]
    return faults + _unequal(evidence, anew)


def _sweep_faults(evidence: Evidence) -> list[str]:
    """Cells of a sweep that are not those that what its lives left gives."""
    about, folder, rows = read_record(evidence.folder / "sweep.json"), evidence.folder, []
    plan = plan_of(about["base"], about["grid"])
    for upbringing in plan.upbringings:
        for work in verdicts_of(upbringing, folder):
            _, cells, home, _ = work.arguments[1]
            rows += rows_judged(upbringing, cells, home, lambda done, total, what: None)
    for cell in plan.alone:
        rows.append(row_of_run(cell, Run.of(folder / "runs" / cell.setup.run_name)))
    anew, stored = frame_of_cells(plan, rows), evidence.stored
    if len(anew) != len(stored):
        return [f"{len(stored)} cells are stored, {len(anew)} are derived anew"]
    failed = stored["cell"].isin([one["cell"] for one in evidence.record.get("failed", [])])
    return [fault for column in anew if (fault := _other_cells(str(column), stored[~failed], anew[~failed.to_numpy()]))]


def _other_cells(column: str, stored: pd.DataFrame, anew: pd.DataFrame) -> str:
    if column not in stored:
        return f"the column {column} is missing"
    ours, theirs = stored[column].to_numpy(), anew[column].to_numpy()
    if pd.api.types.is_numeric_dtype(anew[column]) and pd.api.types.is_numeric_dtype(stored[column]):
        same = np.isclose(ours.astype(float), theirs.astype(float), rtol=RELATIVE, atol=ABSOLUTE, equal_nan=True)
    else:
        same = np.array([str(a) == str(b) or (pd.isna(a) and pd.isna(b)) for a, b in zip(ours, theirs, strict=True)])
    if same.all():
        return ""
    row = int(np.flatnonzero(~same)[0])
    many = f"the {column} of {int((~same).sum())} cells differs: stored {ours[row]}, derived anew {theirs[row]}"
    return f"{many} (cell {stored['cell'].iloc[row]})"


def _answer_faults(evidence: Evidence) -> list[str]:
    """An answer that is not the one that its pieces of work give."""
    asked, stored = read_record(evidence.folder / "question.json"), read_record(evidence.folder / "answer.json")
    question = load_question(str(asked.get("name")), asked.get("settings"))
    answer = concluded(question, evidence.folder, stored.get("failed", {}))
    faults = [
        f"the {name} is stored as “{stored.get(name)}” and derived anew as “{anew}”"
        for name, anew, words in (("verdict", answer.verdict, False), ("why", answer.why, _reworded(evidence)))
        if not _same_text(stored.get(name), anew, words)
    ]
    told = [each.stored() for each in answer.predictions]
    if "predictions" in stored and _outcomes(stored["predictions"]) != _outcomes(told):
        faults.append("the predictions that are stored did not come out so when they are derived anew")
    return faults + _unequal(evidence, answer.findings)


def _outcomes(predictions: Iterable[Mapping[str, Any]]) -> list[Any]:
    return [tuple(each.get(key) for key in ("part", "name", "control", "outcome")) for each in predictions]


def _reworded(evidence: Evidence) -> bool:
    """Whether another program than this one worded what is stored."""
    return evidence.record.get("commit") not in (None, commit())


def _same_text(stored: Any, anew: str, reworded: bool) -> bool:
    """Whether two texts are equal, or, where one was worded by another program, whether their numbers are."""
    return stored == anew or (reworded and NUMBER.findall(str(stored)) == NUMBER.findall(anew))


def _unequal(evidence: Evidence, anew: pd.DataFrame) -> list[str]:
    """How stored findings differ from those derived anew: verdicts, then numbers, then the rest."""
    stored, reworded = evidence.stored, _reworded(evidence)
    anew = anew.reindex(columns=list(COLUMNS)).astype(COLUMNS)
    if len(stored) != len(anew):
        return [f"{len(stored)} findings are stored, {len(anew)} are derived anew"]
    keys = ("analysis", "metric", "concept", "site", "control", "age", "seed")
    faults = []
    for column in sorted(COLUMNS, key=lambda name: (name != "verdict", name != "estimate")):
        ours, theirs = stored[column], anew[column]
        if COLUMNS[column] == "string":
            both = zip(ours.fillna(""), theirs.fillna(""), strict=True)
            same = np.array([_same_text(*pair, reworded and column == "why") for pair in both], dtype=bool)
        else:
            left, right = (one.to_numpy(dtype=np.float64, na_value=np.nan) for one in (ours, theirs))
            same = np.isclose(left, right, rtol=RELATIVE, atol=ABSOLUTE, equal_nan=True)
        if not same.all():
            row = int(np.flatnonzero(~same)[0])
            known = [key for key in keys if key != column and not pd.isna(stored[key][row])]
            about = ", ".join(f"{key} {stored[key][row]}" for key in known)
            faults.append(
                f"the {column} of {int((~same).sum())} findings differs: stored {ours[row]}, "
                f"derived anew {theirs[row]} ({about})"
            )
    return faults
