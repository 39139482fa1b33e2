"""Errors that a user can act on: they say what was given, what was expected and what to do.

Everything a user can get wrong raises :class:`ImprintError` (a ``ValueError``), which the command line prints as one
message with exit code 2 (1 for work that was begun). Defects of the program raise other exceptions and keep their
traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import ClassVar

AGAIN = "Delete it and run again with --resume."
"""Advice about a damaged file of a run."""


class ImprintError(ValueError):
    """A mistake in what was asked for; the message says what to change."""

    exit_code: ClassVar[int] = 2
    """What the command line ends with."""


class UnfinishedError(ImprintError):
    """Work that was begun and could not be finished; what was finished before is kept."""

    exit_code = 1


class UnknownNameError(ImprintError):
    """A name that is not one of those allowed."""


class DamagedFileError(ImprintError):
    """A file of a run that is unreadable, truncated or was changed after it was written."""


class NotMeasurableError(ImprintError):
    """Data that cannot answer the question (one class, too few groups, NaN); becomes a ``not measurable`` row."""


def near_miss(name: str, allowed: Iterable[object]) -> str:
    """`` Did you mean 'x'?`` with the closest allowed name, or an empty string when none is close."""
    close = difflib.get_close_matches(str(name), [str(a) for a in allowed], n=1, cutoff=0.5)
    return f" Did you mean {close[0]!r}?" if close else ""


def unknown_name(what: str, name: object, allowed: Iterable[object], *, advice: str = "") -> UnknownNameError:
    """The error for an unknown ``what`` called ``name``; it lists the allowed names and suggests the closest."""
    names = sorted(str(a) for a in allowed)
    shown = ", ".join(names[:24]) + (f", ... ({len(names)} in all)" if len(names) > 24 else "")
    text = f"unknown {what} {str(name)!r}.{near_miss(str(name), names)} Allowed: {shown or '(none)'}."
    return UnknownNameError(f"{text} {advice}".rstrip())
