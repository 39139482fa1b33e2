"""Registration: what was fixed before the first result, and by which processes the results were made.

``registration.json`` is written before the first cell of work and never changed:

    subject         name under which the work began, of a run its setup and digest; a folder may be renamed afterwards
    registration    SHA-256 of ``parts``; every table and checkpoint written under it carries it
    parts           SHA-256 of the settings and of the rule, and the commit of the program
    rule            name -> text: the source of the modules that decide, and the card of a question
    registered      when, in UTC
    versions        of the packages that numbers depend on
    machine         with its CPU capability (:func:`imprint.analyses.provenance.machine`)
    earlier         results that the author could have seen under another rule; empty when there are none
    replicates      registration of the run that this one repeats on other seeds, or null

``sessions.json`` lists every process that worked on the folder. One with other versions, another CPU capability or
another rule is refused, since it would mix two experiments in one table. The time is the author's own word: whoever
wants to prove it to others publishes the hash before the run.
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from imprint.analyses.provenance import commit, machine, package_versions, spoken
from imprint.models.errors import DamagedFileError, ImprintError
from imprint.models.files import REGISTRATION, read_json, write_json

SESSIONS = "sessions.json"
OF_RUNS = ("seed-*/age-*.safetensors", "random-reward/seed-*/age-*.safetensors", "cells/*", "artefacts/*", "findings.*")
"""Files of a run that hold results."""
OF_ANSWERS = ("cells/*", "exhibits/*", "findings.*", "answer.json")
"""Files of an answered question that hold results."""
OF_SWEEPS = ("life-*/seed-*/age-*.safetensors", "life-*/cells/*", "cells.parquet")
"""Files of a sweep that hold results, besides runs in its folder, which have records of their own."""
M = TypeVar("M", bound=BaseModel)
FIXED = ("setup.yaml", "question.json", REGISTRATION)
"""Files that are written before the first result."""
LIKE = ("capability", "instructions")
"""Entries of the machine on which numbers depend."""


class Session(BaseModel):
    """One process that worked on a folder."""

    model_config = ConfigDict(frozen=True)

    started: datetime
    commit: str | None
    versions: dict[str, str]
    machine: dict[str, Any] = {}

    @classmethod
    def here(cls, computing: Mapping[str, Any] | None = None) -> Session:
        """This process; ``computing``: the machine of its workers, unless they are processes of this one."""
        on = machine() if computing is None else dict(computing)
        return cls(started=datetime.now(UTC), commit=commit(), versions=package_versions(), machine=on)


class Registration(BaseModel):
    """What ``registration.json`` holds."""

    model_config = ConfigDict(frozen=True)

    subject: str
    registration: str
    parts: dict[str, str | None]
    rule: dict[str, str]
    registered: datetime
    versions: dict[str, str]
    machine: dict[str, Any]
    earlier: tuple[str, ...] = ()
    replicates: str | None = None

    def faults(self, settings: Any) -> list[str]:
        """What does not fit together, given the ``settings`` that are stored beside it; empty when all does."""
        faults = [
            f"the {name} changed after it was registered"
            for name, text in (("settings were", settings), ("rule text was", dict(self.rule)))
            if _digest(text) != self.parts.get(name.partition(" ")[0])
        ]
        if _digest(self.parts) != self.registration:
            faults.append("the commit or the hash in registration.json was changed")
        return faults


def source_of(modules: Iterable[str]) -> dict[str, str]:
    """The rule text of a procedure: module name -> its source."""
    return {name: inspect.getsource(importlib.import_module(name)) for name in modules}


def require_same(folder: Path, rule: Mapping[str, str], here: Session | None = None) -> None:
    """Raise :class:`ImprintError` when a folder was begun with other versions, on another CPU or under another rule.

    ``rule``: name -> text of what turns measurements into a verdict. ``here``: what goes on; by default this process.
    """
    before, registered = sessions_of(folder), registration_of(folder)
    if before:
        _refuse_changes(folder, before[0], here or Session.here())
    if registered is not None and registered.parts.get("rule") != _digest(dict(rule)):
        changed = [name for name in {**rule, **registered.rule} if rule.get(name) != registered.rule.get(name)]
        raise ImprintError(
            f"{folder} was registered under another rule ({', '.join(changed) or 'its text'} changed since). Go back "
            f"to commit {registered.parts.get('commit')}, or start afresh with --no-resume."
        )


def begin(
    folder: Path,
    settings: Any,
    rule: Mapping[str, str],
    *,
    empty: bool,
    earlier: Sequence[str] = (),
    replicates: str | None = None,
    subject: str | None = None,
    computing: Mapping[str, Any] | None = None,
) -> Registration | None:
    """Register what is about to be done in ``folder``, or check that it goes on as it was begun; note this process.

    Arguments:
        folder: of the run or the question; it exists.
        settings: plain data, all that was chosen.
        rule: as for :func:`require_same`, whose errors this raises.
        empty: whether the folder holds no result yet; results without a registration stay without one.
        earlier: results that the author could have seen under another rule.
        replicates: registration of the run that is repeated on other seeds.
        subject: what is registered; by default the name of the folder.
        computing: the machine that computes, unless it is this one.
    """
    here = Session.here(computing)
    require_same(folder, rule, here)
    before, registered = sessions_of(folder), registration_of(folder)
    if registered is None and empty:
        parts = {"settings": _digest(settings), "rule": _digest(dict(rule)), "commit": here.commit}
        registered = Registration(
            subject=subject or folder.resolve().name,
            registration=_digest(parts),
            parts=parts,
            rule=dict(rule),
            registered=here.started,
            versions=here.versions,
            machine=here.machine,
            earlier=tuple(earlier),
            replicates=replicates,
        )
        write_json(folder / REGISTRATION, registered.model_dump(mode="json"))
    write_json(folder / SESSIONS, [session.model_dump(mode="json") for session in (*before, here)])
    return registered


def _refuse_changes(folder: Path, before: Session, here: Session) -> None:
    afresh = "start afresh with --no-resume"
    versions = {**before.versions, **here.versions}
    changed = [n for n in versions if before.versions.get(n) != here.versions.get(n)]
    if changed:
        listed = "; ".join(f"{name} {before.versions.get(name)} -> {here.versions.get(name)}" for name in changed)
        raise ImprintError(f"{folder} was begun with other versions ({listed}). Install those, or {afresh}.")
    other = [name for name in LIKE if name in before.machine and before.machine[name] != here.machine[name]]
    if other:
        raise ImprintError(
            f"{folder} was begun on another CPU capability: {spoken(before.machine)}; now it would be "
            f"{spoken(here.machine)}. Sums round differently there, so one table would mix two experiments. Go on "
            "on such a machine (an environment variable ATEN_CPU_CAPABILITY can only lower the capability), "
            f"or {afresh}."
        )


def results_in(folder: Path, patterns: Iterable[str]) -> list[Path]:
    """Result files of a folder; what is being written has a name that begins with a dot."""
    found = (path for pattern in patterns for path in sorted(folder.glob(pattern)))
    return [path for path in found if not path.name.startswith(".")]


def digests_in(folder: Path, patterns: Iterable[str]) -> dict[str, str]:
    """SHA-256 of what was fixed beforehand and of every result file: path inside the folder -> 64 digits."""
    fixed = [path for name in FIXED if (path := folder / name).is_file()]
    files = (*fixed, *results_in(folder, patterns))
    return {path.relative_to(folder).as_posix(): _sha(path.read_bytes()) for path in files}


def ledger(folder: Path, patterns: Iterable[str], **unwritten: bytes) -> dict[str, Any]:
    """What a record says about the files of a folder, to be written last.

    ``registration``, ``commit``, ``machine``, ``first_result`` (when the oldest of the result files was written) and
    ``files`` (path inside the folder -> SHA-256). ``unwritten``: stem -> content of tables that will be written after.
    """
    patterns, registered = tuple(patterns), registration_of(folder)
    written = [path.stat().st_mtime for path in results_in(folder, patterns)]
    after = {f"{stem}.parquet": _sha(content) for stem, content in unwritten.items()}
    return {
        "registration": None if registered is None else registered.registration,
        "commit": commit(),
        "machine": machine(),
        "first_result": datetime.fromtimestamp(min(written), UTC).isoformat() if written else None,
        "files": {**digests_in(folder, patterns), **after},
    }


def replaced(folder: Path, rule: Mapping[str, str]) -> list[str]:
    """This very folder, when starting it afresh replaces results that were made under another rule."""
    try:
        before = registration_of(folder)
    except DamagedFileError:
        return []
    if before is None or not (folder / "findings.parquet").exists():
        return []
    return [folder.resolve().name] if before.rule != dict(rule) or folder.resolve().name in before.earlier else []


def differences(before: Mapping[str, Any], here: Mapping[str, Any]) -> str:
    """How the CPU capability of two machines differs, in words; empty when it does not."""
    if all(before.get(name) == here.get(name) for name in LIKE):
        return ""
    return f"{spoken(before)} and {spoken(here)}"


def registration_of(folder: Path) -> Registration | None:
    """The registration of a folder, or nothing. Raises :class:`DamagedFileError` for a file that is no registration."""
    path = folder / REGISTRATION
    return _checked(path, Registration, read_json(path)) if path.exists() else None


def sessions_of(folder: Path) -> list[Session]:
    """Every process that worked on a folder; of folders by older versions the first alone, without its machine."""
    path, old = folder / SESSIONS, folder / "begun.json"
    if path.exists():
        stored = read_json(path)
        if not isinstance(stored, list):
            raise DamagedFileError(
                f"{path} holds {type(stored).__name__}; expected a list. Start afresh (--no-resume)."
            )
        return [_checked(path, Session, item) for item in stored]
    if old.exists():
        stored = read_json(old)
        versions = stored.get("versions") if isinstance(stored, dict) else None
        return [
            _checked(old, Session, {"started": datetime.fromtimestamp(0, UTC), "commit": None, "versions": versions})
        ]
    return []


def _checked(path: Path, kind: type[M], data: Any) -> M:
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the whole file"
        raise DamagedFileError(
            f"{path} is damaged or was written by another version: {where}: {first['msg']}. Start afresh (--no-resume)."
        ) from None


def _digest(data: Any) -> str:
    return _sha(json.dumps(data, sort_keys=True).encode())


def _sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
