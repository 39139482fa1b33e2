"""Level of evidence and checks of a folder, as its page shows them."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from imprint.analyses.verification.verify import verify
from imprint.models.errors import ImprintError


def evidence_of(folder: Path, stored: pd.DataFrame | None) -> tuple[str, pd.DataFrame]:
    """The level of evidence in a sentence, and what was checked (columns ``state``, ``what``, ``found``).

    The verdict is not derived anew for a page. ``stored``: the findings, when they could be read.
    """
    try:
        verified = verify(folder, derive=False, stored=stored)
    except ImprintError as error:
        return f"It cannot be verified: {error}", pd.DataFrame()
    rows = [(check.state, check.name, check.found) for check in verified.checks]
    rows.append(("open", "verdict", "not derived anew for this page; `imprint verify` does it."))
    return f"{verified.level.capitalize()}. {verified.reason}", pd.DataFrame(rows, columns=["state", "what", "found"])
