"""Whether the instruments are right here: subjects with a known answer, judged in this very run."""

from __future__ import annotations

from typing import Any, ClassVar

from imprint.reports.parts import Table
from imprint.reports.reading.run import RunData
from imprint.reports.sections.base import Section
from imprint.reports.words import NOT_MEASURED, measured


def outcome(value: Any) -> str:
    """1 -> ``right``, 0 -> ``WRONG``."""
    return NOT_MEASURED if not measured(value) else "right" if value == 1 else "WRONG"


class Planted(Section):
    """The self-check table."""

    order: ClassVar[int] = 70
    title: ClassVar[str] = "Self-check on subjects with a known answer"

    def collect(self, run: RunData) -> dict[str, Any]:
        """The table, and how many were right."""
        rows = run.rows("planted", "self_check")
        whose = {"agents": run.agents, "studied": run.agents and bool(run.study)}
        counted = {"right": int((rows["estimate"] == 1).sum()), "total": len(rows), **whose}
        if rows.empty:
            return counted | {"missing": ["No subjects with a known answer were judged in this run."]}
        columns = ["control", "verdict", "estimate", "why"]
        columns += [name for name in ("concept", "site", "seed") if rows[name].nunique() > 1]
        subject = "planted_agent" if run.agents else "planted_learner"
        names = {"control": subject, "estimate": "outcome", "verdict": "judged"}
        heading, formats = "Subjects with a known answer", {"outcome": outcome}
        table = Table("planted-checks", heading, rows[columns].rename(columns=names), formats, open=True)
        gist = f"{counted['right']} of {counted['total']} subjects with a known answer were judged correctly."
        return counted | {"tables": [table], "gist": gist}
