"""Verify: is a run, or an answer, what it says it is, and how much does that count for?

Every check ends ``right``, ``wrong`` or ``open`` (it could not be made here, or is a weakness and no fault):

The checks are those of :mod:`imprint.analyses.verification.evidence` and one more: the findings that are derived anew
from the stored cells must be the stored ones. They show that nothing was altered afterwards by accident or by hand; a
folder that was forged whole, its record included, is found out by repeating the run.

Levels of evidence follow from the files and are never typed:

    exploratory    nothing was registered, the rule was changed after results existed, or something is wrong
    registered     settings, rule and commit were fixed before the first result
    replicated     registered, and a run that was registered later on other seeds gave the same word, not undetermined
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import yaml

from imprint.analyses.registration import Registration, registration_of
from imprint.analyses.verdicts import UNDETERMINED
from imprint.analyses.verification.check import Check, check_of
from imprint.analyses.verification.evidence import Evidence
from imprint.models.errors import ImprintError, unknown_name

EXPLORATORY, REGISTERED, REPLICATED = "exploratory", "registered", "replicated"


KINDS = (
    ("setup.yaml", "run.json", "findings.parquet", "run"),
    ("question.json", "answer.json", "findings.parquet", "analyse"),
    ("sweep.json", "record.json", "cells.parquet", "sweep"),
)
"""What is written first and last, the table of results, and the command."""


@dataclass(frozen=True)
class Verification:
    """What :func:`verify` found."""

    path: Path
    checks: tuple[Check, ...]
    level: str
    """``exploratory``, ``registered`` or ``replicated``."""
    reason: str
    """Why it is of this level, in a sentence."""

    @property
    def right(self) -> bool:
        """Whether nothing is wrong."""
        return all(check.state != "wrong" for check in self.checks)

    @property
    def wrong(self) -> tuple[Check, ...]:
        """The checks that found something wrong."""
        return tuple(check for check in self.checks if check.state == "wrong")


def verify(path: object, *, derive: bool = True, stored: pd.DataFrame | None = None) -> Verification:
    """Check a finished run, or the folder of an answered question or of a sweep.

    Arguments:
        path: the folder, or anything with a ``path``.
        derive: derive the verdict anew, compare program and processor with these, and check the page, which shows the
            other checks itself; seconds, where all else takes fractions of one.
        stored: ``findings.parquet`` as somebody has read it already.

    Raises :class:`ImprintError` when there is no such folder or it holds nothing finished.
    """
    folder = _folder(Path(str(getattr(path, "path", path))))
    evidence = Evidence(folder, stored)
    checks = [*evidence.fixed(), evidence.files(), *evidence.controls(), *(evidence.page() if derive else ())]
    checks += [*evidence.makers(here=derive), *(_runs(folder, derive=derive) if evidence.sweep else ())]
    if derive:
        from imprint.analyses.verification.derivation import derived

        checks.insert(3, derived(evidence))
    return Verification(folder, tuple(checks), *_level(evidence, checks))


def _folder(path: Path) -> Path:
    if not path.is_dir():
        beside = [str(p) for p in sorted(path.parent.glob("*")) if p.is_dir()] if path.parent.is_dir() else []
        raise unknown_name("run folder", path, beside)
    for begun, finished, table, command in KINDS:
        if (path / begun).is_file():
            if not ((path / finished).is_file() and (path / table).is_file()):
                raise ImprintError(
                    f"{path} is not finished, so there is nothing to verify; `imprint {command}` goes on."
                )
            return path
    raise ImprintError(
        f"{path} holds no {' or '.join(begun for begun, *_ in KINDS)}; give the folder of a run, an answered question "
        "or a sweep."
    )


def _runs(folder: Path, *, derive: bool) -> list[Check]:
    """Cells of a sweep that are runs of their own."""
    runs = [path for path in sorted((folder / "runs").glob("*")) if (path / "setup.yaml").is_file()]
    faults = []
    for run in runs:
        try:
            faults += [f"{run.name}, {check.name}: {check.found}" for check in verify(run, derive=derive).wrong]
        except ImprintError as error:
            faults.append(str(error))
    return [check_of("runs", faults, f"{len(runs)} cells that are runs of their own are right")] if runs else []


def _level(evidence: Evidence, checks: list[Check]) -> tuple[str, str]:
    wrong = [check.name for check in checks if check.state == "wrong"]
    if wrong:
        return EXPLORATORY, f"Something is wrong with it ({', '.join(wrong)})."
    registered = evidence.registered
    if registered is None:
        return EXPLORATORY, "Nothing was registered before the results."
    if registered.earlier:
        return EXPLORATORY, f"The rule was changed after results existed ({', '.join(registered.earlier)})."
    again = [name for name, verdict in _replications(evidence, registered) if verdict == evidence.verdict]
    if again and evidence.verdict == UNDETERMINED:
        return REGISTERED, f"Nothing was said, here and on seeds drawn after the registration ({', '.join(again)})."
    if again:
        return REPLICATED, f"The verdict was the same on seeds drawn after the registration ({', '.join(again)})."
    return REGISTERED, "Settings, rule and commit were fixed before the first result."


def _replications(evidence: Evidence, registered: Registration) -> Iterator[tuple[str, str]]:
    """Runs beside this one that repeat it on other seeds and are right: name and verdict."""
    for file in sorted(evidence.folder.resolve().parent.glob("*/registration.json")):
        try:
            other = registration_of(file.parent)
            if (
                other is None
                or other.replicates != registered.registration
                or other.registered <= registered.registered
            ):
                continue
            if verify(file.parent, derive=False).right and _other_seeds(evidence.folder, file.parent):
                yield file.parent.name, Evidence(file.parent).verdict
        except ImprintError:
            continue


def _other_seeds(first: Path, second: Path) -> bool:
    """Whether two runs have the same setup and no training seed in common."""
    setups = [yaml.safe_load((folder / "setup.yaml").read_text(encoding="utf-8")) for folder in (first, second)]
    starts = [setup["schedule"].pop("first_seed", 0) for setup in setups]
    return bool(setups[0] == setups[1] and abs(starts[0] - starts[1]) >= setups[0]["schedule"]["seeds"])
