"""``imprint expose``: what the value of a run depends on that nobody asked about."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from imprint.commands.options import Json

if TYPE_CHECKING:
    from imprint.analyses.expose.candidates import Exposed

SHOWN = 12
"""Candidates in the table."""


def expose(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run or a study.")],
    *,
    latch: Annotated[bool, typer.Option("--latch", help="Run the latch test again with what was found.")] = False,
    seeds: Annotated[int | None, typer.Option(min=1, help="How many training seeds to search; default: all.")] = None,
    source: Annotated[
        list[str] | None,
        typer.Option(metavar="SOURCE", help="world, inside or behaviour; default: the first two. May be repeated."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of halves, placebos and discovery.")] = 0,
    json: Json = False,
) -> None:
    """Search for what nobody asked about: facts of the world, directions inside, and levels, that the value depends on.

    The answer is kept in the run's folder, and the page of the run gets a section about it.
    """
    from imprint.reports.reading.folders import run_folder

    folder = run_folder(run)
    from imprint.commands.text import answered

    answered(lambda: expose_run(folder, seeds=seeds, sources=source, latch=latch, seed=seed), of="expose", as_json=json)


def expose_run(folder: Path, *, seeds: int | None, sources: list[str] | None, latch: bool, seed: int) -> Exposed:
    """Search a run, print what was found and what could not be seen, write its page again, and return the answer."""
    from imprint.analyses.expose.expose import ASKED
    from imprint.analyses.expose.expose import expose as search
    from imprint.commands.progress import Bars
    from imprint.commands.text import console, error_console, say, table
    from imprint.reports.pages.run import report
    from imprint.reports.sections.unasked.shown import meanings
    from imprint.reports.words import bracketed, percent

    page = console()
    with Bars(error_console()) as bars:
        found = search(folder, seeds=seeds, sources=sources or ASKED, latch=latch, seed=seed, progress=bars)
    say(page, found.sentence, "bold")
    if found.candidates:
        rows = [
            (
                each.name,
                each.source,
                bracketed(each.share.value, each.share.low, each.share.high, percent),
                f"{each.q_value:.2g}",
                f"{each.stable[0]} of {each.stable[1]}",
                "changed" if each.causal else "goes with",
            )
            for each in found.candidates[:SHOWN]
        ]
        headers = ("what", "source", "share of the variance", "q", "found in", "evidence")
        page.print(table("beside what was asked about", headers, rows))
    for text in meanings(found):
        say(page, text)
    for each in found.searched:
        how = "searched" if each.usable else "not searched"
        size = (
            f" In one seed a share of {each.detectable:.0%} is found with a probability of .8."
            if each.detectable < 1
            else ""
        )
        say(page, f"{each.source} ({how}): {each.why}{size}")
    for text in (*found.notes, *found.unseen):
        say(page, text)
    say(page, f"page: {report(folder)}")
    return found
