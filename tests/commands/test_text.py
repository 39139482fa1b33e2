"""Text in the terminal."""

from __future__ import annotations

from imprint.commands.text import console, plain, table


def test_names_cannot_drive_the_terminal() -> None:
    assert plain("a\x1b[31mb\u202ec") == "a[31mbc"
    page = console()
    with page.capture() as caught:
        page.print(table("t", ("name",), [("[red]concept[/red]",)]))
    assert "[red]concept[/red]" in caught.get()
