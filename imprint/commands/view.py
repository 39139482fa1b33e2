"""``imprint view``: many runs, studies, sweeps and answered questions on one page, served here or written as files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from imprint.commands.options import Json


def view(
    folder: Annotated[
        Path, typer.Argument(metavar="[DIR]", help="Folder with runs, studies, sweeps and answered questions.")
    ] = Path("runs"),
    *,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, metavar="N", help="Port on 127.0.0.1; default: 8517, or any free.")
    ] = None,
    export: Annotated[
        Path | None, typer.Option(metavar="OUT", help="Write the page and all reports as files instead.")
    ] = None,
    browser: Annotated[
        bool | None, typer.Option("--browser/--no-browser", help="Open the page; default: where there is a screen.")
    ] = None,
    json: Json = False,
) -> None:
    """Show many runs on one page: filter, sort, compare two, follow those that go on. Ctrl-C ends it.

    The page is served on 127.0.0.1 alone and nothing in DIR is written.
    """
    from imprint.commands.text import answered, console, say

    if export is not None:
        answered(lambda: _export(folder, export), of="view", as_json=json)
        return
    if json:
        answered(lambda: _listed(folder), of="view", as_json=True)
        return
    from imprint.reports.viewer.view import view as show

    with show(folder, port=port, browser=browser) as shown:
        say(console(), f"{folder}: {shown.url}  (Ctrl-C ends it)", "bold")
        try:
            shown.wait()
        except KeyboardInterrupt:
            say(console(), "closed.")


def _listed(folder: Path) -> dict[str, Any]:
    from imprint.reports.viewer.listing import Listing

    return {"entries": [entry.data() for entry in Listing(folder).entries()]}


def _export(folder: Path, target: Path) -> dict[str, Any]:
    from imprint.commands.text import console, say
    from imprint.reports.viewer.static import export_view

    page = console()
    index, lacking = export_view(folder, target, say=lambda report: say(page, report))
    for line in lacking:
        say(page, f"no report of {line}", "yellow")
    say(page, f"page    {index}", "bold")
    return {"page": index, "missing": lacking}
