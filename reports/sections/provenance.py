"""Where the numbers come from, and the level of evidence: setup, versions, commit, machine, times, all findings."""

from __future__ import annotations

from typing import Any, ClassVar

import pandas as pd

from imprint.reports.parts import Table, flat
from imprint.reports.reading.run import RunData
from imprint.reports.sections.base import Section

CHECKED = "What was checked (imprint verify)"


class Provenance(Section):
    """The record, flat, and the setup in full."""

    order: ClassVar[int] = 100
    title: ClassVar[str] = "Provenance"

    def collect(self, run: RunData) -> dict[str, Any]:
        """Record, setup, and all findings."""
        record = pd.DataFrame(flat(run.record), columns=["entry", "value"])
        tables = [Table("provenance-record", "Record of the run", record)] if len(record) else []
        if len(run.findings):
            tables.append(Table("findings", "All findings", run.findings, rows=0))
        checks = run.evidence.checks
        name, _, digest = (str(run.record.get("setup")) if run.study else run.name).rpartition("-")
        return {
            "tables": [*([Table("verification", CHECKED, checks)] if len(checks) else []), *tables],
            "level": run.evidence.sentence,
            "gist": run.evidence.sentence,
            "missing": [f"In this run, {why}." for why in run.missing.values()],
            "digest": digest if name else "not recorded",
            "commit": str(run.record.get("commit") or "not recorded"),
            "capability": str((run.record.get("machine") or {}).get("capability") or "not recorded"),
        }
