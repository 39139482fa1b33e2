"""One thing that was looked at in a folder, and how it ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

State = Literal["right", "wrong", "open"]
SHOWN = 5
"""Faults of one check that are listed."""


@dataclass(frozen=True)
class Check:
    """One thing that was looked at."""

    name: str
    state: State
    """``open``: it could not be looked at here, or is a weakness and no fault."""
    found: str
    """In a sentence."""


def check_of(name: str, faults: Sequence[str], otherwise: str) -> Check:
    """A check that is wrong when there are faults; ``otherwise`` says what was found right."""
    if not faults:
        return Check(name, "right", f"{otherwise.rstrip('.')}.")
    more = f"; and {len(faults) - SHOWN} more" if len(faults) > SHOWN else ""
    return Check(name, "wrong", "; ".join(fault.rstrip(".") for fault in faults[:SHOWN]) + f"{more}.")
