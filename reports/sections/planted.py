"""Do the instruments tell the truth here: learners whose answer is known, judged in this very run."""

from __future__ import annotations

from typing import Any, ClassVar

from imprint.reports.parts import Table
from imprint.reports.reading.run import RunData
from imprint.reports.sections.base import Section
from imprint.reports.words import measured


def outcome(value: Any) -> str:
    """1 -> ``right``, 0 -> ``WRONG``."""
    return "not measured" if not measured(value) else "right" if value == 1 else "WRONG"


class Planted(Section):
    """The self-check table."""

    order: ClassVar[int] = 70
    title: ClassVar[str] = "Self-check on planted learners"
    short: ClassVar[str] = "Self-check"

    def collect(self, run: RunData) -> dict[str, Any]:
        """The table, and how many were right."""
        what = "agents" if run.agents else "learners"
        rows = run.rows("planted", "self_check")
        if rows.empty:
            return {
                "missing": [f"No planted {what} were judged in this run."],
                "right": 0,
                "total": 0,
                "agents": run.agents,
            }
        keep = ["control", "verdict", "estimate", "why"]
        keep += [name for name in ("concept", "site", "seed") if rows[name].nunique() > 1]
        table = rows[keep].rename(
            columns={"control": f"planted_{what[:-1]}", "estimate": "outcome", "verdict": "judged"}
        )
        return {
            "tables": [Table("planted-checks", f"Planted {what}", table, {"outcome": outcome}, open=True)],
            "right": int((rows["estimate"] == 1).sum()),
            "total": len(rows),
            "agents": run.agents,
        }
