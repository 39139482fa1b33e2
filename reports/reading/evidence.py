"""Level of evidence and checks of a folder, as its page shows them."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pandas as pd

from imprint.analyses.verification.verify import verify
from imprint.models.errors import ImprintError


class Evidence(NamedTuple):
    """How much a folder proves about itself."""

    level: str
    """``exploratory``, ``registered`` or ``replicated``; empty when it cannot be verified."""
    reason: str
    checks: pd.DataFrame
    """Columns ``state``, ``what``, ``found``."""

    @property
    def sentence(self) -> str:
        """Level and reason."""
        return f"{self.level.capitalize()}. {self.reason}" if self.level else self.reason


def evidence_of(folder: Path, stored: pd.DataFrame | None) -> Evidence:
    """The level of evidence, and what was checked.

    The verdict is not derived anew for a page. ``stored``: the findings, when they could be read.
    """
    try:
        verified = verify(folder, derive=False, stored=stored)
    except ImprintError as error:
        return Evidence("", f"It cannot be verified: {error}", pd.DataFrame())
    rows = [(check.state, check.name, check.found) for check in verified.checks]
    rows.append(("open", "verdict", "not derived anew for this page; `imprint verify` does it."))
    return Evidence(verified.level, verified.reason, pd.DataFrame(rows, columns=["state", "what", "found"]))
