"""``imprint compare``: runs paired by training seed; with ``--all`` the setups that ship, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from imprint.commands.options import Changes, Csv, Json, Out, Resume, Seeds
from imprint.models.errors import ImprintError

if TYPE_CHECKING:
    from imprint.models.setup.learner import Setup


def compare(
    runs: Annotated[
        list[str] | None, typer.Argument(metavar="RUN_OR_SETUP...", help="Run folders, or setups to run first.")
    ] = None,
    *,
    all_: Annotated[bool, typer.Option("--all", help="Every setup that ships and has a run in the folder.")] = False,
    run: Annotated[bool, typer.Option("--run", help="With --all: make the runs that are missing.")] = False,
    scale: Annotated[
        float | None, typer.Option(metavar="PART", help="With --all: part of its lifetime that every setup lives.")
    ] = None,
    seeds: Seeds = None,
    set_: Changes = None,
    out: Out = Path("runs"),
    resume: Resume = None,
    csv: Csv = None,
    json: Json = False,
) -> None:
    """Compare runs: how much of the value each concept explains, or how often agents reach each goal first.

    With --all: every shipped setup, or those that are named, in one table and page, and which design choices moved
    the latch most.
    """
    from imprint.commands.text import answered

    if all_:
        given: dict[str, Any] = {"seeds": seeds, "changes": set_ or [], "scale": scale, "resume": resume, "names": runs}
        answered(partial(compare_all, out=out, run=run, csv=csv, **given), of="compare", as_json=json)
        return
    for option, value in (("--run", run), ("--set", set_), ("--scale", scale)):
        if value:
            raise typer.BadParameter("goes with --all", param_hint=option)
    from imprint.commands.run import compare_runs

    answered(lambda: compare_runs(runs or [], seeds=seeds, out=out, resume=resume, csv=csv), of="compare", as_json=json)


def compare_all(
    *,
    seeds: int | None,
    changes: Sequence[str],
    out: Path,
    run: bool,
    scale: float | None = None,
    resume: bool | None,
    csv: Path | None = None,
    names: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Print every shipped setup that has a run, the design choices and what is missing; write the page beside runs.

    ``run``: make the missing runs first. ``names``: of the setups that are meant; default: all.
    """
    from rich.text import Text

    from imprint.analyses.evaluate.setups_compared.shipped import compare_shipped
    from imprint.analyses.evaluate.setups_compared.together import living_alike, raise_together, take_over
    from imprint.commands.progress import Bars
    from imprint.commands.run import run_setup
    from imprint.commands.text import console, parse_changes, plain, say, table, write_csv
    from imprint.reports.pages.compared import choices_of, missing_of, report_compared, size_of
    from imprint.reports.words import bracketed, cell, number, percent, probability

    page, changed = console(), parse_changes(changes)
    given: dict[str, Any] = {"out": out, "seeds": seeds, "changes": changed, "scale": scale, "names": names}
    compared = compare_shipped(**given)
    if run:
        alike = living_alike(one.setup for one in compared.missing) if resume is not False else []
        for group in alike:
            say(page, f"{', '.join(setup.name for setup in group)}: these learners live alike, and are raised once")
            with Bars(page) as bars:
                raise_together(group, out, progress=bars)
        for one in compared.missing:
            for group in (group for group in alike if one.setup in group):
                take_over(cast("Setup", one.setup), group, out)
            own = [f"{key}={value}" for key, value in one.changes.items() if key not in changed]
            run_setup(one.setup.name, changes=[*changes, *own], seeds=seeds, out=out, backend="local", resume=resume)
        compared = compare_shipped(**given)
    missing = missing_of(compared)
    if compared.table.empty:
        raise ImprintError(
            f"no shipped setup has a finished run in {plain(out)}. Make them with --run, or one by one: "
            f"{compared.missing[0].command}."
        )
    columns = ("setup", "question", "verdict", "P(intended)", "dominance", "wanting", "capability", "goal", "latch age")
    rows = [
        (
            *map(cell, (row.setup, row.question, row.verdict)),
            probability(row.probability),
            bracketed(row.dominance, row.dominance_low, row.dominance_high),
            bracketed(row.wanting, row.wanting_low, row.wanting_high),
            *map(percent, (row.capability, row.goal)),
            number(row.latch_age),
        )
        for row in compared.table.itertuples(index=False)
    ]
    page.print(table(f"{len(rows)} setups side by side; those of one question together", columns, rows))
    if sized := size_of(compared):
        say(page, sized)
    for choice in choices_of(compared):
        say(page, f"{choice['concept']}: {choice['sentence']}", "bold")
    for text in missing:
        say(page, text, "yellow")
    if csv is not None:
        write_csv(csv, compared.table)
    path = report_compared(compared, out)
    page.print(Text(f"report  {plain(path)}", style="bold"), soft_wrap=True)
    commands = {one.setup.name: one.command for one in compared.missing}
    return {"setups": compared.table, "contrasts": compared.contrasts, "missing": commands, "report": path}
