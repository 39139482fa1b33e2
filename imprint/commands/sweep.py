"""``imprint sweep``: every combination of some settings, judged."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
import yaml

from imprint.commands.options import Address, Backend, Changes, Csv, Json, Out, Resume, Seeds, Where
from imprint.models.errors import ImprintError

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console

    from imprint.analyses.evaluate.sweeps.plan import Plan
    from imprint.analyses.evaluate.sweeps.sweep import Sweep

FEW = 24
"""Cells up to which each is printed."""
Grid = Annotated[
    list[str], typer.Option(metavar="KEY=A,B,C", help="Values of one setting (see: imprint show). May be repeated.")
]


def sweep(
    setup: Annotated[str, typer.Argument(help="A name of imprint list setups, or a YAML file.")],
    *,
    grid: Grid,
    seeds: Seeds = None,
    set_: Changes = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it would take, and write nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="A sweep of more than 2,000 cells or 6 hours is meant.")] = False,
    out: Out = Path("runs"),
    backend: Where = Backend.local,
    address: Address = None,
    resume: Resume = None,
    csv: Csv = None,
    json: Json = False,
) -> None:
    """Judge every combination of some settings; learners that live alike are raised once for all of them.

    Exits with 1 when there are cells without a verdict.
    """
    from imprint.commands.text import answered

    given: dict[str, Any] = {"seeds": seeds, "dry_run": dry_run, "yes": yes, "out": out, "backend": backend.value}
    given |= {"address": address, "resume": resume, "csv": csv}
    if answered(lambda: sweep_setup(setup, grid=grid, changes=set_ or [], **given), of="sweep", as_json=json).get(
        "failed"
    ):
        raise typer.Exit(1)


def sweep_setup(
    setup: str,
    *,
    grid: Sequence[str],
    changes: Sequence[str],
    seeds: int | None,
    dry_run: bool,
    yes: bool,
    out: Path,
    backend: str,
    address: str | None,
    resume: bool | None,
    csv: Path | None,
) -> dict[str, Any]:
    """Print the plan; unless that is all, carry it out, and print what was found."""
    from imprint.commands.names import require_begun
    from imprint.commands.progress import Bars
    from imprint.commands.settings.slips import check_setup
    from imprint.commands.text import console, parse_changes, say, write_csv

    chosen, changed = parse_grid(grid), parse_changes(changes)
    check_setup(setup, {**changed, **{key: values[0] for key, values in chosen.items()}})
    from imprint.analyses.engine import require_backend

    require_backend(backend, address)
    from imprint.analyses.evaluate.sweeps.cost import LONG, estimate
    from imprint.analyses.evaluate.sweeps.plan import MOST, plan_of
    from imprint.analyses.evaluate.sweeps.sweep import ASKED, carry_out, rehearse

    page = console()
    plan = plan_of(setup, chosen, changes=changed, seeds=seeds, most=MOST if yes or dry_run else ASKED)
    rehearse(plan)
    cost = estimate(plan)
    _announce(page, plan)
    say(page, cost.sentence)
    about = {"sweep": out / plan.name, "cells": len(plan.cells), "upbringings": len(plan.upbringings)}
    about |= {"lives": plan.lives, "shared": plan.shared, "raised": plan.raised}
    if dry_run:
        return {**about, "cpu_hours": cost.seconds / 3600, "hours": cost.hours, "bytes": cost.bytes}
    if resume:
        require_begun(out / plan.name)
    if cost.hours > LONG and not yes:
        raise ImprintError(f"the sweep takes {cost.sentence}. Say --yes if that is meant.")
    with Bars(page) as bars:
        done = carry_out(plan, out, backend=backend, address=address, resume=resume is not False, progress=bars)
    from imprint.reports.pages.sweep import report_sweep

    path = report_sweep(done.folder)
    _show(page, done)
    say(page, f"report  {path}", "bold")
    if csv is not None:
        write_csv(csv, done.frame)
    return {**about, "failed": len(done.failed), "report": path, "frame": done.frame}


def parse_grid(words: Sequence[str]) -> dict[str, list[Any]]:
    """``key=a,b,c`` words as a mapping; every value is read as YAML, so ``[a,b],[c]`` are two lists."""
    grid: dict[str, list[Any]] = {}
    for word in words:
        key, equals, text = word.partition("=")
        key = key.strip()
        if not equals or not key:
            raise ImprintError(f"--grid {word!r}: expected KEY=A,B,C, for example --grid assessor.lag=0,1.")
        if key in grid:
            raise ImprintError(f"--grid {key} is given twice; put all of its values into one.")
        if not text.strip():
            raise ImprintError(f"--grid {word!r}: no values; give at least one, for example --grid assessor.lag=0,1.")
        try:
            grid[key] = list(yaml.safe_load(f"[{text}]"))
        except (yaml.YAMLError, ValueError, TypeError, RecursionError):
            raise ImprintError(f"--grid {word!r}: {text!r} are not YAML values separated by commas.") from None
    return grid


def _announce(page: Console, plan: Plan) -> None:
    from imprint.commands.text import say
    from imprint.reports.words import plural

    counts, groups = sorted({cell.setup.schedule.seeds for cell in plan.cells}), len(plan.upbringings)
    seeds = plural(counts[0], "seed") if len(counts) == 1 else f"{counts[0]:,} to {counts[-1]:,} seeds"
    lived = f", raised in {groups} upbringing{'s' if groups > 1 else ''}" if groups else ""
    runs = f", {len(plan.alone)} of them runs of their own" if plan.alone and groups else ""
    lives = "1 life" if plan.lives == 1 else f"{plan.lives:,} lives"
    say(page, f"{plan.name}: {plural(len(plan.cells), 'cell')} of {seeds}{lived}{runs}; {lives}")
    if plan.shared:
        say(page, f"judged on shared lives: {', '.join(plan.shared)}")
    if plan.raised:
        say(page, f"raised anew: {', '.join(plan.raised)}")


def _show(page: Console, done: Sweep) -> None:
    """How many cells say what, each cell where they are few, and the reasons of those that failed."""
    from imprint.commands.text import plain, say, table
    from imprint.reports.words import bracketed, percent

    frame = done.frame
    counts = frame["verdict"].fillna("failed").value_counts()
    page.print()
    page.print(table("verdicts", ("verdict", "cells"), [(word, n) for word, n in counts.items()], right=("cells",)))
    if len(frame) <= FEW:
        keys = list(done.grid)
        columns = (*keys, "verdict", "probability", f"dominance of {done.about['base']['intended']}")
        page.print(table("cells", columns, [_cells(row, keys, bracketed, percent) for row in _rows(frame)], right=keys))
    for row in _rows(done.failed)[:3]:
        say(page, f"cell {row['cell']} failed: {plain(row['error'])}", "yellow")
    say(page, f"cells   {done.folder / 'cells.parquet'}", "bold")


def _rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


def _cells(row: dict[str, Any], keys: Sequence[str], bracketed: Any, percent: Any) -> tuple[object, ...]:
    held = bracketed(row["dominance"], row["dominance_low"], row["dominance_high"], percent)
    return (*(row[key] for key in keys), row["verdict"] or "failed", percent(row["probability"]), held)
