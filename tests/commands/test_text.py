"""Text in the terminal."""

from __future__ import annotations

import pytest

from imprint.commands.text import console, parse_changes, plain, table
from imprint.models.errors import ImprintError
from imprint.models.setup.raw import with_seeds


def test_names_cannot_drive_the_terminal() -> None:
    assert plain("a\x1b[31mb\u202ec") == "a[31mbc"
    page = console()
    with page.capture() as caught:
        page.print(table("t", ("name",), [("[red]concept[/red]",)]))
    assert "[red]concept[/red]" in caught.get()


def test_what_is_given_twice_is_refused() -> None:
    with pytest.raises(ImprintError, match="--set a is given twice"):
        parse_changes(["a=1", "a=2"])
    with pytest.raises(ImprintError, match=r"schedule\.seeds is given twice"):
        with_seeds({"schedule.seeds": 3}, 2)
    with pytest.raises(ImprintError, match="changes is list; expected a mapping"):
        with_seeds(["a=1"], None)  # type: ignore[arg-type]
    assert with_seeds({"a": 1}, 2) == {"a": 1, "schedule.seeds": 2} and with_seeds(None, None) == {}
