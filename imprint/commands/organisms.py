"""``imprint organisms``: make small subjects with a hidden answer, and score detectors on them."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from imprint.commands.options import Csv, Json

if TYPE_CHECKING:
    from imprint.analyses.organisms.scoring import Scored

app = typer.Typer(
    name="organisms",
    help="Small subjects of which it is known what they latched onto, and a test of whoever claims to find it.",
    rich_markup_mode=None,
)


class Split(StrEnum):
    """Which organisms."""

    public = "public"
    private = "private"


Jobs = Annotated[int | None, typer.Option(min=1, metavar="N", help="Processes; default: one for every core.")]


@app.command(short_help="Make organisms, with their key in a folder apart.")
def make(
    *,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the organisms; what is begun there is gone on.")],
    count: Annotated[int, typer.Option(min=1, help="At least how many; rounded up to whole litters of eight.")] = 300,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Of a private split; default: drawn, and noted in the key alone.")
    ] = None,
    split: Annotated[Split, typer.Option(help="public is fixed; private ones are for judging.")] = Split.public,
    jobs: Jobs = None,
    json: Json = False,
) -> None:
    """Make organisms: trained, confirmed by all counterfactuals, with untrained twins and a hidden key.

    Hand out the folder without its folder `key`, which holds the answers.
    """
    from imprint.commands.text import answered

    given: dict[str, Any] = {"count": count, "seed": seed, "split": split.value, "jobs": jobs}
    answered(lambda: make_organisms(out, **given), of="organisms-make", as_json=json)


@app.command(short_help="Score a detector, or all that ship, at six levels of access.")
def score(
    detector: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[DETECTOR]...",
            help="module:function, a command (arrays in as .npz, JSON out), or one that ships; default: all that ship.",
        ),
    ] = None,
    *,
    organisms: Annotated[Path, typer.Option(metavar="DIR", help="Folder of imprint organisms make.")],
    level: Annotated[
        list[str] | None, typer.Option(metavar="LEVEL", help="A level of access; may be repeated. Default: all.")
    ] = None,
    page: Annotated[
        Path | None, typer.Option(metavar="PAGE", help="The leaderboard page; default: leaderboard.html in DIR.")
    ] = None,
    csv: Csv = None,
    json: Json = False,
) -> None:
    """Score detectors: any function of (subject, access) that gives probabilities of words and a ranking of facts.

    Exits with 1 when a detector lost cells, because it raised an error or its answer was none.
    """
    from imprint.commands.text import answered

    given: dict[str, Any] = {"levels": level or None, "page": page, "csv": csv}
    result = answered(lambda: score_detectors(detector or None, organisms, **given), of="organisms-score", as_json=json)
    if len(result["lost"]):
        raise typer.Exit(1)


def make_organisms(out: Path, **given: Any) -> dict[str, Any]:
    """Make organisms and say how many are confirmed."""
    from imprint.analyses.organisms.making import make as work
    from imprint.commands.progress import Bars
    from imprint.commands.text import console, say

    screen = console()
    with Bars(screen) as bars:
        made = work(out, progress=bars, **given)
    say(screen, f"{made.count} organisms in {made.path}; {made.confirmed} confirmed by all counterfactuals.", "bold")
    say(screen, f"The answers are in {made.path / 'key'}: leave it out when you hand them out.")
    return {"path": made.path, "count": made.count, "confirmed": made.confirmed, "words": made.words}


def score_detectors(
    detector: list[str] | None, organisms: Path, *, levels: list[str] | None, page: Path | None, csv: Path | None
) -> dict[str, Any]:
    """Score, print the leaderboard, write the page."""
    from imprint.analyses.organisms.scoring import score as work
    from imprint.commands.progress import Bars
    from imprint.commands.text import console, say, write_csv
    from imprint.reports.pages.leaderboard import answers_of, report_leaderboard

    screen = console()
    with Bars(screen) as bars:
        scored = work(detector, organisms=organisms, levels=levels, progress=bars)
    _print_board(scored)
    for answer in answers_of(scored):
        say(screen, f"{answer['concept']}: {answer['sentence']}", "bold")
    for row in scored.lost.drop_duplicates(["detector", "level", "why"]).head(10).itertuples():
        say(screen, f"lost: {row.detector} at {row.level}, {row.organism}: {row.why}", "yellow")
    if csv is not None:
        write_csv(csv, scored.leaderboard)
    path = report_leaderboard(scored, page or organisms)
    say(screen, f"page  {path}", "bold")
    tables = {name: getattr(scored, name) for name in ("leaderboard", "words", "groups", "contrasts", "lost")}
    return {"organisms": scored.organisms, **tables, "page": path}


def _print_board(scored: Scored) -> None:
    from imprint.commands.text import console, table
    from imprint.reports.words import bracketed, number, percent

    columns = ("detector", "level", "AUROC", "recall at 1 % false", "Brier", "calibration", "right", "rank", "lost")
    rows = [
        (
            *(row.detector, row.level, bracketed(row.auroc, row.auroc_low, row.auroc_high)),
            *(bracketed(row.recall, row.recall_low, row.recall_high, percent), number(row.brier)),
            *(number(row.calibration), percent(row.right), number(row.rank), row.lost),
        )
        for row in scored.leaderboard.sort_values("auroc", ascending=False).itertuples()
    ]
    about = scored.organisms
    title = f"{about['confirmed']} confirmed organisms of {about['worlds']} worlds; 95 % intervals over worlds"
    console().print(table(title, columns, rows))
