"""The commands of ``imprint``: their arguments and help. What they do is imported when they run."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from imprint import __version__
from imprint.commands import options as own
from imprint.commands.compare import compare
from imprint.commands.expose import expose
from imprint.commands.options import (
    ALPHA,
    NULLS,
    SEED,
    Address,
    Alpha,
    Backend,
    Changes,
    Csv,
    Folder,
    Given,
    Groups,
    Json,
    Labels,
    Nulls,
    Out,
    Proxies,
    ReportPage,
    Resume,
    Seed,
    Seeds,
    Source,
    Value,
    only_for_arrays,
)
from imprint.commands.organisms import app as organisms
from imprint.commands.sweep import sweep
from imprint.commands.view import view

app = typer.Typer(
    name="imprint",
    help="Train learners under hardcoded reward, locate what they know, and test what the reward latched onto.",
    epilog=own.EPILOG,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


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
    backend: own.Where = Backend.local,
    address: Address = None,
    resume: Resume = None,
    json: Json = False,
) -> None:
    """Run an alignment setup: train, locate the concepts, judge what the reward latched onto, write the report."""
    from imprint.commands.run import run_setup
    from imprint.commands.text import answered

    given: dict[str, Any] = {"seeds": seeds, "out": out, "backend": backend, "address": address, "resume": resume}
    if answered(lambda: run_setup(setup, changes=set_ or [], **given), of="run", as_json=json)["failed"]:
        raise typer.Exit(1)


@app.command(short_help="Examine checkpoints of your own training, and report.")
def study(
    folder: Annotated[Path, typer.Argument(help="A folder of .safetensors checkpoints.")],
    *,
    factory: own.Factory,
    world: own.OwnWorld,
    intended: own.Meant,
    proxies: own.WentAlong,
    concepts: own.Further = "",
    sites: own.Sites = "",
    rewarded: own.Rewarded = None,
    name: own.RunName = None,
    unit: own.Unit = "steps",
    pattern: own.Pattern = "seed-{seed}/age-{age}.safetensors",
    question: own.Asking = "",
    untrained: own.NewModels = 5,
    set_: own.Rule = None,
    out: own.OutRun = None,
    json: Json = False,
) -> None:
    """Examine every checkpoint of your own training, judge what the value latched onto, and write the report."""
    from imprint.commands.study import Asked, study_folder
    from imprint.commands.text import answered

    asked = Asked(intended, proxies, concepts, sites, question, rewarded, name, unit)
    given: dict[str, Any] = {"pattern": pattern, "untrained": untrained, "changes": set_ or [], "out": out}
    if answered(lambda: study_folder(folder, (factory, world), asked, **given), of="study", as_json=json)["failed"]:
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
    json: Json = False,
) -> None:
    """Say how often a setup would give the right word, none and a wrong one, if the truth were known."""
    from imprint.commands.power import print_power
    from imprint.commands.text import answered

    given: dict[str, Any] = {"dominances": dominance, "seeds": seeds, "runs": runs, "csv": csv}
    answered(lambda: print_power(setup, changes=set_ or [], **given), of="power", as_json=json)


app.command(short_help="Judge every combination of some settings.")(sweep)
app.add_typer(organisms, short_help="Make subjects with a hidden answer, and score detectors on them.")


@app.command(short_help="Which concepts can be read where, and since when.")
def locate(
    source: Source,
    concepts: Labels = None,
    *,
    groups: Groups = None,
    untrained: own.Untrained = None,
    inputs: own.Inputs = None,
    given: Given = None,
    nulls: Nulls = None,
    alpha: Alpha = None,
    seed: Seed = None,
    csv: Csv = None,
    mask: own.Mask = None,
    ignore: own.Ignore = None,
    report: ReportPage = None,
    concept: Annotated[list[str] | None, typer.Option(help="Show this concept only. May be repeated.")] = None,
    site: Annotated[list[str] | None, typer.Option(help="Show this site only. May be repeated.")] = None,
    json: Json = False,
) -> None:
    """Show which concepts can be read where: those of a run at every age, or those in activations of your own."""
    from imprint.commands.text import answered

    concepts = concepts or own.labels_inside(source)
    if concepts is None:
        from imprint.reports.reading.folders import run_folder

        arrays = {"groups": groups, "untrained": untrained, "inputs": inputs, "given": given}
        arrays |= {"mask": mask, "ignore": ignore}
        only_for_arrays(**arrays, nulls=nulls, alpha=alpha, seed=seed, report=report)
        run_folder(source)
        from imprint.commands.findings import locate_run

        answered(
            lambda: locate_run(source, concepts=concept or [], sites=site or [], csv=csv), of="locate", as_json=json
        )
        return
    from imprint.commands.user_arrays import locate_arrays

    work = partial(
        locate_arrays,
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
    answered(work, of="locate", as_json=json)


@app.command(short_help="What a predicted value depends on, and the verdict.")
def latch(
    source: Source,
    concepts: Labels = None,
    *,
    value: Value = None,
    intended: own.Intended = None,
    proxies: Proxies = None,
    groups: Groups = None,
    seed: Seed = None,
    json: Json = False,
) -> None:
    """Show what a predicted value depends on: the verdict of a run, or of values and labels of your own."""
    from imprint.commands.text import answered

    if concepts is None:
        from imprint.reports.reading.folders import run_folder

        only_for_arrays(groups=groups, value=value, intended=intended, proxies=proxies, seed=seed)
        run_folder(source)
        from imprint.commands.findings import latch_run

        answered(lambda: latch_run(source), of="latch", as_json=json)
        return
    from imprint.commands.user_arrays import latch_arrays

    for name, given in (("value", value), ("intended", intended), ("proxies", proxies)):
        if not given:
            raise typer.BadParameter("needed with arrays; it has no default", param_hint=f"--{name}")
    names = [name.strip() for name in (proxies or "").split(",") if name.strip()]
    asked: dict[str, Any] = {"value": value or "", "intended": intended or "", "proxies": names, "groups": groups}
    seed = SEED if seed is None else seed
    answered(partial(latch_arrays, source, concepts, **asked, seed=seed), of="latch", as_json=json)


@app.command(short_help="Answer a question that was fixed beforehand: instruments, known-results, address, ...")
def analyse(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Which question; see: imprint list questions.")],
    *,
    seeds: Seeds = None,
    set_: Changes = None,
    out: Out = Path("runs"),
    backend: own.Where = Backend.local,
    address: Address = None,
    resume: Resume = None,
    markdown: Annotated[
        Path | None,
        typer.Option(metavar="OUT", dir_okay=False, help="Also write question, tables and verdict as Markdown."),
    ] = None,
    json: Json = False,
) -> None:
    """Answer a question: print its prediction and decision rule, do the work, print the verdict, write the report."""
    from imprint.commands.analyse import analyse as answer
    from imprint.commands.text import answered

    given: dict[str, Any] = {"seeds": seeds, "out": out, "backend": backend, "address": address, "resume": resume}
    work = partial(answer, name, changes=set_ or [], markdown=markdown, **given)
    if answered(work, of="analyse", as_json=json)["failed"]:
        raise typer.Exit(1)


app.command(short_help="What a run's value depends on that nobody asked about.")(expose)
app.command(short_help="Several runs side by side, paired by training seed.")(compare)


@app.command(short_help="Write the report of a run, an answered question or a sweep, again.")
def report(run: Folder, *, json: Json = False) -> None:
    """Write the report of a run, an answered question or a sweep, again; prints its path.

    Exits with 1 when a file of the run could not be read, which the page says too.
    """
    from imprint.reports.reading.folders import run_folder

    folder = run_folder(run)
    from imprint.commands.text import answered
    from imprint.reports.pages.report import report_folder

    written = answered(lambda: report_folder(folder), of="report", as_json=json)
    if not json:
        typer.echo(str(written["report"]))
    if missing := written["missing"]:
        typer.echo(f"imprint: the page lacks what could not be read: {'; '.join(missing.values())}.", err=True)
        raise typer.Exit(1)


@app.command(short_help="Figures and tables of a run as files: SVG, PNG, PDF, CSV, LaTeX.")
def export(
    run: Folder, *, out: own.Exported = None, formats: own.Formats = None, to: own.Tracker = None, json: Json = False
) -> None:
    """Write every figure and table of a run, a question or a sweep as files for a paper; prints their paths.

    With --to, write the curves, settings and words of a run for a tracker, offline (pip install 'imprint[tensorboard]'
    or 'imprint[mlflow]').
    """
    from imprint.commands.text import answered
    from imprint.models.errors import ImprintError
    from imprint.reports.pages.export import export as write
    from imprint.reports.reading.folders import run_folder
    from imprint.reports.trackers.export import export_to

    if to is not None and formats:
        raise ImprintError("--format says how figures are drawn, and --to TRACKER writes none; leave one out.")
    folder = run_folder(run)
    target = out or folder.resolve().with_name(f"{folder.resolve().name}-{to or 'export'}")
    figures = partial(write, folder, target, formats=formats or ["svg"])
    work = figures if to is None else partial(export_to, to, folder, target)
    for path in answered(work, of="export", as_json=json):
        if not json:
            typer.echo(str(path))


app.command(short_help="A local page over many runs, live while they go on.")(view)


@app.command(short_help="Whether a run is whole, and how much its verdict counts for.")
def verify(run: Folder, *, json: Json = False) -> None:
    """Verify a run: files whole, registered before its results, verdict derived anew, controls right.

    Exits with 1 when something is wrong.
    """
    from imprint.reports.reading.folders import run_folder

    folder = run_folder(run)
    from imprint.commands.text import answered
    from imprint.commands.verify import verify_folder

    if not answered(lambda: verify_folder(folder), of="verify", as_json=json).right:
        raise typer.Exit(1)


@app.command(short_help="Repeat a registered run on seeds that were not known before.")
def replicate(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a finished run.")],
    *,
    backend: own.Where = Backend.local,
    address: Address = None,
    json: Json = False,
) -> None:
    """Repeat a registered run on other seeds, beside it; the same verdict makes its evidence `replicated`."""
    from imprint.reports.reading.folders import run_folder

    folder = run_folder(run)
    from imprint.commands.run import replicate_run
    from imprint.commands.text import answered

    work = partial(replicate_run, folder, backend=backend, address=address)
    if answered(work, of="replicate", as_json=json)["failed"]:
        raise typer.Exit(1)


@app.command(name="list", short_help="What there is: setups, worlds, learners, ...")
def list_(
    family: Annotated[str | None, typer.Argument(metavar="[FAMILY]", help="setups, worlds, learners, ...")] = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="Name every member of every family.")] = False,
    json: Json = False,
) -> None:
    """List what there is: families (setups, worlds, learners, questions, ...), or the members of one.

    With --json every member is listed, with and without --all.
    """
    from imprint.commands.catalogue import list_family
    from imprint.commands.text import answered

    answered(lambda: list_family(family, every=every), of="list", as_json=json)


@app.command(short_help="A setup with every default, or a world, learner, ... with its settings.")
def show(
    name: Annotated[str, typer.Argument(help="A name of imprint list, e.g. nursery or learners/conv.")],
    *,
    schema: own.Schema = False,
    json: Json = False,
) -> None:
    """Show a setup with the meaning, range and default of every field, or a world, learner, ... with its settings."""
    from imprint.commands.catalogue import show_member, show_schema
    from imprint.commands.text import answered

    if schema:
        return show_schema(name)
    answered(lambda: show_member(name), of="show", as_json=json)


@app.command(short_help="Check this environment.")
def doctor(*, json: Json = False) -> None:
    """Check this environment; exits with 1 when something is broken, and says what to do."""
    from imprint.commands.doctor import examine
    from imprint.commands.text import answered, console, table

    checks = answered(examine, of="doctor", as_json=json)
    rows = [(check.status, check.name, check.found, check.advice) for check in checks]
    if not json:
        console().print(table("imprint doctor", ("", "what", "found", "what to do"), rows))
    if broken := [check for check in checks if check.status == "broken"]:
        typer.echo(f"\n{len(broken)} broken: {', '.join(check.name for check in broken)}.", err=True)
        raise typer.Exit(1)
