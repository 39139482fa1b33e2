"""The commands of ``imprint``: their arguments and help. What they do is imported when they run."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from imprint import __version__

app = typer.Typer(
    name="imprint",
    help="Train learners under hardcoded reward, locate what they know, and test what the reward latched onto.",
    epilog="Start with: imprint run",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class Backend(StrEnum):
    """Where work runs."""

    local = "local"
    dask = "dask"
    ray = "ray"


NULLS, ALPHA, SEED = 20, 0.05, 0
"""Defaults with arrays. The options default to None, so that giving one beside a run folder can be refused."""

Seeds = Annotated[int | None, typer.Option(min=1, metavar="N", help="Number of training seeds; default: its own.")]
Changes = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change one setting (see: imprint show). May be repeated."),
]
Out = Annotated[Path, typer.Option(metavar="DIR", help="Folder in which runs are kept.")]
Where = Annotated[Backend, typer.Option(help="Local processes, or a Dask or Ray cluster that is already running.")]
Resume = Annotated[
    bool | None,
    typer.Option("--resume/--no-resume", help="Go on from what is finished, or begin again; default: whichever fits."),
]
Csv = Annotated[Path | None, typer.Option(metavar="OUT", help="Also write the whole table as CSV.")]
Groups = Annotated[
    str | None,
    typer.Option(metavar="COLUMN", help="With ACTS: a column of CONCEPTS; rows with the same value stay in one split."),
]
Labels = Annotated[
    Path | None, typer.Argument(metavar="[CONCEPTS]", help="With ACTS: a label per row and concept (.csv, .parquet).")
]
Source = Annotated[
    Path, typer.Argument(metavar="RUN|ACTS", help="A run folder, or a file of arrays (.npz, .safetensors).")
]
Seed = Annotated[int | None, typer.Option(min=0, help=f"With ACTS: seed of all that is random; default: {SEED}.")]


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"imprint {__version__}")
        raise typer.Exit


Version = Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")]


@app.callback()
def _top(version: Version = False) -> None:
    pass


@app.command(short_help="Run an alignment setup, from initial weights to report.")
def run(
    setup: Annotated[str, typer.Argument(help="A name of imprint list setups, or a YAML file.")] = "nursery",
    *,
    seeds: Seeds = None,
    set_: Changes = None,
    out: Out = Path("runs"),
    backend: Where = Backend.local,
    resume: Resume = None,
) -> None:
    """Run an alignment setup: train, locate the concepts, judge what the reward latched onto, write the report."""
    from imprint.commands.run import run_setup

    if not run_setup(setup, changes=set_ or [], seeds=seeds, out=out, backend=backend.value, resume=resume):
        raise typer.Exit(1)


@app.command(short_help="How often a setup would say the right word, before anything is trained.")
def power(
    setup: Annotated[str, typer.Argument(help="A setup of learners: a name of imprint list setups, or a YAML file.")],
    *,
    dominance: Annotated[
        str | None, typer.Option(metavar="A,B", help="Supposed parts that the intended concept holds, such as .7,.85.")
    ] = None,
    seeds: Annotated[
        str | None, typer.Option(metavar="N,M", help="Numbers of training seeds; default: its own, 2 and 4 times it.")
    ] = None,
    runs: Annotated[int, typer.Option(min=1, help="Simulated runs for each.")] = 100,
    set_: Changes = None,
    csv: Csv = None,
) -> None:
    """Say how often a setup would give the right word, none and a wrong one, if the truth were known."""
    from imprint.commands.power import print_power

    print_power(setup, changes=set_ or [], dominances=dominance, seeds=seeds, runs=runs, csv=csv)


@app.command(short_help="Which concepts can be read where, and since when.")
def locate(
    source: Source,
    concepts: Labels = None,
    *,
    groups: Groups = None,
    untrained: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="With ACTS: the same activations of a randomly initialised network."),
    ] = None,
    inputs: Annotated[
        str | None, typer.Option(metavar="KEY", help="With ACTS: the array in it that is the raw input, not a site.")
    ] = None,
    given: Annotated[
        list[str] | None,
        typer.Option(metavar="CONCEPT", help="With ACTS: read all others within its strata. May be repeated."),
    ] = None,
    nulls: Annotated[int | None, typer.Option(min=5, help=f"With ACTS: label shuffles; default: {NULLS}.")] = None,
    alpha: Annotated[
        float | None,
        typer.Option(min=0.0, max=0.5, help=f"With ACTS: false discovery rate over the grid; default: {ALPHA}."),
    ] = None,
    seed: Seed = None,
    csv: Csv = None,
    mask: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="With ACTS: column of CONCEPTS that is 1 in the rows to use.")
    ] = None,
    ignore: Annotated[
        list[str] | None, typer.Option(metavar="LABEL", help="With ACTS: a label that means none, such as -100.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option(metavar="PAGE", help="With ACTS: also write one self-contained HTML page.")
    ] = None,
    concept: Annotated[list[str] | None, typer.Option(help="Show this concept only. May be repeated.")] = None,
    site: Annotated[list[str] | None, typer.Option(help="Show this site only. May be repeated.")] = None,
) -> None:
    """Show which concepts can be read where: those of a run at every age, or those in activations of your own."""
    if concepts is None:
        from imprint.reports.reading.folders import run_folder

        arrays = {"groups": groups, "untrained": untrained, "inputs": inputs, "given": given}
        arrays |= {"mask": mask, "ignore": ignore}
        _only_for_arrays(**arrays, nulls=nulls, alpha=alpha, seed=seed, report=report)
        run_folder(source)
        from imprint.commands.findings import locate_run

        locate_run(source, concepts=concept or [], sites=site or [], csv=csv)
        return
    from imprint.commands.user_arrays import locate_arrays

    locate_arrays(
        source,
        concepts,
        groups=groups,
        untrained=untrained,
        inputs=inputs,
        given=given or [],
        mask=mask,
        ignore=ignore or [],
        nulls=nulls or NULLS,
        alpha=ALPHA if alpha is None else alpha,
        seed=SEED if seed is None else seed,
        csv=csv,
        report=report,
        only=(concept or [], site or []),
    )


@app.command(short_help="What a predicted value depends on, and the verdict.")
def latch(
    source: Source,
    concepts: Labels = None,
    *,
    value: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="With ACTS: the value to explain, a column of CONCEPTS or an array in it."),
    ] = None,
    intended: Annotated[
        str | None, typer.Option(metavar="CONCEPT", help="With ACTS: the concept that the author of the reward meant.")
    ] = None,
    proxies: Annotated[
        str | None,
        typer.Option(metavar="A,B", help="With ACTS: concepts that went along with it, separated by commas."),
    ] = None,
    groups: Groups = None,
    seed: Seed = None,
) -> None:
    """Show what a predicted value depends on: the verdict of a run, or of values and labels of your own."""
    if concepts is None:
        from imprint.reports.reading.folders import run_folder

        _only_for_arrays(groups=groups, value=value, intended=intended, proxies=proxies, seed=seed)
        run_folder(source)
        from imprint.commands.findings import latch_run

        latch_run(source)
        return
    from imprint.commands.user_arrays import latch_arrays

    for name, given in (("value", value), ("intended", intended), ("proxies", proxies)):
        if not given:
            raise typer.BadParameter("needed with arrays; it has no default", param_hint=f"--{name}")
    names = [name.strip() for name in (proxies or "").split(",") if name.strip()]
    seed = SEED if seed is None else seed
    latch_arrays(source, concepts, value=value or "", intended=intended or "", proxies=names, groups=groups, seed=seed)


def _only_for_arrays(**options: object) -> None:
    for name, given in options.items():
        if given is not None:
            raise typer.BadParameter("goes with ACTS and CONCEPTS; one path is a run folder", param_hint=f"--{name}")


@app.command(short_help="Answer a question that was fixed beforehand: instruments, known-results, address, ...")
def analyse(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Which question; see: imprint list questions.")],
    *,
    seeds: Seeds = None,
    set_: Changes = None,
    out: Out = Path("runs"),
    backend: Where = Backend.local,
    resume: Resume = None,
    markdown: Annotated[
        Path | None,
        typer.Option(metavar="OUT", help="Also write the question, the tables and the verdict as Markdown."),
    ] = None,
) -> None:
    """Answer a question: print its prediction and decision rule, do the work, print the verdict, write the report."""
    from imprint.commands.analyse import analyse as answer

    done = answer(
        name, changes=set_ or [], seeds=seeds, out=out, backend=backend.value, resume=resume, markdown=markdown
    )
    if not done:
        raise typer.Exit(1)


@app.command(short_help="Several runs side by side, paired by training seed.")
def compare(
    runs: Annotated[list[str], typer.Argument(metavar="RUN_OR_SETUP...", help="Run folders, or setups to run first.")],
    *,
    seeds: Seeds = None,
    out: Out = Path("runs"),
    resume: Resume = None,
    csv: Csv = None,
) -> None:
    """Compare runs: how much of the value each concept explains, or how often agents reach each goal first."""
    from imprint.commands.run import compare_runs

    compare_runs(runs, seeds=seeds, out=out, resume=resume, csv=csv)


@app.command(short_help="Write the report of a run, or of an answered question, again.")
def report(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder, or the folder of an answered question.")],
) -> None:
    """Write the report of a run, or of an answered question, again; prints its path.

    Exits with 1 when a file of the run could not be read, which the page says too.
    """
    from imprint.reports.reading.folders import run_folder

    folder = run_folder(run)
    if (folder / "question.json").exists():
        from imprint.reports.pages.question import report_question

        typer.echo(str(report_question(folder)))
        return
    from imprint.reports.pages.run import report as write
    from imprint.reports.reading.run import load_run

    data = load_run(folder)
    typer.echo(str(write(data)))
    if data.missing:
        typer.echo(f"imprint: the page lacks what could not be read: {'; '.join(data.missing.values())}.", err=True)
        raise typer.Exit(1)


@app.command(short_help="Whether a run is whole, and how much its verdict counts for.")
def verify(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder, or the folder of an answered question.")],
) -> None:
    """Verify a run: files whole, registered before its results, verdict derived anew, controls right.

    Exits with 1 when something is wrong.
    """
    from imprint.reports.reading.folders import run_folder

    folder = run_folder(run)
    from imprint.commands.verify import verify_folder

    if not verify_folder(folder):
        raise typer.Exit(1)


@app.command(short_help="Repeat a registered run on seeds that were not known before.")
def replicate(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a finished run.")],
    *,
    backend: Where = Backend.local,
) -> None:
    """Repeat a registered run on other seeds, beside it; the same verdict makes its evidence `replicated`."""
    from imprint.reports.reading.folders import run_folder

    folder = run_folder(run)
    from imprint.commands.run import replicate_run

    if not replicate_run(folder, backend=backend.value):
        raise typer.Exit(1)


@app.command(name="list", short_help="What there is: setups, worlds, learners, ...")
def list_(
    family: Annotated[str | None, typer.Argument(metavar="[FAMILY]", help="setups, worlds, learners, ...")] = None,
) -> None:
    """List what there is: setups, worlds, learners, steering signals, assessors, instruments, questions, ..."""
    from imprint.commands.catalogue import list_family

    list_family(family)


@app.command(short_help="A setup with every default, or a world, learner, ... with its settings.")
def show(name: Annotated[str, typer.Argument(help="A name of imprint list, e.g. nursery or learners/conv.")]) -> None:
    """Show a setup with every default filled in, or a world, learner, question, ... with its settings."""
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
