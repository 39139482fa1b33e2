"""The commands of ``imprint``: their arguments and help. What they do is imported when they run."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from imprint import __version__

app = typer.Typer(
    name="imprint",
    help="Raise learners from scratch under hardcoded signals, look inside them, and say what the signal latched onto.",
    epilog="Start with: imprint run",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class Backend(StrEnum):
    """Where cells run."""

    local = "local"
    dask = "dask"
    ray = "ray"


NULLS, ALPHA, SEED = 20, 0.05, 0
"""Defaults with arrays. The options default to None, so that giving one beside a run folder can be refused."""

Seeds = Annotated[int | None, typer.Option(min=1, metavar="N", help="Training seeds; default: what the setup says.")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change one setting, e.g. schedule.ages=5. May be repeated."),
]
Out = Annotated[Path, typer.Option(metavar="DIR", help="Folder that holds runs.")]
Resume = Annotated[bool, typer.Option("--resume/--no-resume", help="Go on from what a stopped run finished.")]
Alpha = Annotated[
    float | None,
    typer.Option(min=0.0, max=0.5, help=f"With ACTS: false discovery rate over the whole grid; default: {ALPHA}."),
]
Csv = Annotated[Path | None, typer.Option(metavar="OUT", help="Also write the whole table as CSV.")]
Groups = Annotated[
    str | None, typer.Option(metavar="COLUMN", help="Rows with the same value here never straddle a split.")
]


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"imprint {__version__}")
        raise typer.Exit


@app.callback()
def _top(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


@app.command(short_help="Run an alignment setup, from birth to report.")
def run(
    setup: Annotated[
        str, typer.Argument(help="A setup that ships (see: imprint list setups) or a YAML file.")
    ] = "nursery",
    seeds: Seeds = None,
    set_: Set = None,
    out: Out = Path("runs"),
    backend: Annotated[Backend, typer.Option(help="Where cells run.")] = Backend.local,
    resume: Resume = True,
) -> None:
    """Run an alignment setup: raise the learners, locate the concepts, judge the latch, write the report."""
    from imprint.commands.run import run_setup

    run_setup(setup, seeds=seeds, changes=set_ or [], out=out, backend=backend.value, resume=resume)


@app.command(short_help="Which concepts are there, where and when.")
def locate(
    source: Annotated[
        Path, typer.Argument(metavar="RUN|ACTS", help="A run folder, or activations (.npz, .safetensors).")
    ],
    concepts: Annotated[
        Path | None, typer.Argument(metavar="[CONCEPTS]", help="With ACTS: labels, one row per row (.csv, .parquet).")
    ] = None,
    groups: Groups = None,
    untrained: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The same activations of a randomly initialised twin.")
    ] = None,
    inputs: Annotated[
        str | None, typer.Option(metavar="KEY", help="Which array in ACTS is the raw input and not a site.")
    ] = None,
    nulls: Annotated[
        int | None, typer.Option(min=5, help=f"With ACTS: label shuffles per concept; default: {NULLS}.")
    ] = None,
    alpha: Alpha = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help=f"With ACTS: of splits and shuffles; default: {SEED}.")
    ] = None,
    csv: Csv = None,
    concept: Annotated[list[str] | None, typer.Option(help="Show this concept only. May be repeated.")] = None,
    site: Annotated[list[str] | None, typer.Option(help="Show this site only. May be repeated.")] = None,
) -> None:
    """Which concepts are there, where and when: those of a run, or those in activations of your own."""
    if concepts is None:
        from imprint.commands.findings import locate_run

        _only_for_arrays(groups=groups, untrained=untrained, inputs=inputs, nulls=nulls, alpha=alpha, seed=seed)
        locate_run(source, concepts=concept or [], sites=site or [], csv=csv)
        return
    from imprint.commands.user_arrays import locate_arrays

    locate_arrays(
        source,
        concepts,
        groups=groups,
        untrained=untrained,
        inputs=inputs,
        nulls=NULLS if nulls is None else nulls,
        alpha=ALPHA if alpha is None else alpha,
        seed=SEED if seed is None else seed,
        csv=csv,
        only=(concept or [], site or []),
    )


@app.command(short_help="What the value depends on, and the verdict.")
def latch(
    source: Annotated[Path, typer.Argument(metavar="RUN|ACTS", help="A run folder, or arrays (.npz, .safetensors).")],
    concepts: Annotated[
        Path | None, typer.Argument(metavar="[CONCEPTS]", help="With ACTS: labels, one row per row (.csv, .parquet).")
    ] = None,
    value: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="The value, a column of CONCEPTS or an array of ACTS.")
    ] = None,
    intended: Annotated[
        str | None, typer.Option(metavar="CONCEPT", help="What the author of the reward meant.")
    ] = None,
    proxies: Annotated[
        str | None, typer.Option(metavar="A,B", help="What went along with it, separated by commas.")
    ] = None,
    groups: Groups = None,
    seed: Annotated[int | None, typer.Option(min=0, help=f"With ACTS: of resampling; default: {SEED}.")] = None,
) -> None:
    """What the value depends on: the verdict of a run, or of values and labels of your own."""
    if concepts is None:
        from imprint.commands.findings import latch_run

        _only_for_arrays(groups=groups, value=value, intended=intended, proxies=proxies, seed=seed)
        latch_run(source)
        return
    from imprint.commands.user_arrays import latch_arrays

    for name, given in (("value", value), ("intended", intended), ("proxies", proxies)):
        if not given:
            raise typer.BadParameter("needed with arrays; it has no default", param_hint=f"--{name}")
    names = [name.strip() for name in (proxies or "").split(",") if name.strip()]
    latch_arrays(
        source,
        concepts,
        value=value or "",
        intended=intended or "",
        proxies=names,
        groups=groups,
        seed=SEED if seed is None else seed,
    )


def _only_for_arrays(**options: object) -> None:
    for name, given in options.items():
        if given is not None:
            raise typer.BadParameter(
                "goes with ACTS and CONCEPTS; one path alone is a run folder", param_hint=f"--{name}"
            )


@app.command(short_help="Ask a question that has a card: instruments, known-results, address, ...")
def analyse(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Which question; see: imprint list questions.")],
    seeds: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Training seeds, for questions that train; default: its own.")
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change one setting; see: imprint show NAME. May be repeated."),
    ] = None,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder that holds answers.")] = Path("runs"),
    backend: Annotated[Backend, typer.Option(help="Where pieces of work run.")] = Backend.local,
    resume: Resume = True,
    markdown: Annotated[
        Path | None, typer.Option(metavar="OUT", help="Also write the card and the tables as Markdown.")
    ] = None,
) -> None:
    """Ask a question: print its card, do the work, print the tables and the verdict, write the report."""
    from imprint.commands.analyse import analyse as answer

    answer(name, seeds=seeds, changes=set_ or [], out=out, backend=backend.value, resume=resume, markdown=markdown)


@app.command(short_help="Runs side by side, paired by seed.")
def compare(
    runs: Annotated[list[str], typer.Argument(metavar="RUN_OR_SETUP...", help="Run folders, or setups to run first.")],
    seeds: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Training seeds, when all are setups; default: what each setup says."),
    ] = None,
    out: Out = Path("runs"),
    resume: Resume = True,
    csv: Csv = None,
) -> None:
    """Runs side by side: the share of each concept, paired by seed."""
    from imprint.commands.run import compare_runs

    compare_runs(runs, seeds=seeds, out=out, resume=resume, csv=csv)


@app.command(short_help="Write the report of a run, or of an answer, again.")
def report(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder, or the folder of an answered question.")],
) -> None:
    """Write the report of a run, or of an answered question, again; prints its path."""
    from imprint.commands.findings import run_folder

    folder = run_folder(run)
    if (folder / "question.json").exists():
        from imprint.reports.pages.question import report_question

        typer.echo(str(report_question(folder)))
        return
    from imprint.reports.pages.run import report as write

    typer.echo(str(write(folder)))


@app.command(name="list", short_help="What there is: setups, worlds, learners, ...")
def list_(
    family: Annotated[str | None, typer.Argument(metavar="[FAMILY]", help="setups, worlds, learners, ...")] = None,
) -> None:
    """What there is: setups, worlds, learners, steering signals, assessors, instruments."""
    from imprint.commands.catalogue import list_family

    list_family(family)


@app.command(short_help="A setup with every default, or a member.")
def show(
    name: Annotated[str, typer.Argument(help="A setup or a member, e.g. nursery or learners/conv.")],
) -> None:
    """A setup with every default filled in, or a member with its settings."""
    from imprint.commands.catalogue import show_member

    show_member(name)


@app.command(short_help="Check this environment.")
def doctor() -> None:
    """Check this environment; exits with 1 when something is broken, and says what to do."""
    from imprint.commands.doctor import examine
    from imprint.commands.text import console, table

    checks = examine()
    rows = [(check.status, check.name, check.found, check.advice) for check in checks]
    console().print(table("imprint doctor", ("", "what", "found", "what to do"), rows))
    if broken := [check for check in checks if check.status == "broken"]:
        typer.echo(f"\n{len(broken)} broken: {', '.join(check.name for check in broken)}.", err=True)
        raise typer.Exit(1)
