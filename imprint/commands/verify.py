"""``imprint verify``: what was checked, what is wrong, and the level of evidence."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from imprint.commands.text import console, say, table

if TYPE_CHECKING:
    from imprint.analyses.verification.verify import Verification


def verify_folder(path: Path) -> Verification:
    """Verify a run or an answer, print what was found and return it."""
    from imprint.analyses.verification.verify import verify

    page, verified = console(), verify(path)
    rows = [(check.state, check.name, check.found) for check in verified.checks]
    page.print(table(f"imprint verify {path}", ("", "what", "found"), rows))
    page.print()
    say(page, f"level of evidence: {verified.level}. {verified.reason}", "bold")
    if not verified.right:
        say(page, f"wrong: {', '.join(check.name for check in verified.wrong)}.", "bold red")
    return verified
