"""The files of a run or an answer, and the checks that need no computation.

registration    ``registration.json`` fits the settings, the rule and the commit that it hashes
order           it is older than the first result
files           every file is there, has the content that was recorded, and every table is the one it says it is
controls        every planted control was judged rightly
report          the page is as it was written, and of these results
commit          one commit of the program did it all, and it is this one
CPU capability  one kind of processor did it all, and it is this one's
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from imprint.analyses.findings import COLUMNS
from imprint.analyses.provenance import commit, machine
from imprint.analyses.registration import (
    OF_ANSWERS,
    OF_RUNS,
    OF_SWEEPS,
    Registration,
    differences,
    digests_in,
    registration_of,
    sessions_of,
)
from imprint.analyses.verification.check import Check, check_of
from imprint.models.errors import DamagedFileError
from imprint.models.files import page_fault, read_record, read_table, seal_of

GRANULARITY = pd.Timedelta(seconds=2)
"""Precision of the times of files on common file systems."""


class Evidence:
    """The files of one folder, read as they are asked for."""

    def __init__(self, folder: Path, stored: pd.DataFrame | None = None) -> None:
        self.folder = folder
        if stored is not None:
            vars(self)["stored"] = stored
        self.question = (folder / "question.json").is_file()
        self.sweep = not self.question and (folder / "sweep.json").is_file()

    @cached_property
    def record(self) -> dict[str, Any]:
        """What was recorded at the end; empty for answers by older versions."""
        path = self.folder / ("record.json" if self.question or self.sweep else "run.json")
        return read_record(path) if path.is_file() else {}

    @cached_property
    def registered(self) -> Registration | None:
        """The registration. Raises :class:`DamagedFileError`."""
        return registration_of(self.folder)

    @property
    def results(self) -> Path:
        """The table of results."""
        return self.folder / ("cells.parquet" if self.sweep else "findings.parquet")

    @cached_property
    def stored(self) -> pd.DataFrame:
        """The findings as they stand, changed or not. Raises :class:`DamagedFileError`."""
        table = read_table(self.results, changed=True)
        if self.sweep:
            return table
        try:
            return table.reindex(columns=list(COLUMNS)).astype(COLUMNS)
        except (TypeError, ValueError) as error:
            raise DamagedFileError(f"findings.parquet holds other columns than findings have: {error}.") from None

    @property
    def verdict(self) -> str:
        """The stored verdict; empty when there is none, or many as in a sweep."""
        if self.sweep:
            return ""
        if self.question:
            return str(read_record(self.folder / "answer.json").get("verdict", ""))
        rows = self.stored[(self.stored["metric"] == "latch") & self.stored["seed"].isna()]
        return "" if rows.empty else str(rows["verdict"].iloc[0])

    # -- checks --------------------------------------------------------------------------------------------------

    def fixed(self) -> Iterator[Check]:
        """Registration and order."""
        try:
            registered = self.registered
            settings = self._settings()
        except DamagedFileError as error:
            yield Check("registration", "wrong", str(error))
            return
        if registered is None:
            lost = self.record.get("registration")
            missing = f"registration.json is missing; the record names registration {lost}"
            nothing = "nothing was registered before the results"
            yield Check("registration", "wrong" if lost else "open", f"{missing if lost else nothing}.")
            return
        faults = registered.faults(settings)
        if self.record.get("registration") not in (registered.registration, None):
            faults.append("the record names another registration")
        yield check_of(
            "registration", faults, f"{registered.registration[:12]}, {registered.registered:%Y-%m-%d %H:%M} UTC"
        )
        first = pd.to_datetime(str(self.record.get("first_result")), utc=True, errors="coerce")
        if pd.isna(first):
            yield Check("order", "open", "when the first result was written is not recorded.")
            return
        when = f"registered at {registered.registered:%Y-%m-%d %H:%M:%S}, first result at {first:%Y-%m-%d %H:%M:%S}"
        younger = f"the registration is younger than the results: {when}"
        late = pd.to_datetime(registered.registered, utc=True) > first + GRANULARITY
        yield check_of("order", [younger] if late else [], when)

    def files(self) -> Check:
        """Every file is there and has its content."""
        recorded = self.record.get("files")
        if not isinstance(recorded, dict):
            if self.record.get("registration"):
                return Check("files", "wrong", "the digests were taken out of the record, which names a registration.")
            return Check("files", "open", "no digests were recorded; the run was made by an older version.")
        present = digests_in(self.folder, OF_SWEEPS if self.sweep else OF_ANSWERS if self.question else OF_RUNS)
        faults = [f"{name} is missing" for name in recorded if name not in present]
        faults += [f"{name} was added afterwards" for name in present if name not in recorded]
        for name in sorted(recorded.keys() & present.keys()):
            of_itself = self._table_faults(name) if name.endswith(".parquet") else []
            faults += of_itself
            if not of_itself and present[name] != recorded[name]:
                faults.append(f"{name} was {'swapped for another table' if name.endswith('.parquet') else 'changed'}")
        return check_of("files", faults, f"{len(recorded)} files have the content that was recorded")

    def controls(self) -> Iterator[Check]:
        """Planted controls of a run."""
        if self.question or self.sweep:
            return
        try:
            rows = self.stored[(self.stored["analysis"] == "planted") & (self.stored["metric"] == "self_check")]
        except DamagedFileError as error:
            yield Check("controls", "wrong", str(error))
            return
        failed = rows[~(rows["estimate"] == 1.0)]
        faults = [f"planted control {row.control} was misjudged: {row.why}" for row in failed.itertuples()]
        yield check_of(
            "controls", faults if len(rows) else ["no planted control was judged"], f"{len(rows)} judged rightly"
        )

    def page(self) -> Iterator[Check]:
        """The page, where there is one."""
        if not (path := self.folder / "report.html").is_file():
            return
        fault = page_fault(path, self.results)
        if fault is None:
            yield Check("report", "open", "the page carries no digest: it was written by an older version.")
        else:
            yield check_of("report", [fault] if fault else [], "the page is as it was written, and of these results")

    def makers(self, *, here: bool) -> Iterator[Check]:
        """One commit, one kind of processor; ``here``: and those of this process."""
        try:
            sessions, registered = sessions_of(self.folder), self.registered
        except DamagedFileError as error:
            yield Check("commit", "wrong", str(error))
            return
        if registered is not None and not sessions:
            yield Check("commit", "wrong", "sessions.json, which names every process that worked on it, is missing.")
            return
        commits = [session.commit for session in sessions]
        machines = [session.machine for session in sessions if session.machine]
        commits.append(self.record.get("commit"))
        last = self.record.get("machine")
        machines += [last] if isinstance(last, dict) and "capability" in last else []
        if registered is not None:
            commits.insert(0, registered.parts.get("commit"))
            machines.insert(0, registered.machine)
        known = list(dict.fromkeys(name for name in commits if name))
        own = commit() if here else None
        yield _same_commit(known, own)
        other = next((said for one in machines[1:] if (said := differences(machines[0], one))), "")
        if not machines:
            yield Check("CPU capability", "open", "it was not recorded.")
        elif other:
            yield Check("CPU capability", "wrong", f"processors of two kinds worked on it: {other}.")
        elif here and (said := differences(machines[0], machine())):
            yield Check("CPU capability", "open", f"another here than there, so numbers may differ: {said}.")
        else:
            yield Check("CPU capability", "right", f"{machines[0].get('capability')}.")

    # -- parts of them -------------------------------------------------------------------------------------------

    def _settings(self) -> Any:
        if self.question:
            return read_record(self.folder / "question.json").get("settings")
        if self.sweep:
            about = read_record(self.folder / "sweep.json")
            return {name: about.get(name) for name in ("base", "grid")}
        try:
            return yaml.safe_load((self.folder / "setup.yaml").read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
            raise DamagedFileError(f"setup.yaml cannot be read: {error}") from None

    def _table_faults(self, name: str) -> list[str]:
        """What a table says about itself that is not so."""
        path = self.folder / name
        try:
            seal = seal_of(path)
        except DamagedFileError:
            return [f"{name} was changed after it was written"]
        if not seal:
            return [f"{name} carries no digest: it was stripped, or the table was written by another program"]
        if seal.get("name") != path.stem:
            return [f"{name} is another table: {seal.get('name')}"]
        try:
            registered = self.registered.registration if self.registered is not None else ""
        except DamagedFileError:
            return []  # which is said of the registration
        return [] if seal.get("registration") == registered else [f"{name} was written under another registration"]


def _same_commit(known: list[str], own: str | None) -> Check:
    if not known:
        return Check("commit", "open", "it was not recorded.")
    if len(known) > 1:
        return Check("commit", "wrong", f"several commits of the program worked on it: {', '.join(known)}.")
    if own is not None and own != known[0]:
        return Check("commit", "open", f"made by {known[0]}, verified by {own}: by another program.")
    if known[0].endswith("-dirty"):
        return Check("commit", "open", f"{known[0]}: with changes that were not committed.")
    return Check("commit", "right", f"{known[0]}.")
