"""``imprint run`` and ``imprint compare``: progress while the work is done, and a closing table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from rich.console import Console
from rich.text import Text

from imprint.commands.names import require_begun
from imprint.commands.progress import Bars
from imprint.commands.settings.slips import check_setup
from imprint.commands.text import console, parse_changes, plain, say, table, write_csv
from imprint.models.errors import ImprintError

if TYPE_CHECKING:
    from imprint.analyses.evaluate.run import TrainedSetup


def run_setup(
    setup: str, *, changes: Sequence[str], seeds: int | None, out: Path, resume: bool | None, **where: Any
) -> dict[str, Any]:
    """Run one setup and print how it ended: its folder, verdict, report and the cells of work that failed.

    ``where``: ``backend`` and ``address``.
    """
    changed = parse_changes(changes)
    check_setup(setup, changed)
    from imprint.analyses.engine import require_backend

    require_backend(**where)
    page = console()
    folder = _evaluate(page, _load(setup, seeds, changed), out=out, resume=resume, **where)
    from imprint.commands.findings import answer_data, closing
    from imprint.reports.pages.run import report
    from imprint.reports.reading.run import load_run

    data = load_run(folder)
    path = report(data)
    page.print()
    closing(page, data)
    page.print(Text(f"report  {plain(path)}", style="bold"), soft_wrap=True)
    say(page, f"Open it in a browser. What nobody asked about: imprint expose {plain(folder)} --latch")
    return {"run": data.path, **answer_data(data), "report": path, "failed": dict(data.failures)}


def replicate_run(path: Path, *, backend: str, address: str | None) -> dict[str, Any]:
    """Repeat a run on other seeds; print and return both verdicts, the first one's level and what failed."""
    from imprint.analyses.evaluate.replicate import replicate
    from imprint.analyses.evaluate.run import open_finished
    from imprint.analyses.verification.verify import verify
    from imprint.models.setup.agent_study import AgentStudySetup
    from imprint.models.setup.study import StudySetup
    from imprint.reports.pages.run import report

    page, first = console(), open_finished(path)
    with Bars(page) as bars:
        again = replicate(path, backend=backend, address=address, progress=bars)
    target, verified = report(again), verify(first, derive=False)
    runs = []
    for run in (first, again):
        assert not isinstance(run.setup, StudySetup | AgentStudySetup)  # which was refused
        start, count = run.setup.schedule.first_seed, run.setup.schedule.seeds
        runs.append({"run": run.path, "verdict": run.verdict, "first_seed": start, "seeds": count})
        say(page, f"{run.verdict}: {run.path.name}, seeds {start} to {start + count - 1}", "bold")
    say(page, f"level of evidence of {first.path.name}: {verified.level}. {verified.reason}", "bold")
    page.print(Text(f"report  {plain(target)}", style="bold"), soft_wrap=True)
    level = {"level": verified.level, "reason": verified.reason}
    return {"runs": runs, **level, "report": target, "failed": again.record["failed"]}


def _load(setup: str, seeds: int | None, changes: Mapping[str, Any]) -> TrainedSetup:
    from imprint.models.setup.load import load_setup
    from imprint.models.setup.raw import with_seeds

    return cast("TrainedSetup", load_setup(setup, changes=with_seeds(changes, seeds)))


def _evaluate(page: Console, setup: TrainedSetup, *, out: Path, resume: bool | None, **where: Any) -> Path:
    """Run a setup, or take up its run; the folder."""
    from imprint.analyses.evaluate.evaluate import evaluate

    _announce(page, setup, out / setup.run_name, resume)
    with Bars(page) as bars:
        return evaluate(setup, out=str(out), resume=resume is not False, progress=bars, **where).path


def _announce(page: Console, setup: TrainedSetup, folder: Path, resume: bool | None) -> None:
    if resume:
        require_begun(folder)
    ages = setup.planned
    seeds, worlds = setup.schedule.seeds, setup.schedule.worlds
    over = f"{seeds} training seed{'s' if seeds > 1 else ''}{f' in {worlds} worlds' if worlds > 1 else ''}"
    say(page, f"{setup.run_name}: {over}, {len(ages)} ages, {ages[-1]:,} experiences")
    if setup.question:
        say(page, setup.question, "italic")
    finished = (folder / "findings.parquet").exists()
    for limit in [] if finished and resume is not False else _limits(setup):
        say(page, limit, "yellow")
    if not folder.exists():
        return
    if resume is False:
        say(page, f"{folder} exists and is begun again, because of --no-resume.")
    elif finished:
        say(page, f"{folder} is finished and holds this very setup, so it is used as is. (--no-resume runs it again.)")
    else:
        say(page, f"{folder} was begun before; what is finished is kept. (--no-resume begins again.)")


def _limits(setup: TrainedSetup) -> list[str]:
    """What a verdict of the setup can never say."""
    from imprint.analyses.evaluate.learners.exam import exam_of
    from imprint.analyses.evaluate.learners.robustness import limits_of
    from imprint.models.setup.learner import Setup

    return limits_of(exam_of(setup, 0)) if isinstance(setup, Setup) else []


def compare_runs(
    names: Sequence[str], *, seeds: int | None, out: Path, resume: bool | None, csv: Path | None = None
) -> Any:
    """Run what is not a run folder yet, then print the comparison and return its table."""
    different = list(dict.fromkeys(names))
    folders = [name for name in different if Path(name).is_dir()]
    for name in different:
        if name not in folders:
            check_setup(name)
    if seeds is not None and folders:
        raise ImprintError(
            f"--seeds only applies to setups, and {folders[0]} is a run folder, whose seeds have been trained. "
            "Leave --seeds out, or name the setups."
        )
    if len(different) < 2:
        raise ImprintError(f"compare needs two or more different runs or setups; it was given {len(different)}.")
    from imprint.analyses.evaluate.compare import compare
    from imprint.models.store import open_run

    page = console()
    paths = {name: open_run(name).path for name in folders}
    setups = {name: _load(name, seeds, {}) for name in different if name not in folders}
    for name, setup in setups.items():
        wanted = None if resume else resume  # with --resume too, those that were not begun are begun
        paths[name] = _evaluate(page, setup, out=out, resume=wanted)
    frame = compare([paths[name] for name in different])
    if csv is not None:
        write_csv(csv, frame)
    _print_comparison(page, frame)
    return frame


def _print_comparison(page: Console, frame: Any) -> None:
    from imprint.reports.words import bracketed, cell, percent

    versus = next((name for name in frame["versus"] if isinstance(name, str)), "the first")
    columns = ("rank", "setup", "verdict", "concept", "role", "share", "seeds", f"minus {versus}", "p", "pairs")
    rows = [
        (
            *map(cell, (row.rank, row.setup, row.verdict, row.concept, row.role)),
            bracketed(row.share, row.low, row.high, percent),
            cell(row.seeds),
            bracketed(row.difference, row.difference_low, row.difference_high, percent),
            cell(row.p_value),
            cell(int(row.pairs) if row.pairs >= 0 else row.pairs),
        )
        for row in frame.itertuples()
    ]
    page.print(table(f"{frame.attrs['what']}, paired by seed", columns, rows, right=("rank", "seeds", "p", "pairs")))
