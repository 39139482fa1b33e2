"""``imprint run`` and ``imprint compare``: progress while the work is done, and a closing table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from rich.console import Console
from rich.text import Text

from imprint.commands.progress import Bars
from imprint.commands.text import console, interval, number, parse_changes, plain, say, table
from imprint.models.errors import ImprintError

if TYPE_CHECKING:
    from imprint.analyses.evaluate.run import AnySetup


def _load(setup: str, seeds: int | None, changes: Mapping[str, Any]) -> AnySetup:
    from imprint.models.setup.load import load_setup

    whole = dict(changes) if seeds is None else {**changes, "schedule.seeds": seeds}
    return cast("AnySetup", load_setup(setup, changes=whole))


def _announce(out: Console, setup: AnySetup, folder: Path, resume: bool) -> None:
    from imprint.analyses.evaluate.run import planned_ages

    schedule, ages = setup.schedule, planned_ages(setup)
    say(out, f"{setup.run_name}: {schedule.seeds} seeds, {len(ages)} ages, {ages[-1]:,} experiences")
    if setup.question:
        say(out, setup.question, "italic")
    if not folder.exists():
        return
    if not resume:
        say(out, f"{folder} exists; --no-resume: done again from birth.")
    elif (folder / "findings.parquet").exists():
        say(out, f"{folder} is finished and this is the same setup: reusing it. (--no-resume does it again.)")
    else:
        say(out, f"{folder} was begun before: going on from what is finished. (--no-resume begins again.)")


def run_setup(setup: str, *, seeds: int | None, changes: Sequence[str], out: Path, backend: str, resume: bool) -> None:
    """Run one setup and print how it ended."""
    page = console()
    loaded = _load(setup, seeds, parse_changes(changes))
    _announce(page, loaded, out / loaded.run_name, resume)
    run = _evaluate(page, loaded, out, backend, resume)
    _close(page, run)


def _evaluate(page: Console, setup: AnySetup, out: Path, backend: str, resume: bool) -> Any:
    from imprint.analyses.evaluate.evaluate import evaluate

    with Bars(page) as bars:
        progress: Callable[[Any], None] = bars
        return evaluate(setup, out=str(out), backend=backend, resume=resume, progress=progress)


def _close(page: Console, run: Any) -> None:
    from imprint.commands.findings import closing
    from imprint.reports.pages.run import report
    from imprint.reports.reading.run import load_run

    path = report(run.path)
    page.print()
    closing(page, load_run(run.path), verdict=str(run.verdict), sentence=str(run.sentence))
    page.print(Text(f"report  {plain(path)}", style="bold"), soft_wrap=True)


def compare_runs(names: Sequence[str], *, seeds: int | None, out: Path, resume: bool, csv: Path | None = None) -> None:
    """Run what is not a run folder yet, then print the comparison."""
    from imprint.models.store import open_run

    page = console()
    folders = [name for name in names if Path(name).is_dir()]
    if seeds is not None and folders:
        raise ImprintError(
            f"--seeds only applies to setups, and {folders[0]} is a run folder, whose seeds have been trained. "
            "Leave --seeds out, or name the setups."
        )
    known = {name: open_run(name).path for name in folders}
    loaded = {name: _load(name, seeds, {}) for name in names if name not in known}
    if len(set(names)) < 2:
        raise ImprintError(f"compare needs two or more different runs or setups; it was given {len(set(names))}.")
    paths = dict(known)
    for name, setup in loaded.items():
        _announce(page, setup, out / setup.run_name, resume)
        paths[name] = Path(_evaluate(page, setup, out, "local", resume).path)
    _print_comparison(page, [paths[name] for name in dict.fromkeys(names)], csv)


def _print_comparison(page: Console, paths: Sequence[Path], csv: Path | None) -> None:
    from imprint.analyses.evaluate.compare import compare
    from imprint.commands.text import write_csv

    frame = compare(list(paths))
    if csv is not None:
        write_csv(csv, frame)
    rows = [
        (
            row.rank,
            row.setup,
            row.verdict,
            row.concept,
            row.role,
            interval(row.share, row.low, row.high, 3),
            row.seeds,
            interval(row.difference, row.difference_low, row.difference_high, 3),
            number(row.p_value, 3),
            number(row.pairs, 0),
        )
        for row in frame.itertuples()
    ]
    versus = next((name for name in frame["versus"] if isinstance(name, str)), "the first")
    columns = ("rank", "setup", "verdict", "concept", "role", "share", "seeds", f"minus {versus}", "p", "pairs")
    page.print(table(f"{frame.attrs['what']}, paired by seed", columns, rows, right=("rank", "seeds", "p", "pairs")))
