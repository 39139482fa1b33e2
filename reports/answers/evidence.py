"""The level of evidence of a run or an answer, as pages show it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from imprint.analyses.verification.verify import verify
from imprint.models.errors import ImprintError
from imprint.reports.parts import Table


def level_of(folder: Path, stored: pd.DataFrame | None = None) -> tuple[str, list[Table]]:
    """The level of evidence in a sentence, and the table of what was checked, without deriving the verdict anew.

    ``stored``: the findings, when they have been read.
    """
    try:
        verified = verify(folder, derive=False, stored=stored)
    except ImprintError as error:
        return f"It cannot be verified: {error}", []
    rows: list[dict[str, Any]] = [{"state": c.state, "what": c.name, "found": c.found} for c in verified.checks]
    anew = "not derived anew for this page; `imprint verify` does it"
    rows.append({"state": "open", "what": "verdict", "found": f"{anew}."})
    sentence = f"{verified.level.capitalize()}. {verified.reason}"
    return sentence, [Table("verification", "What imprint verify finds", pd.DataFrame(rows))]
